-- +goose Up
CREATE TABLE papers_details (
  tenant_id  TEXT NOT NULL,
  data       TEXT NOT NULL,
  changed_at TIMESTAMPTZ(3) NOT NULL,
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
  at        TIMESTAMPTZ(3) NOT NULL,
  person    TEXT NOT NULL,
  by_name   TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, kind, version),
  CHECK (by_name <> '')
);
-- What a person confirmed stays as it was.
-- +goose StatementBegin
CREATE FUNCTION papers_confirmation_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'papers: a confirmation never changes'; END $$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER papers_confirmation_frozen BEFORE UPDATE OR DELETE ON papers_confirmation FOR EACH ROW
EXECUTE FUNCTION papers_confirmation_frozen();
-- +goose StatementEnd
