-- +goose Up
CREATE TABLE service_entry (
  tenant_id  TEXT NOT NULL,
  slug       TEXT NOT NULL,
  name       TEXT NOT NULL,
  public     BOOLEAN NOT NULL,
  position   INTEGER NOT NULL,
  declared   BOOLEAN NOT NULL,
  body       TEXT NOT NULL,
  updated_at TIMESTAMPTZ(3) NOT NULL,
  PRIMARY KEY (tenant_id, slug)
);
