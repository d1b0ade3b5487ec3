-- +goose Up
CREATE TABLE pulse_beat (
  tenant_id TEXT NOT NULL,
  at        TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (tenant_id)
);
-- address is where the other side wants to be pinged, sealed: who knows it can
-- pretend that we are alive. It is null until the invitation was accepted.
CREATE TABLE pulse_peer (
  tenant_id  TEXT NOT NULL,
  id         TEXT NOT NULL,
  name       TEXT NOT NULL,
  monitor    TEXT NOT NULL,
  address    BYTEA,
  created_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
