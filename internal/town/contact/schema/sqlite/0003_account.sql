-- +goose Up
-- The town's accounts in networks, and what leads back into them.
CREATE TABLE contact_account (
  tenant_id  TEXT NOT NULL,
  id         TEXT NOT NULL,
  network    TEXT NOT NULL,
  name       TEXT NOT NULL,
  recovery   TEXT NOT NULL,
  second     TEXT NOT NULL, -- who holds the second factor
  updated_at TIMESTAMP NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
