-- +goose Up
CREATE TABLE contact_round (
  tenant_id   TEXT NOT NULL,
  id          TEXT NOT NULL,
  started_at  TIMESTAMPTZ(3) NOT NULL,
  reported_at TIMESTAMPTZ(3),
  asks        INTEGER NOT NULL,
  by_name     TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE TABLE contact_ask (
  tenant_id    TEXT NOT NULL,
  id           TEXT NOT NULL,
  round        TEXT NOT NULL,
  person       TEXT NOT NULL,
  kind         TEXT NOT NULL,
  address      TEXT NOT NULL,
  asked_at     TIMESTAMPTZ(3) NOT NULL,
  remind_at    TIMESTAMPTZ(3),
  reminded     INTEGER NOT NULL,
  confirmed_at TIMESTAMPTZ(3),
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX contact_ask_due ON contact_ask (tenant_id, remind_at);
CREATE TABLE contact_link (
  tenant_id TEXT NOT NULL,
  hash      TEXT NOT NULL,
  ask       TEXT NOT NULL,
  PRIMARY KEY (tenant_id, hash)
);
