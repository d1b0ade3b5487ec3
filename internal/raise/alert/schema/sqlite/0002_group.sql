-- +goose Up
-- Alerts of groups of things that fail together: the newest of each group grows.
-- more counts what has joined and was not told yet.
CREATE TABLE alert_group (
  tenant_id TEXT NOT NULL,
  name      TEXT NOT NULL,
  alert_id  TEXT NOT NULL,
  opened_at TIMESTAMP NOT NULL,
  last_at   TIMESTAMP NOT NULL,
  more      BIGINT NOT NULL,
  waiting   TIMESTAMP,
  told_at   TIMESTAMP,
  due_at    TIMESTAMP,
  PRIMARY KEY (tenant_id, alert_id)
);
CREATE INDEX alert_group_name ON alert_group (tenant_id, name, opened_at);
CREATE INDEX alert_group_due ON alert_group (due_at) WHERE due_at IS NOT NULL;
