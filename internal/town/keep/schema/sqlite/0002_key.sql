-- +goose Up
-- Which key seals the personal columns, and which those are; of the install, so
-- tenant_id is empty.
CREATE TABLE keep_key (
  tenant_id TEXT NOT NULL PRIMARY KEY,
  name      TEXT NOT NULL,
  places    TEXT NOT NULL,
  at        TIMESTAMP NOT NULL
);
