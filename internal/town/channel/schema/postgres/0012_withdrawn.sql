-- +goose Up
-- Why a message is no longer wanted, and whether a try before may have come
-- through. A release that knows neither sees "failed" and sends it no more.
ALTER TABLE channel_outbox ADD COLUMN withdrawn TEXT NOT NULL DEFAULT '';
ALTER TABLE channel_outbox ADD COLUMN doubtful BOOLEAN NOT NULL DEFAULT FALSE;
