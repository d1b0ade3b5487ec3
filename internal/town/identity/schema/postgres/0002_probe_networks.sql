-- +goose Up
-- Where checks that the town's people enter may go; the operator's word.
ALTER TABLE identity_tenant ADD COLUMN probe_networks TEXT NOT NULL DEFAULT '[]';
