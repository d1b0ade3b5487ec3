-- +goose Up
CREATE TABLE deletion_run (
  tenant_id  TEXT NOT NULL,
  day        TEXT NOT NULL, -- civil day of the town, so that two nodes agree
  started_at TIMESTAMPTZ(3) NOT NULL,
  ended_at   TIMESTAMPTZ(3),
  PRIMARY KEY (tenant_id, day)
);
CREATE TABLE deletion_record (
  tenant_id  TEXT NOT NULL,
  id         TEXT NOT NULL,
  day        TEXT NOT NULL,
  at         TIMESTAMPTZ(3) NOT NULL,
  rule       TEXT NOT NULL,
  table_name TEXT NOT NULL,
  act        TEXT NOT NULL,
  days       BIGINT NOT NULL, -- the period
  limit_at   TIMESTAMPTZ(3) NOT NULL, -- what was older than this
  gone       BIGINT NOT NULL,
  held       BIGINT NOT NULL, -- older, and kept by a hold
  overdue    BIGINT NOT NULL, -- older, and still there although nothing keeps it
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX deletion_record_day ON deletion_record (tenant_id, day);
CREATE TABLE deletion_hold (
  tenant_id   TEXT NOT NULL,
  id          TEXT NOT NULL,
  from_day    TEXT NOT NULL,
  to_day      TEXT NOT NULL, -- empty: without an end
  reason      TEXT NOT NULL,
  set_at      TIMESTAMPTZ(3) NOT NULL,
  set_name    TEXT NOT NULL,
  lifted_at   TIMESTAMPTZ(3),
  lifted_name TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id),
  CHECK (reason <> '')
);
-- A proof never changes.
-- +goose StatementBegin
CREATE FUNCTION deletion_record_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'deletion: a record never changes'; END $$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER deletion_record_frozen BEFORE UPDATE OR DELETE ON deletion_record FOR EACH ROW
EXECUTE FUNCTION deletion_record_frozen();
-- +goose StatementEnd
