-- +goose Up
-- An escalation chain; its steps stand in the body.
CREATE TABLE chain_policy (
  tenant_id  TEXT NOT NULL,
  slug       TEXT NOT NULL,
  position   BIGINT NOT NULL, -- of two that name one service the first one counts
  declared   BOOLEAN NOT NULL,
  body       TEXT NOT NULL,
  updated_at TIMESTAMP NOT NULL,
  PRIMARY KEY (tenant_id, slug)
);
