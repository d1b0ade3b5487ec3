-- +goose Up
CREATE TABLE roster_callout (
  tenant_id  TEXT NOT NULL,
  id         TEXT NOT NULL,
  roster     TEXT NOT NULL,
  person     TEXT NOT NULL,
  alert      TEXT NOT NULL,
  title      TEXT NOT NULL,
  begin_at   TIMESTAMPTZ(3) NOT NULL,
  end_at     TIMESTAMPTZ(3),
  note       TEXT NOT NULL,
  void       BOOLEAN NOT NULL,
  by_name    TEXT NOT NULL,
  changed_at TIMESTAMPTZ(3),
  told_at    TIMESTAMPTZ(3),
  PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX roster_callout_alert ON roster_callout (tenant_id, alert, person) WHERE alert <> '';
CREATE INDEX roster_callout_begin ON roster_callout (tenant_id, begin_at);
