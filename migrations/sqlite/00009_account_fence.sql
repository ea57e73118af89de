-- +goose Up
-- SQLite has no row-level security: there, the account guard in the program is the only fence besides the statements themselves.
SELECT 1;
