-- +goose Up
-- A person's own address in a messenger, sealed like the other ways to them.
ALTER TABLE identity_person ADD COLUMN chat TEXT NOT NULL DEFAULT '';
