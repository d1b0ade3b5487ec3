-- +goose Up
CREATE TABLE papers_details (
  tenant_id  TEXT NOT NULL,
  data       TEXT NOT NULL,
  changed_at TIMESTAMP NOT NULL,
  by_name    TEXT NOT NULL,
  PRIMARY KEY (tenant_id)
);
CREATE TABLE papers_confirmation (
  tenant_id TEXT NOT NULL,
  id        TEXT NOT NULL,
  kind      TEXT NOT NULL,
  mark      TEXT NOT NULL,
  version   INTEGER NOT NULL,
  words     TEXT NOT NULL,
  at        TIMESTAMP NOT NULL,
  person    TEXT NOT NULL,
  by_name   TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, kind, version),
  CHECK (by_name <> '')
);
-- What a person confirmed stays as it was.
-- +goose StatementBegin
CREATE TRIGGER papers_confirmation_frozen BEFORE UPDATE ON papers_confirmation
BEGIN SELECT RAISE(ABORT, 'papers: a confirmation never changes'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER papers_confirmation_kept BEFORE DELETE ON papers_confirmation
BEGIN SELECT RAISE(ABORT, 'papers: a confirmation stays'); END;
-- +goose StatementEnd
