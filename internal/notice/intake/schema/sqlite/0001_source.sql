-- +goose Up
-- token is the digest of the secret in the source's address. rhythm is after how
-- many seconds without a word the source counts as silent; 0: never.
CREATE TABLE intake_source (
  tenant_id  TEXT NOT NULL,
  name       TEXT NOT NULL,
  title      TEXT NOT NULL,
  format     TEXT NOT NULL,
  token      TEXT NOT NULL,
  service    TEXT NOT NULL,
  rhythm     INTEGER NOT NULL,
  mapping    TEXT NOT NULL,
  created_at TIMESTAMP NOT NULL,
  revoked_at TIMESTAMP,
  heard_at   TIMESTAMP,
  unread_at  TIMESTAMP,
  silent     BOOLEAN NOT NULL,
  PRIMARY KEY (tenant_id, name)
);
CREATE UNIQUE INDEX intake_source_token ON intake_source (token);
-- What came, as it came. The same body again only counts: hash is of everything
-- that a parser sees of it.
CREATE TABLE intake_body (
  tenant_id    TEXT NOT NULL,
  source       TEXT NOT NULL,
  hash         TEXT NOT NULL,
  first_at     TIMESTAMP NOT NULL,
  last_at      TIMESTAMP NOT NULL,
  times        INTEGER NOT NULL,
  content_type TEXT NOT NULL,
  query        TEXT NOT NULL,
  path         TEXT NOT NULL,
  event        TEXT NOT NULL,
  data         BLOB NOT NULL,
  problem      TEXT NOT NULL,
  PRIMARY KEY (tenant_id, source, hash)
);
CREATE INDEX intake_body_last ON intake_body (tenant_id, source, last_at);
CREATE INDEX intake_body_age ON intake_body (last_at);
