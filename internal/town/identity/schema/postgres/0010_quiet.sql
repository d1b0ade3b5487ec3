-- +goose Up
-- When a person wants to hear of nothing that can wait.
ALTER TABLE identity_wish ADD COLUMN quiet TEXT NOT NULL DEFAULT '';
