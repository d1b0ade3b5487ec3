-- +goose Up
-- The first start: a link that is printed once (only its hash is kept), and what
-- proves each step. Codes are made from the nonce and the key beside the data, so
-- none of them lies here.
CREATE TABLE identity_setup (
  tenant_id  TEXT NOT NULL PRIMARY KEY,
  hash       TEXT NOT NULL,
  expires_at TIMESTAMP NOT NULL,
  begun_at   TIMESTAMP
);
CREATE TABLE identity_setup_step (
  tenant_id  TEXT NOT NULL,
  step       TEXT NOT NULL,
  nonce      TEXT NOT NULL,
  target     TEXT NOT NULL,
  asked_from TEXT NOT NULL,
  asked_at   TIMESTAMP,
  tries      INTEGER NOT NULL,
  later_at   TIMESTAMP,
  proven_at  TIMESTAMP,
  PRIMARY KEY (tenant_id, step)
);
