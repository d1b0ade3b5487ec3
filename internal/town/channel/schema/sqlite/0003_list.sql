-- +goose Up
-- The pages of the outbox read by time, newest first.
CREATE INDEX channel_outbox_time ON channel_outbox (tenant_id, created_at, id);
CREATE INDEX channel_simulated_time ON channel_simulated (tenant_id, at, id);
