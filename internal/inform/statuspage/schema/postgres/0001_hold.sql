-- +goose Up
CREATE TABLE statuspage_hold (
  tenant_id   TEXT NOT NULL,
  service     TEXT NOT NULL,
  state       TEXT NOT NULL,
  reason      TEXT NOT NULL,
  person      TEXT NOT NULL,
  person_name TEXT NOT NULL,
  at          TIMESTAMPTZ(3) NOT NULL,
  PRIMARY KEY (tenant_id, service)
);
