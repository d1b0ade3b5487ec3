-- +goose Up
CREATE TABLE exercise_run (
  tenant_id   TEXT NOT NULL,
  id          TEXT NOT NULL,
  type        TEXT NOT NULL,
  scenario    TEXT NOT NULL,
  title       TEXT NOT NULL,
  incident_id TEXT NOT NULL,
  state       TEXT NOT NULL,
  started_at  TIMESTAMPTZ(3) NOT NULL,
  started_by  TEXT NOT NULL,
  ended_at    TIMESTAMPTZ(3),
  injects     INTEGER NOT NULL,
  record      TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX exercise_run_running ON exercise_run (started_at) WHERE state = 'running';
