-- +goose Up
-- What to do, where a format keeps it apart from what is (CAP).
ALTER TABLE publish_variant ADD COLUMN instruction TEXT NOT NULL DEFAULT '';
