-- +goose Up
-- An end that nobody has said, concluded from silence: the next word opens it again.
ALTER TABLE signal_episode ADD COLUMN quiet BOOLEAN NOT NULL DEFAULT FALSE;
-- What fires and has said nothing for long.
CREATE INDEX signal_episode_firing ON signal_episode (tenant_id, last_at) WHERE state = 'firing';
