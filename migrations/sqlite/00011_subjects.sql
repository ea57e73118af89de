-- +goose Up
-- Who asked for it, as the identity provider calls them; null when it was a token of ours, or orgbridge by itself.
ALTER TABLE events ADD COLUMN subject TEXT;
ALTER TABLE syncs ADD COLUMN requested_by_subject TEXT;
