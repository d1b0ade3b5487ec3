-- +goose Up
-- Which releases have served these data; of the install, so tenant_id is empty.
CREATE TABLE keep_release (
  tenant_id TEXT NOT NULL,
  number    INTEGER NOT NULL,
  version   TEXT NOT NULL,
  at        TIMESTAMP NOT NULL,
  PRIMARY KEY (tenant_id, number)
);
