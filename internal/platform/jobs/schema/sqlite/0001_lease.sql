-- +goose Up
CREATE TABLE jobs_lease (
  tenant_id TEXT NOT NULL, -- always empty: leases belong to the install
  name      TEXT NOT NULL,
  node      TEXT NOT NULL,
  fence     BIGINT NOT NULL,
  until_at  TIMESTAMP NOT NULL,
  PRIMARY KEY (tenant_id, name)
);
