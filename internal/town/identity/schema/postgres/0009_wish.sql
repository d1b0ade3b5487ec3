-- +goose Up
-- How a person wants to be reached: the order of their ways.
CREATE TABLE identity_wish (
  tenant_id TEXT NOT NULL,
  person_id TEXT NOT NULL,
  ways      TEXT NOT NULL,
  PRIMARY KEY (tenant_id, person_id)
);
