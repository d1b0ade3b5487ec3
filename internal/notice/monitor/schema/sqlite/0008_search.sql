-- +goose Up
-- What is searched lies in the index too: the wide rows of ten thousand
-- monitors need not be read to find the three that match.
CREATE INDEX monitor_entry_listed ON monitor_entry (tenant_id, paused, state, slug, search);
DROP INDEX monitor_entry_state;
