-- +goose Up
-- What the town has promised, until when, and how it ended.
CREATE TABLE incident_commitment (
  tenant_id    TEXT NOT NULL,
  id           TEXT NOT NULL,
  incident_id  TEXT NOT NULL,
  text         TEXT NOT NULL,
  text_en      TEXT NOT NULL,
  due_at       TIMESTAMPTZ(3) NOT NULL,
  state        TEXT NOT NULL CHECK (state IN ('open', 'kept', 'broken', 'withdrawn')),
  public       BOOLEAN NOT NULL,
  source       TEXT NOT NULL, -- the statement that said it
  moved        BIGINT NOT NULL,
  note         TEXT NOT NULL,
  at           TIMESTAMPTZ(3) NOT NULL,
  by_name      TEXT NOT NULL,
  settled_at   TIMESTAMPTZ(3),
  settled_name TEXT NOT NULL,
  reminded_at  TIMESTAMPTZ(3),
  overdue_at   TIMESTAMPTZ(3),
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX incident_commitment_incident ON incident_commitment (tenant_id, incident_id, id);
CREATE INDEX incident_commitment_due ON incident_commitment (due_at) WHERE state = 'open';
