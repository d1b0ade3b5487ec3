-- +goose Up
CREATE TABLE channel_outbox (
  tenant_id    TEXT NOT NULL,
  id           TEXT NOT NULL,
  kind         TEXT NOT NULL,
  class        TEXT NOT NULL CHECK (class IN ('alarm', 'single')),
  realm        TEXT NOT NULL CHECK (realm IN ('live', 'exercise')),
  recipient    TEXT NOT NULL,
  subject      TEXT NOT NULL,
  message      TEXT NOT NULL,
  secret       BYTEA,
  state        TEXT NOT NULL CHECK (state IN ('queued', 'sending', 'accepted', 'failed')),
  attempts     INTEGER NOT NULL,
  due_at       TIMESTAMPTZ(3) NOT NULL,
  lease_until  TIMESTAMPTZ(3),
  give_up_at   TIMESTAMPTZ(3) NOT NULL,
  route        TEXT NOT NULL,
  reference    TEXT NOT NULL,
  reason       TEXT NOT NULL,
  detail       TEXT NOT NULL,
  created_at   TIMESTAMPTZ(3) NOT NULL,
  settled_at   TIMESTAMPTZ(3),
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX channel_outbox_due ON channel_outbox (state, class, due_at);
CREATE INDEX channel_outbox_list ON channel_outbox (tenant_id, id);
CREATE TABLE channel_simulated (
  tenant_id    TEXT NOT NULL,
  id           TEXT NOT NULL,
  kind         TEXT NOT NULL,
  class        TEXT NOT NULL,
  realm        TEXT NOT NULL,
  recipient    TEXT NOT NULL,
  subject      TEXT NOT NULL,
  body         TEXT NOT NULL,
  at           TIMESTAMPTZ(3) NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
