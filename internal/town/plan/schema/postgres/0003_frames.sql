-- +goose Up
-- Whose pages may show a secret link's page inside of themselves.
ALTER TABLE plan_link ADD COLUMN frames TEXT NOT NULL DEFAULT '';
