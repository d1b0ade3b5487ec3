-- +goose Up
CREATE TABLE contact_point (
  tenant_id  TEXT NOT NULL,
  id         TEXT NOT NULL,
  host       TEXT NOT NULL,
  findings   TEXT NOT NULL,
  state      TEXT NOT NULL CHECK (state IN ('shared', 'unknown', 'apart')),
  checked_at TIMESTAMP,
  PRIMARY KEY (tenant_id, id)
);
