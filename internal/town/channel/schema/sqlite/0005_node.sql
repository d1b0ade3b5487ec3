-- +goose Up
-- The node that claimed the message, so that what a dead one left is taken up
-- without waiting for the end of its lease.
ALTER TABLE channel_outbox ADD COLUMN node TEXT NOT NULL DEFAULT '';
