-- +goose Up
-- What is tried in vain again and again is one line that counts.
ALTER TABLE alert_course ADD COLUMN times BIGINT NOT NULL DEFAULT 1;
ALTER TABLE alert_course ADD COLUMN last_at TIMESTAMPTZ(3);
