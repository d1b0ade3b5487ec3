-- +goose Up
-- What was noticed and told on, and what came too late to count: one row each.
CREATE TABLE signal_signal (
  tenant_id TEXT NOT NULL,
  id        TEXT NOT NULL,
  source    TEXT NOT NULL,
  key       TEXT NOT NULL,
  episode   TEXT NOT NULL,
  state     TEXT NOT NULL,
  seq       BIGINT NOT NULL,
  service   TEXT NOT NULL,
  severity  TEXT NOT NULL,
  title     TEXT NOT NULL,
  detail    TEXT NOT NULL,
  since     TIMESTAMP NOT NULL,
  at        TIMESTAMP NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX signal_signal_key ON signal_signal (tenant_id, key, id);
CREATE INDEX signal_signal_service ON signal_signal (tenant_id, service, id);
CREATE INDEX signal_signal_at ON signal_signal (at);

-- How things stand per key: its newest episode. signal_id is the told signal
-- that made it so.
CREATE TABLE signal_key (
  tenant_id TEXT NOT NULL,
  key       TEXT NOT NULL,
  seq       BIGINT NOT NULL,
  episode   TEXT NOT NULL,
  state     TEXT NOT NULL,
  since     TIMESTAMP NOT NULL,
  severity  TEXT NOT NULL,
  signal_id TEXT NOT NULL,
  PRIMARY KEY (tenant_id, key)
);
CREATE INDEX signal_key_state ON signal_key (tenant_id, state);

-- Every episode that was ever heard of, so that none opens a second time.
CREATE TABLE signal_episode (
  tenant_id TEXT NOT NULL,
  key       TEXT NOT NULL,
  episode   TEXT NOT NULL,
  state     TEXT NOT NULL,
  since     TIMESTAMP NOT NULL,
  last_at   TIMESTAMP NOT NULL,
  repeats   BIGINT NOT NULL,
  late      BOOLEAN NOT NULL, -- its beginning came after its end, and was told as ignored
  PRIMARY KEY (tenant_id, key, episode)
);
CREATE INDEX signal_episode_last ON signal_episode (last_at);
