-- +goose Up
CREATE TABLE monitor_entry (
  tenant_id  TEXT NOT NULL,
  slug       TEXT NOT NULL,
  name       TEXT NOT NULL,
  service    TEXT NOT NULL,
  kind       TEXT NOT NULL,
  spec       TEXT NOT NULL,
  secret     BYTEA,
  ping_key   TEXT NOT NULL,
  paused     BOOLEAN NOT NULL,
  declared   BOOLEAN NOT NULL,
  status     TEXT NOT NULL,
  updated_at TIMESTAMPTZ(3) NOT NULL,
  PRIMARY KEY (tenant_id, slug)
);
CREATE UNIQUE INDEX monitor_entry_ping ON monitor_entry (ping_key);
CREATE INDEX monitor_entry_service ON monitor_entry (tenant_id, service);
CREATE TABLE monitor_result (
  tenant_id  TEXT NOT NULL,
  slug       TEXT NOT NULL,
  at         TIMESTAMPTZ(3) NOT NULL,
  took_ms    INTEGER NOT NULL,
  ok         BOOLEAN NOT NULL,
  reason     TEXT NOT NULL,
  code       INTEGER NOT NULL,
  detail     TEXT NOT NULL,
  PRIMARY KEY (tenant_id, slug, at)
);
CREATE INDEX monitor_result_at ON monitor_result (at);
