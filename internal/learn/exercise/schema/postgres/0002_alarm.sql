-- +goose Up
ALTER TABLE exercise_run ADD COLUMN alarm TEXT NOT NULL DEFAULT '{}';
