-- +goose Up
-- Sealed accesses: a code on paper opens one once, whoever or whatever else is
-- gone; each opening is kept.
CREATE TABLE identity_seal (
  tenant_id TEXT NOT NULL,
  id        TEXT NOT NULL,
  place     TEXT NOT NULL,
  hash      TEXT NOT NULL,
  sealed_by TEXT NOT NULL,
  sealed_at TIMESTAMPTZ(3) NOT NULL,
  openings  INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE TABLE identity_opening (
  tenant_id TEXT NOT NULL,
  seal_id   TEXT NOT NULL,
  n         INTEGER NOT NULL,
  name      TEXT NOT NULL,
  address   TEXT NOT NULL,
  opened_at TIMESTAMPTZ(3) NOT NULL,
  ends_at   TIMESTAMPTZ(3) NOT NULL,
  PRIMARY KEY (tenant_id, seal_id, n)
);
