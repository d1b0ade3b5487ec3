-- +goose Up
-- parents is a JSON list of slugs, and rules a JSON list of recurring
-- maintenances that were announced in the console.
ALTER TABLE monitor_entry ADD COLUMN parents TEXT NOT NULL DEFAULT '[]';
ALTER TABLE monitor_entry ADD COLUMN rules TEXT NOT NULL DEFAULT '[]';
-- Alarms that are or were withheld, so that everybody can read why (I20).
CREATE TABLE monitor_withheld (
  tenant_id TEXT NOT NULL,
  slug      TEXT NOT NULL,
  since     TIMESTAMPTZ(3) NOT NULL,
  reason    TEXT NOT NULL,
  cause     TEXT NOT NULL,
  ended_at  TIMESTAMPTZ(3),
  PRIMARY KEY (tenant_id, slug, since)
);
CREATE INDEX monitor_withheld_open ON monitor_withheld (tenant_id, ended_at);
-- The towns that were told of our lost uplink and not yet of its return.
CREATE TABLE monitor_uplink (
  tenant_id TEXT NOT NULL PRIMARY KEY,
  since     TIMESTAMPTZ(3) NOT NULL,
  behind    INTEGER NOT NULL
);
