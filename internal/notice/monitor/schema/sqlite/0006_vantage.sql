-- +goose Up
-- sondes names the remote vantage points of a monitor between commas (",a,b,"),
-- so that a sonde's monitors are found; standing is what all of them together
-- make of it (JSON, empty for this machine alone), weigh_at when to weigh again.
ALTER TABLE monitor_entry ADD COLUMN sondes TEXT NOT NULL DEFAULT '';
ALTER TABLE monitor_entry ADD COLUMN standing TEXT NOT NULL DEFAULT '';
ALTER TABLE monitor_entry ADD COLUMN weigh_at TIMESTAMP;
CREATE INDEX monitor_entry_weigh ON monitor_entry (weigh_at);
