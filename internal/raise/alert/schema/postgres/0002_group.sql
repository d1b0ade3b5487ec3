-- +goose Up
-- Alerts of groups of things that fail together: the newest of each group grows.
-- more counts what has joined and was not told yet.
CREATE TABLE alert_group (
  tenant_id TEXT NOT NULL,
  name      TEXT NOT NULL,
  alert_id  TEXT NOT NULL,
  opened_at TIMESTAMPTZ NOT NULL,
  last_at   TIMESTAMPTZ NOT NULL,
  more      BIGINT NOT NULL,
  waiting   TIMESTAMPTZ,
  told_at   TIMESTAMPTZ,
  due_at    TIMESTAMPTZ,
  PRIMARY KEY (tenant_id, alert_id)
);
CREATE INDEX alert_group_name ON alert_group (tenant_id, name, opened_at);
CREATE INDEX alert_group_due ON alert_group (due_at) WHERE due_at IS NOT NULL;
