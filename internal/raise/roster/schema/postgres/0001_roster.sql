-- +goose Up
CREATE TABLE roster_entry (
  tenant_id  TEXT NOT NULL,
  slug       TEXT NOT NULL,
  name       TEXT NOT NULL,
  position   INTEGER NOT NULL,
  declared   BOOLEAN NOT NULL,
  body       TEXT NOT NULL,
  updated_at TIMESTAMPTZ(3) NOT NULL,
  PRIMARY KEY (tenant_id, slug)
);

CREATE TABLE roster_override (
  tenant_id TEXT NOT NULL,
  id        TEXT NOT NULL,
  roster    TEXT NOT NULL,
  line      INTEGER NOT NULL,
  from_at   TIMESTAMPTZ(3) NOT NULL,
  to_at     TIMESTAMPTZ(3) NOT NULL,
  person    TEXT NOT NULL,
  note      TEXT NOT NULL,
  swap      TEXT NOT NULL,
  by_name   TEXT NOT NULL,
  made_at   TIMESTAMPTZ(3) NOT NULL,
  undone_at TIMESTAMPTZ(3),
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
  give_from   TIMESTAMPTZ(3) NOT NULL,
  give_to     TIMESTAMPTZ(3) NOT NULL,
  take_line   INTEGER NOT NULL,
  take_from   TIMESTAMPTZ(3),
  take_to     TIMESTAMPTZ(3),
  note        TEXT NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('asked', 'accepted', 'declined', 'withdrawn', 'undone')),
  asked_at    TIMESTAMPTZ(3) NOT NULL,
  answered_at TIMESTAMPTZ(3),
  answered_by TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX roster_swap_roster ON roster_swap (tenant_id, roster);

CREATE TABLE roster_notice (
  tenant_id TEXT NOT NULL,
  roster    TEXT NOT NULL,
  gap_from  TIMESTAMPTZ(3) NOT NULL,
  stage     INTEGER NOT NULL,
  told_at   TIMESTAMPTZ(3) NOT NULL,
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
  made_at    TIMESTAMPTZ(3) NOT NULL,
  revoked_at TIMESTAMPTZ(3),
  PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX roster_feed_hash ON roster_feed (tenant_id, hash);
