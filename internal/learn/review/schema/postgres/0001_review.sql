-- +goose Up
CREATE TABLE review_clock (
  tenant_id   TEXT NOT NULL,
  id          TEXT NOT NULL,
  incident_id TEXT NOT NULL,
  realm       TEXT NOT NULL,
  rule        TEXT NOT NULL,
  aware_at    TIMESTAMPTZ(3) NOT NULL,
  due_at      TIMESTAMPTZ(3),
  state       TEXT NOT NULL,
  reason      TEXT NOT NULL,
  reference   TEXT NOT NULL,
  settled_at  TIMESTAMPTZ(3),
  started_by  TEXT NOT NULL,
  settled_by  TEXT NOT NULL,
  created_at  TIMESTAMPTZ(3) NOT NULL,
  told        TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, incident_id, rule),
  CHECK (realm IN ('live', 'exercise')),
  CHECK (state IN ('open', 'met') OR reason <> '')
);
CREATE INDEX review_clock_open ON review_clock (due_at) WHERE state = 'open';
CREATE TABLE review_improvement (
  tenant_id   TEXT NOT NULL,
  id          TEXT NOT NULL,
  incident_id TEXT NOT NULL,
  text        TEXT NOT NULL,
  owner       TEXT NOT NULL,
  due         TEXT NOT NULL,
  state       TEXT NOT NULL,
  result      TEXT NOT NULL,
  created_at  TIMESTAMPTZ(3) NOT NULL,
  closed_at   TIMESTAMPTZ(3),
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX review_improvement_incident ON review_improvement (tenant_id, incident_id);
CREATE INDEX review_improvement_open ON review_improvement (tenant_id, due) WHERE state = 'open';
-- Anonymous: a random id, the day, and nothing of the sender.
CREATE TABLE review_answer (
  tenant_id   TEXT NOT NULL,
  id          TEXT NOT NULL,
  incident_id TEXT NOT NULL,
  audience    TEXT NOT NULL,
  day         TEXT NOT NULL,
  in_time     INTEGER NOT NULL,
  clear       INTEGER NOT NULL,
  helped      INTEGER NOT NULL,
  text        TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX review_answer_incident ON review_answer (tenant_id, incident_id);
