-- +goose Up
CREATE TABLE identity_tenant (
  tenant_id  TEXT NOT NULL PRIMARY KEY,
  slug       TEXT NOT NULL UNIQUE,
  name       TEXT NOT NULL,
  hosts      TEXT NOT NULL,
  domains    TEXT NOT NULL,
  networks   TEXT NOT NULL,
  land       TEXT NOT NULL,
  zone       TEXT NOT NULL,
  language   TEXT NOT NULL,
  staff_url  TEXT NOT NULL,
  public_url TEXT NOT NULL,
  created_at TIMESTAMP NOT NULL,
  updated_at TIMESTAMP NOT NULL
);
CREATE TABLE identity_host (
  host      TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL
);
CREATE INDEX identity_host_tenant ON identity_host (tenant_id);
CREATE TABLE identity_person (
  tenant_id            TEXT NOT NULL,
  id                   TEXT NOT NULL,
  name                 TEXT NOT NULL,
  email                TEXT NOT NULL,
  alternative          TEXT NOT NULL,
  mobile               TEXT NOT NULL,
  roles                TEXT NOT NULL,
  org_unit             TEXT NOT NULL,
  language             TEXT NOT NULL,
  blocked              BOOLEAN NOT NULL,
  declared             BOOLEAN NOT NULL,
  alternative_verified TIMESTAMP,
  password             TEXT NOT NULL,
  signed_in_at         TIMESTAMP,
  sort_name            TEXT NOT NULL,
  search               TEXT NOT NULL,
  findings             TEXT NOT NULL,
  checked_at           TIMESTAMP,
  created_at           TIMESTAMP NOT NULL,
  updated_at           TIMESTAMP NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, email)
);
CREATE INDEX identity_person_name ON identity_person (tenant_id, sort_name, id);
CREATE INDEX identity_person_checked ON identity_person (checked_at);
CREATE TABLE identity_session (
  tenant_id  TEXT NOT NULL,
  hash       TEXT NOT NULL,
  person_id  TEXT NOT NULL,
  via        TEXT NOT NULL,
  created_at TIMESTAMP NOT NULL,
  seen_at    TIMESTAMP NOT NULL,
  expires_at TIMESTAMP NOT NULL,
  address    TEXT NOT NULL,
  agent      TEXT NOT NULL,
  PRIMARY KEY (tenant_id, hash)
);
CREATE INDEX identity_session_person ON identity_session (tenant_id, person_id);
CREATE INDEX identity_session_expires ON identity_session (expires_at);
CREATE TABLE identity_link (
  tenant_id  TEXT NOT NULL,
  hash       TEXT NOT NULL,
  person_id  TEXT NOT NULL,
  first      BOOLEAN NOT NULL,
  created_at TIMESTAMP NOT NULL,
  expires_at TIMESTAMP NOT NULL,
  used_at    TIMESTAMP,
  PRIMARY KEY (tenant_id, hash)
);
CREATE INDEX identity_link_person ON identity_link (tenant_id, person_id);
CREATE INDEX identity_link_expires ON identity_link (expires_at);
CREATE TABLE identity_token (
  tenant_id  TEXT NOT NULL,
  id         TEXT NOT NULL,
  hash       TEXT NOT NULL,
  person_id  TEXT NOT NULL,
  name       TEXT NOT NULL,
  scopes     TEXT NOT NULL,
  created_at TIMESTAMP NOT NULL,
  used_at    TIMESTAMP,
  revoked_at TIMESTAMP,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, hash)
);
CREATE INDEX identity_token_person ON identity_token (tenant_id, person_id);
