-- +goose Up
-- Every version of the plan; the highest number counts.
CREATE TABLE plan_version (
  tenant_id TEXT NOT NULL,
  number    BIGINT NOT NULL,
  at        TIMESTAMP NOT NULL,
  by_person TEXT NOT NULL,
  by_name   TEXT NOT NULL,
  part      TEXT NOT NULL, -- what was changed
  note      TEXT NOT NULL,
  body      TEXT NOT NULL, -- document and audiences, without recipients
  PRIMARY KEY (tenant_id, number)
);

-- When a way out was tried, and how it went.
CREATE TABLE plan_test (
  tenant_id TEXT NOT NULL,
  id        TEXT NOT NULL,
  way       TEXT NOT NULL, -- "mail/primary", "page", "phone"
  at        TIMESTAMP NOT NULL,
  ok        BOOLEAN NOT NULL,
  detail    TEXT NOT NULL,
  by_name   TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX plan_test_way ON plan_test (tenant_id, way, at);

-- Secret links to pages for the town's own displays; the secret itself is not
-- kept.
CREATE TABLE plan_link (
  tenant_id   TEXT NOT NULL,
  id          TEXT NOT NULL,
  purpose     TEXT NOT NULL,
  hash        TEXT NOT NULL,
  name        TEXT NOT NULL,
  created_at  TIMESTAMP NOT NULL,
  by_name     TEXT NOT NULL,
  valid_until TIMESTAMP NOT NULL,
  revoked_at  TIMESTAMP,
  PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX plan_link_hash ON plan_link (tenant_id, hash);
