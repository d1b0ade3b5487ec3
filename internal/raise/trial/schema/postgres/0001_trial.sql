-- +goose Up
CREATE TABLE trial_run (
  tenant_id    TEXT NOT NULL,
  id           TEXT NOT NULL,
  target       TEXT NOT NULL, -- chain:edv, roster:presse, all
  name         TEXT NOT NULL,
  weekly       BOOLEAN NOT NULL,
  started_at   TIMESTAMPTZ(3) NOT NULL,
  started_by   TEXT NOT NULL,
  started_name TEXT NOT NULL,
  due_at       TIMESTAMPTZ(3) NOT NULL, -- it ends then at the latest
  ended_at     TIMESTAMPTZ(3),
  missed       TEXT NOT NULL, -- names that lead to nobody
  verdict      TEXT NOT NULL CHECK (verdict IN ('', 'good', 'gap', 'red')),
  people       INTEGER NOT NULL,
  answered     INTEGER NOT NULL,
  receipted    INTEGER NOT NULL,
  apart        INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX trial_run_due ON trial_run (due_at) WHERE ended_at IS NULL;
CREATE INDEX trial_run_target ON trial_run (tenant_id, target, id);
CREATE TABLE trial_person (
  tenant_id    TEXT NOT NULL,
  run          TEXT NOT NULL,
  person       TEXT NOT NULL,
  name         TEXT NOT NULL,
  step         INTEGER NOT NULL,
  answered_at  TIMESTAMPTZ(3),
  answered_by  TEXT NOT NULL, -- the id of the way
  PRIMARY KEY (tenant_id, run, person)
);
CREATE TABLE trial_way (
  tenant_id  TEXT NOT NULL,
  id         TEXT NOT NULL, -- of the message
  run        TEXT NOT NULL,
  person     TEXT NOT NULL,
  way        TEXT NOT NULL,
  kind       TEXT NOT NULL,
  apart      BOOLEAN NOT NULL,
  hash       TEXT NOT NULL, -- of the secret in its message
  lacking    TEXT NOT NULL,
  taken_at   TIMESTAMPTZ(3),
  arrived_at TIMESTAMPTZ(3),
  failed_at  TIMESTAMPTZ(3),
  reason     TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX trial_way_run ON trial_way (tenant_id, run);
CREATE INDEX trial_way_hash ON trial_way (tenant_id, hash);
CREATE TABLE trial_plan (
  tenant_id   TEXT NOT NULL,
  target      TEXT NOT NULL,
  weekday     INTEGER NOT NULL CHECK (weekday BETWEEN 0 AND 6),
  hour        INTEGER NOT NULL CHECK (hour BETWEEN 0 AND 23),
  next_at     TIMESTAMPTZ(3) NOT NULL,
  skipped_at  TIMESTAMPTZ(3),
  skipped_why TEXT NOT NULL,
  PRIMARY KEY (tenant_id, target)
);
