-- +goose Up
CREATE TABLE roster_entry (
  tenant_id  TEXT NOT NULL,
  slug       TEXT NOT NULL,
  name       TEXT NOT NULL,
  position   INTEGER NOT NULL,
  declared   BOOLEAN NOT NULL,
  body       TEXT NOT NULL,
  updated_at TIMESTAMP NOT NULL,
  PRIMARY KEY (tenant_id, slug)
);

CREATE TABLE roster_override (
  tenant_id TEXT NOT NULL,
  id        TEXT NOT NULL,
  roster    TEXT NOT NULL,
  line      INTEGER NOT NULL,
  from_at   TIMESTAMP NOT NULL,
  to_at     TIMESTAMP NOT NULL,
  person    TEXT NOT NULL,
  note      TEXT NOT NULL,
  swap      TEXT NOT NULL,
  by_name   TEXT NOT NULL,
  made_at   TIMESTAMP NOT NULL,
  undone_at TIMESTAMP,
  undone_by TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (tenant_id, id),
  CHECK (from_at < to_at)
);
CREATE INDEX roster_override_time ON roster_override (tenant_id, roster, to_at);

CREATE TABLE roster_swap (
  tenant_id   TEXT NOT NULL,
  id          TEXT NOT NULL,
  roster      TEXT NOT NULL,
  asker       TEXT NOT NULL,
  other       TEXT NOT NULL,
  give_line   INTEGER NOT NULL,
  give_from   TIMESTAMP NOT NULL,
  give_to     TIMESTAMP NOT NULL,
  take_line   INTEGER NOT NULL,
  take_from   TIMESTAMP,
  take_to     TIMESTAMP,
  note        TEXT NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('asked', 'accepted', 'declined', 'withdrawn', 'undone')),
  asked_at    TIMESTAMP NOT NULL,
  answered_at TIMESTAMP,
  answered_by TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX roster_swap_roster ON roster_swap (tenant_id, roster);

CREATE TABLE roster_notice (
  tenant_id TEXT NOT NULL,
  roster    TEXT NOT NULL,
  gap_from  TIMESTAMP NOT NULL,
  stage     INTEGER NOT NULL,
  told_at   TIMESTAMP NOT NULL,
  PRIMARY KEY (tenant_id, roster, gap_from, stage)
);

CREATE TABLE roster_day (
  tenant_id TEXT NOT NULL,
  id        TEXT NOT NULL,
  name      TEXT NOT NULL,
  rule      TEXT NOT NULL,
  half      BOOLEAN NOT NULL,
  declared  BOOLEAN NOT NULL,
  PRIMARY KEY (tenant_id, id)
);

CREATE TABLE roster_feed (
  tenant_id  TEXT NOT NULL,
  id         TEXT NOT NULL,
  roster     TEXT NOT NULL,
  person     TEXT NOT NULL,
  name       TEXT NOT NULL,
  hash       TEXT NOT NULL,
  by_person  TEXT NOT NULL,
  by_name    TEXT NOT NULL,
  made_at    TIMESTAMP NOT NULL,
  revoked_at TIMESTAMP,
  PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX roster_feed_hash ON roster_feed (tenant_id, hash);
