-- +goose Up
-- How an incident stood from a moment on, for whoever must say it as of then.
CREATE TABLE incident_stand (
  tenant_id   TEXT NOT NULL,
  incident_id TEXT NOT NULL,
  seq         BIGINT NOT NULL, -- of the journal at that moment
  at          TIMESTAMP NOT NULL,
  title       TEXT NOT NULL,
  level       TEXT NOT NULL,
  phase       TEXT NOT NULL,
  private     BOOLEAN NOT NULL,
  services    TEXT NOT NULL, -- slugs, one in a line
  PRIMARY KEY (tenant_id, incident_id, seq)
);
