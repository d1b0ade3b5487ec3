-- +goose Up
-- What somebody is to do about an incident. A task with an audience was given
-- by the plan, once per incident.
CREATE TABLE incident_task (
  tenant_id    TEXT NOT NULL,
  id           TEXT NOT NULL,
  incident_id  TEXT NOT NULL,
  audience     TEXT NOT NULL,
  title        TEXT NOT NULL,
  owner        TEXT NOT NULL, -- mail address; empty: nobody looks after it
  deputy       TEXT NOT NULL,
  due_at       TIMESTAMP,
  created_at   TIMESTAMP NOT NULL,
  created_name TEXT NOT NULL,
  done_at      TIMESTAMP,
  done_name    TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX incident_task_incident ON incident_task (tenant_id, incident_id);
CREATE UNIQUE INDEX incident_task_audience ON incident_task (tenant_id, incident_id, audience) WHERE audience <> '';
