-- +goose Up
-- The first start: a link that is printed once (only its hash is kept), and what
-- proves each step. Codes are made from the nonce and the key beside the data, so
-- none of them lies here.
CREATE TABLE identity_setup (
  tenant_id  TEXT NOT NULL PRIMARY KEY,
  hash       TEXT NOT NULL,
  expires_at TIMESTAMPTZ(3) NOT NULL,
  begun_at   TIMESTAMPTZ(3)
);
CREATE TABLE identity_setup_step (
  tenant_id  TEXT NOT NULL,
  step       TEXT NOT NULL,
  nonce      TEXT NOT NULL,
  target     TEXT NOT NULL,
  asked_from TEXT NOT NULL,
  asked_at   TIMESTAMPTZ(3),
  tries      INTEGER NOT NULL,
  later_at   TIMESTAMPTZ(3),
  proven_at  TIMESTAMPTZ(3),
  PRIMARY KEY (tenant_id, step)
);
