-- +goose Up
-- In which form a webhook is told, and whose statements it gets.
ALTER TABLE channel_hook ADD COLUMN form TEXT NOT NULL DEFAULT '';
ALTER TABLE channel_hook ADD COLUMN audiences TEXT NOT NULL DEFAULT '';
ALTER TABLE channel_hook ADD COLUMN quiet BOOLEAN NOT NULL DEFAULT FALSE;
