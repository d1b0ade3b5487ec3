-- +goose Up
-- The mailbox elsewhere from which a source's mails are fetched. validity and uid are
-- how far it has been read; 0: not yet. secret is sealed. failing_at is since when it
-- cannot be read, told whether that has alarmed.
CREATE TABLE intake_mailbox (
  tenant_id  TEXT NOT NULL,
  source     TEXT NOT NULL,
  host       TEXT NOT NULL,
  port       INTEGER NOT NULL,
  security   TEXT NOT NULL,
  login      TEXT NOT NULL,
  secret     BYTEA NOT NULL,
  folder     TEXT NOT NULL,
  validity   BIGINT NOT NULL,
  uid        BIGINT NOT NULL,
  looked_at  TIMESTAMPTZ,
  failing_at TIMESTAMPTZ,
  problem    TEXT NOT NULL,
  told       BOOLEAN NOT NULL,
  PRIMARY KEY (tenant_id, source)
);
