-- +goose Up
-- Which releases have served these data; of the install, so tenant_id is empty.
CREATE TABLE keep_release (
  tenant_id TEXT NOT NULL,
  number    BIGINT NOT NULL,
  version   TEXT NOT NULL,
  at        TIMESTAMPTZ(3) NOT NULL,
  PRIMARY KEY (tenant_id, number)
);
