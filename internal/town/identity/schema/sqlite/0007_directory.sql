-- +goose Up
-- People of the town's directory: its lasting mark of each, and whether they rest
-- because it names them no more. One row tells how the last run ended.
ALTER TABLE identity_person ADD COLUMN origin TEXT NOT NULL DEFAULT '';
ALTER TABLE identity_person ADD COLUMN gone BOOLEAN NOT NULL DEFAULT FALSE;
CREATE TABLE identity_roll (
  tenant_id TEXT NOT NULL PRIMARY KEY,
  state     TEXT NOT NULL,
  at        TIMESTAMP NOT NULL,
  detail    TEXT NOT NULL,
  arg       TEXT NOT NULL,
  found     INTEGER NOT NULL,
  lines     INTEGER NOT NULL,
  rest      INTEGER NOT NULL
);
