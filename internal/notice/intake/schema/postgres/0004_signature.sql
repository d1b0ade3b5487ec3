-- +goose Up
-- secret is the sealed key by which the source signs what it sends; empty: it need
-- not. refused counts what came without its signature, refused_at is the last time.
ALTER TABLE intake_source ADD COLUMN secret BYTEA NOT NULL DEFAULT ''::BYTEA;
ALTER TABLE intake_source ADD COLUMN refused INTEGER NOT NULL DEFAULT 0;
ALTER TABLE intake_source ADD COLUMN refused_at TIMESTAMPTZ;
