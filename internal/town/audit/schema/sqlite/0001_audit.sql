-- +goose Up
CREATE TABLE audit_entry (
  tenant_id    TEXT NOT NULL,
  seq          BIGINT NOT NULL,
  at           TIMESTAMP NOT NULL,
  actor_kind   TEXT NOT NULL,
  actor_person TEXT NOT NULL,
  actor_name   TEXT NOT NULL,
  action       TEXT NOT NULL,
  subject      TEXT NOT NULL,
  detail       TEXT NOT NULL,
  hash         TEXT NOT NULL,
  PRIMARY KEY (tenant_id, seq)
);
CREATE INDEX audit_entry_subject ON audit_entry (tenant_id, subject, seq);
CREATE TABLE audit_head (
  tenant_id TEXT NOT NULL PRIMARY KEY,
  seq       BIGINT NOT NULL,
  hash      TEXT NOT NULL
);
