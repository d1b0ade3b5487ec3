-- +goose Up
-- What a provider reports after it has taken a message, and what it reports of a
-- message that we do not know by that name yet.
ALTER TABLE channel_outbox ADD COLUMN parts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channel_outbox ADD COLUMN arrival TEXT NOT NULL DEFAULT '';
ALTER TABLE channel_outbox ADD COLUMN arrival_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE channel_outbox ADD COLUMN arrived_at TIMESTAMP;
CREATE INDEX channel_outbox_reference ON channel_outbox (tenant_id, route, reference);
CREATE INDEX channel_outbox_recipient ON channel_outbox (tenant_id, recipient, created_at);
CREATE TABLE channel_early (
  tenant_id  TEXT NOT NULL,
  route      TEXT NOT NULL,
  name       TEXT NOT NULL,
  arrival    TEXT NOT NULL,
  reason     TEXT NOT NULL,
  at         TIMESTAMP NOT NULL,
  PRIMARY KEY (tenant_id, route, name)
);
CREATE INDEX channel_early_at ON channel_early (at);
CREATE TABLE channel_answer (
  tenant_id  TEXT NOT NULL,
  route      TEXT NOT NULL,
  id         TEXT NOT NULL,
  sender     TEXT NOT NULL,
  message    TEXT NOT NULL,
  at         TIMESTAMP NOT NULL,
  PRIMARY KEY (tenant_id, route, id)
);
CREATE INDEX channel_answer_at ON channel_answer (at);
