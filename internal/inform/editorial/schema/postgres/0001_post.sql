-- +goose Up
CREATE TABLE editorial_post (
  tenant_id    TEXT NOT NULL,
  id           TEXT NOT NULL,
  realm        TEXT NOT NULL,
  account      TEXT NOT NULL,
  text         TEXT NOT NULL,
  humour       BOOLEAN NOT NULL,
  due_at       TIMESTAMPTZ(3),
  state        TEXT NOT NULL,
  author       TEXT NOT NULL,
  approver     TEXT NOT NULL,
  approved_at  TIMESTAMPTZ(3),
  held_for     TEXT NOT NULL,
  held_at      TIMESTAMPTZ(3),
  releaser     TEXT NOT NULL,
  reason       TEXT NOT NULL,
  published_at TIMESTAMPTZ(3),
  reference    TEXT NOT NULL,
  created_at   TIMESTAMPTZ(3) NOT NULL,
  attempts     INTEGER NOT NULL,
  retry_at     TIMESTAMPTZ(3),
  PRIMARY KEY (tenant_id, id),
  CHECK (realm IN ('live', 'exercise')),
  CHECK (state <> 'scheduled' OR due_at IS NOT NULL)
);
CREATE INDEX editorial_post_state ON editorial_post (tenant_id, state, id);
CREATE INDEX editorial_post_due ON editorial_post (due_at) WHERE state = 'scheduled';
CREATE INDEX editorial_post_sending ON editorial_post (retry_at) WHERE state = 'sending';
-- Who schedules, sends or holds writes this row first, and so stands in line.
CREATE TABLE editorial_gate (
  tenant_id TEXT NOT NULL PRIMARY KEY,
  turn      BIGINT NOT NULL
);
