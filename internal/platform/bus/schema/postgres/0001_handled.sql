-- +goose Up
CREATE TABLE bus_handled (
  tenant_id TEXT NOT NULL,
  event_id  TEXT NOT NULL,
  handler   TEXT NOT NULL,
  at        TIMESTAMPTZ(3) NOT NULL,
  PRIMARY KEY (tenant_id, event_id, handler)
);
CREATE INDEX bus_handled_at ON bus_handled (at);
