-- +goose Up
-- SQLite's index of lists holds what is searched. Here it stays without: a page
-- of a B-tree has no room for a long address, and the wide columns lie apart
-- from the row anyway.
SELECT 1;
