-- +goose Up
-- The highest number of a key of the town that was forgotten: what is heard of again
-- goes on behind it.
CREATE TABLE signal_forgotten (
  tenant_id TEXT NOT NULL PRIMARY KEY,
  seq       BIGINT NOT NULL
);
