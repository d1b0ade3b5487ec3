-- +goose Up
-- Browsers and telephones to which messages are pushed. Endpoint, keys and label
-- are sealed; mark tells the same endpoint again.
CREATE TABLE channel_device (
  tenant_id  TEXT NOT NULL,
  id         TEXT NOT NULL,
  person_id  TEXT NOT NULL,
  mark       TEXT NOT NULL,
  secret     BLOB NOT NULL,
  added_at   TIMESTAMP NOT NULL,
  lost_at    TIMESTAMP,
  PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX channel_device_mark ON channel_device (tenant_id, mark);
CREATE INDEX channel_device_person ON channel_device (tenant_id, person_id);
