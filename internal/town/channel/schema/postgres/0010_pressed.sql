-- +goose Up
-- The key that somebody pressed in a call of which we did not know yet.
ALTER TABLE channel_early ADD COLUMN pressed TEXT NOT NULL DEFAULT '';
