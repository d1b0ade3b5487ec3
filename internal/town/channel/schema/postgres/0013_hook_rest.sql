-- +goose Up
-- The request of a service that has a REST interface of its own.
ALTER TABLE channel_hook ADD COLUMN rest TEXT NOT NULL DEFAULT '';
