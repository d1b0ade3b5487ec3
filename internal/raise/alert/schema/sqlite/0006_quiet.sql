-- +goose Up
-- That a source counts as over for its silence, and nobody has said so.
ALTER TABLE alert_signal ADD COLUMN quiet BOOLEAN NOT NULL DEFAULT FALSE;
