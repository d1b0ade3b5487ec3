-- +goose Up
-- What lists and counts look at, so that ten thousand monitors need not be read
-- to find the broken ones: the state beside its JSON, and all that is searched
-- in lower case. windows are the maintenances announced in the console.
ALTER TABLE monitor_entry ADD COLUMN state TEXT NOT NULL DEFAULT 'unknown';
ALTER TABLE monitor_entry ADD COLUMN search TEXT NOT NULL DEFAULT '';
ALTER TABLE monitor_entry ADD COLUMN windows TEXT NOT NULL DEFAULT '[]';
UPDATE monitor_entry SET
  state = coalesce(nullif(json_extract(status, '$.state'), ''), 'unknown'),
  search = lower(slug || ' ' || name || ' ' || service || ' ' || coalesce(json_extract(spec, '$.url'), json_extract(spec, '$.host'), ''));
CREATE INDEX monitor_entry_state ON monitor_entry (tenant_id, paused, state, slug);
CREATE INDEX monitor_entry_by_service ON monitor_entry (tenant_id, service, paused, state);
DROP INDEX monitor_entry_service;
