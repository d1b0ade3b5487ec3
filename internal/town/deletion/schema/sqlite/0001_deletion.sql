-- +goose Up
CREATE TABLE deletion_run (
  tenant_id  TEXT NOT NULL,
  day        TEXT NOT NULL, -- civil day of the town, so that two nodes agree
  started_at TIMESTAMP NOT NULL,
  ended_at   TIMESTAMP,
  PRIMARY KEY (tenant_id, day)
);
CREATE TABLE deletion_record (
  tenant_id  TEXT NOT NULL,
  id         TEXT NOT NULL,
  day        TEXT NOT NULL,
  at         TIMESTAMP NOT NULL,
  rule       TEXT NOT NULL,
  table_name TEXT NOT NULL,
  act        TEXT NOT NULL,
  days       INTEGER NOT NULL, -- the period
  limit_at   TIMESTAMP NOT NULL, -- what was older than this
  gone       INTEGER NOT NULL,
  held       INTEGER NOT NULL, -- older, and kept by a hold
  overdue    INTEGER NOT NULL, -- older, and still there although nothing keeps it
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX deletion_record_day ON deletion_record (tenant_id, day);
CREATE TABLE deletion_hold (
  tenant_id   TEXT NOT NULL,
  id          TEXT NOT NULL,
  from_day    TEXT NOT NULL,
  to_day      TEXT NOT NULL, -- empty: without an end
  reason      TEXT NOT NULL,
  set_at      TIMESTAMP NOT NULL,
  set_name    TEXT NOT NULL,
  lifted_at   TIMESTAMP,
  lifted_name TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id),
  CHECK (reason <> '')
);
-- A proof never changes.
-- +goose StatementBegin
CREATE TRIGGER deletion_record_frozen BEFORE UPDATE ON deletion_record
BEGIN SELECT RAISE(ABORT, 'deletion: a record never changes'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER deletion_record_kept BEFORE DELETE ON deletion_record
BEGIN SELECT RAISE(ABORT, 'deletion: a record stays'); END;
-- +goose StatementEnd
