-- +goose Up
-- What is due is looked for by kind and class.
CREATE INDEX channel_outbox_lane ON channel_outbox (state, class, kind, due_at);
