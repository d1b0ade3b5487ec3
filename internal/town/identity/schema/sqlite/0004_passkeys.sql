-- +goose Up
-- Passkeys hold public keys only. A challenge that was answered is remembered
-- until it would have expired, so that no answer counts twice.
CREATE TABLE identity_passkey (
  tenant_id  TEXT NOT NULL,
  id         TEXT NOT NULL,
  person_id  TEXT NOT NULL,
  name       TEXT NOT NULL,
  credential TEXT NOT NULL,
  created_at TIMESTAMP NOT NULL,
  used_at    TIMESTAMP,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX identity_passkey_person ON identity_passkey (tenant_id, person_id);
CREATE TABLE identity_answered (
  tenant_id  TEXT NOT NULL,
  hash       TEXT NOT NULL,
  expires_at TIMESTAMP NOT NULL,
  PRIMARY KEY (tenant_id, hash)
);
CREATE INDEX identity_answered_expires ON identity_answered (expires_at);
