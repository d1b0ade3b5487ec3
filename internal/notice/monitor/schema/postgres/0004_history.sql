-- +goose Up
-- Results in few bytes (decision 0032). What the sink takes is appended to the
-- journal, one row per batch; now and then the journal is folded into one open
-- chunk per monitor, and a full one becomes a row of monitor_chunk, which never
-- changes again. Rows of monitor_result from before are folded the same way in
-- the background; the table stays and is empty then. Moments are Unix
-- milliseconds and days count from 1970, since a key is as large as ten checks.
CREATE TABLE monitor_journal (
  tenant_id TEXT NOT NULL,
  id        TEXT NOT NULL,
  results   INTEGER NOT NULL,
  data      BYTEA NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE TABLE monitor_open (
  tenant_id TEXT NOT NULL,
  slug      TEXT NOT NULL,
  begins    BIGINT NOT NULL,
  ends      BIGINT NOT NULL,
  results   INTEGER NOT NULL,
  data      BYTEA NOT NULL,
  PRIMARY KEY (tenant_id, slug)
);
CREATE TABLE monitor_chunk (
  tenant_id TEXT NOT NULL,
  id        TEXT NOT NULL,
  slug      TEXT NOT NULL,
  begins    BIGINT NOT NULL,
  ends      BIGINT NOT NULL,
  results   INTEGER NOT NULL,
  data      BYTEA NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX monitor_chunk_of ON monitor_chunk (tenant_id, slug, ends);
CREATE INDEX monitor_chunk_ends ON monitor_chunk (ends);
-- One row per monitor and UTC day with the figures of its hours.
CREATE TABLE monitor_rollup (
  tenant_id TEXT NOT NULL,
  slug      TEXT NOT NULL,
  day       INTEGER NOT NULL,
  data      BYTEA NOT NULL,
  PRIMARY KEY (tenant_id, slug, day)
);
CREATE INDEX monitor_rollup_day ON monitor_rollup (day);
-- One row per tenant: whoever folds holds it, so that two nodes take turns. It
-- also says how long history is kept (days; 0: as the program does by itself).
CREATE TABLE monitor_history (
  tenant_id    TEXT PRIMARY KEY,
  folded       BIGINT NOT NULL,
  keep_results INTEGER NOT NULL DEFAULT 0,
  keep_figures INTEGER NOT NULL DEFAULT 0
);
