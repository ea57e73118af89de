-- +goose Up
-- How everything begins that was sealed with a key that is not to be used any more. Nothing that begins so is stored again.
CREATE TABLE retired_sealing_keys (
    prefix BLOB NOT NULL PRIMARY KEY
);
