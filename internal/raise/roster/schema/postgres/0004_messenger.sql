-- +goose Up
CREATE TABLE roster_hook (
  tenant_id  TEXT NOT NULL,
  id         TEXT NOT NULL,
  product    TEXT NOT NULL CHECK (product IN ('mattermost', 'slack', 'rocketchat')),
  name       TEXT NOT NULL,
  hash       TEXT NOT NULL,
  secret     BYTEA NOT NULL,
  by_name    TEXT NOT NULL,
  made_at    TIMESTAMPTZ(3) NOT NULL,
  used_at    TIMESTAMPTZ(3),
  refused_at TIMESTAMPTZ(3),
  revoked_at TIMESTAMPTZ(3),
  PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX roster_hook_hash ON roster_hook (tenant_id, hash);

CREATE TABLE roster_speaker (
  tenant_id TEXT NOT NULL,
  id        TEXT NOT NULL,
  hook      TEXT NOT NULL,
  account   TEXT NOT NULL,
  name      TEXT NOT NULL,
  person    TEXT NOT NULL,
  made_at   TIMESTAMPTZ(3) NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX roster_speaker_account ON roster_speaker (tenant_id, hook, account);
CREATE INDEX roster_speaker_person ON roster_speaker (tenant_id, person);

CREATE TABLE roster_code (
  tenant_id TEXT NOT NULL,
  person    TEXT NOT NULL,
  hash      TEXT NOT NULL,
  ends_at   TIMESTAMPTZ(3) NOT NULL,
  PRIMARY KEY (tenant_id, person)
);
