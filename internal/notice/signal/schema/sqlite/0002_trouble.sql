-- +goose Up
-- What is in trouble is asked for several times a second in a storm: by one index,
-- whatever the number of keys.
ALTER TABLE signal_key ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE signal_key ADD COLUMN service TEXT NOT NULL DEFAULT '';
UPDATE signal_key SET
  source = COALESCE((SELECT s.source FROM signal_signal AS s WHERE s.tenant_id = signal_key.tenant_id AND s.id = signal_key.signal_id), ''),
  service = COALESCE((SELECT s.service FROM signal_signal AS s WHERE s.tenant_id = signal_key.tenant_id AND s.id = signal_key.signal_id), '')
WHERE state = 'firing';
CREATE INDEX signal_key_trouble ON signal_key (tenant_id, service, source, severity) WHERE state = 'firing' AND service <> '';
