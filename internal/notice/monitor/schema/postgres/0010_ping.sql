-- +goose Up
-- Reports of heartbeats that came to a node which does not watch.
CREATE TABLE monitor_ping (
  tenant_id TEXT NOT NULL,
  id        TEXT NOT NULL,
  slug      TEXT NOT NULL,
  suffix    TEXT NOT NULL,
  note      TEXT NOT NULL,
  at        TIMESTAMPTZ(3) NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
