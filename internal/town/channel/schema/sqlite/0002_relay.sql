-- +goose Up
CREATE TABLE channel_relay (
  tenant_id  TEXT NOT NULL,
  name       TEXT NOT NULL,
  position   INTEGER NOT NULL,
  body       TEXT NOT NULL,
  secret     BLOB,
  updated_at TIMESTAMP NOT NULL,
  PRIMARY KEY (tenant_id, name)
);
CREATE TABLE channel_hook (
  tenant_id  TEXT NOT NULL,
  name       TEXT NOT NULL,
  url        TEXT NOT NULL,
  secret     BLOB,
  updated_at TIMESTAMP NOT NULL,
  PRIMARY KEY (tenant_id, name)
);
