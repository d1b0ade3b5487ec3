-- +goose Up
-- token is the digest of the one-time token; it stays after use, so that the key
-- that used it may ask again. A revoked sonde keeps its row and its key, to be
-- refused by name.
CREATE TABLE sonde_sonde (
  tenant_id   TEXT NOT NULL,
  name        TEXT NOT NULL,
  created_at  TIMESTAMPTZ(3) NOT NULL,
  token       TEXT NOT NULL,
  token_until TIMESTAMPTZ(3),
  key_id      TEXT NOT NULL,
  public_key  BYTEA,
  joined_at   TIMESTAMPTZ(3),
  revoked_at  TIMESTAMPTZ(3),
  refused_at  TIMESTAMPTZ(3),
  seen_at     TIMESTAMPTZ(3),
  clock_ms    BIGINT NOT NULL,
  waiting     BIGINT NOT NULL,
  dropped     BIGINT NOT NULL,
  version     TEXT NOT NULL,
  silent      BOOLEAN NOT NULL,
  episode     BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, name)
);
CREATE INDEX sonde_sonde_key ON sonde_sonde (tenant_id, key_id);
CREATE INDEX sonde_sonde_token ON sonde_sonde (tenant_id, token);
CREATE TABLE sonde_nonce (
  tenant_id TEXT NOT NULL,
  key_id    TEXT NOT NULL,
  nonce     TEXT NOT NULL,
  until     TIMESTAMPTZ(3) NOT NULL,
  PRIMARY KEY (tenant_id, key_id, nonce)
);
CREATE INDEX sonde_nonce_until ON sonde_nonce (until);
CREATE TABLE sonde_verdict (
  tenant_id TEXT NOT NULL,
  sonde     TEXT NOT NULL,
  monitor   TEXT NOT NULL,
  state     TEXT NOT NULL,
  since     TIMESTAMPTZ(3) NOT NULL,
  at        TIMESTAMPTZ(3) NOT NULL,
  last      TEXT NOT NULL,
  PRIMARY KEY (tenant_id, monitor, sonde)
);
CREATE INDEX sonde_verdict_sonde ON sonde_verdict (tenant_id, sonde, monitor);
-- at is the moment by the sonde's own clock: with sonde and monitor it names the
-- result, however often it is delivered. seen_at is the same moment by ours.
CREATE TABLE sonde_result (
  tenant_id TEXT NOT NULL,
  sonde     TEXT NOT NULL,
  monitor   TEXT NOT NULL,
  at        TIMESTAMPTZ(3) NOT NULL,
  seen_at   TIMESTAMPTZ(3) NOT NULL,
  took_ms   BIGINT NOT NULL,
  ok        BOOLEAN NOT NULL,
  reason    TEXT NOT NULL,
  code      BIGINT NOT NULL,
  detail    TEXT NOT NULL,
  PRIMARY KEY (tenant_id, sonde, monitor, at)
);
CREATE INDEX sonde_result_seen ON sonde_result (seen_at);
