-- +goose Up
-- A printed invitation: good for days, and only until its person has come.
ALTER TABLE identity_link ADD COLUMN joining BOOLEAN NOT NULL DEFAULT FALSE;
