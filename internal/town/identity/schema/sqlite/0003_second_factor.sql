-- +goose Up
-- A second factor: the key of an authenticator app (sealed with the key beside
-- the data) with the last step that it was used for, recovery codes (hashed,
-- each once), and the town's rule who needs one.
ALTER TABLE identity_tenant ADD COLUMN second_roles TEXT NOT NULL DEFAULT '[]';
ALTER TABLE identity_tenant ADD COLUMN second_grace INTEGER NOT NULL DEFAULT 14;
ALTER TABLE identity_tenant ADD COLUMN second_since TIMESTAMP;
ALTER TABLE identity_person ADD COLUMN second_at TIMESTAMP;
ALTER TABLE identity_session ADD COLUMN second TEXT NOT NULL DEFAULT '';
CREATE TABLE identity_totp (
  tenant_id  TEXT NOT NULL,
  person_id  TEXT NOT NULL,
  secret     BLOB NOT NULL,
  last_step  BIGINT NOT NULL,
  created_at TIMESTAMP NOT NULL,
  used_at    TIMESTAMP,
  PRIMARY KEY (tenant_id, person_id)
);
CREATE TABLE identity_recovery (
  tenant_id  TEXT NOT NULL,
  person_id  TEXT NOT NULL,
  hash       TEXT NOT NULL,
  created_at TIMESTAMP NOT NULL,
  used_at    TIMESTAMP,
  PRIMARY KEY (tenant_id, person_id, hash)
);
