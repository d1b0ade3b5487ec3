-- +goose Up
CREATE TABLE plan_audience (
  tenant_id  TEXT NOT NULL,
  slug       TEXT NOT NULL,
  kind       TEXT NOT NULL,
  name       TEXT NOT NULL,
  declared   BOOLEAN NOT NULL,
  body       TEXT NOT NULL,
  updated_at TIMESTAMP NOT NULL,
  PRIMARY KEY (tenant_id, slug)
);
