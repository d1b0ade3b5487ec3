-- +goose Up
-- Whose server a message leads to, as a short digest: one that hangs holds up no
-- other of its kind. What waits from a release before has none and is not held.
ALTER TABLE channel_outbox ADD COLUMN destination TEXT NOT NULL DEFAULT '';
