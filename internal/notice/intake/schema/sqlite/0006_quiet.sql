-- +goose Up
-- resolve_after is after how many seconds without a word about it something that the
-- source reports counts as over; 0: never. quiet_from is from when on silence counts.
ALTER TABLE intake_source ADD COLUMN resolve_after INTEGER NOT NULL DEFAULT 0;
ALTER TABLE intake_source ADD COLUMN quiet_from TIMESTAMP;
-- Since when a node listens without a break, and up to when it has noted that it does.
CREATE TABLE intake_ear (
  tenant_id TEXT NOT NULL,
  node      TEXT NOT NULL,
  since     TIMESTAMP NOT NULL,
  at        TIMESTAMP NOT NULL,
  PRIMARY KEY (tenant_id, node)
);
