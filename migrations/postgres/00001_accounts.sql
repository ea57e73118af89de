-- +goose Up
CREATE TABLE accounts (
    id         uuid        NOT NULL PRIMARY KEY,
    name       text        NOT NULL,
    created_at timestamptz NOT NULL,
    -- The sequence number of the account's last event.
    last_event bigint      NOT NULL DEFAULT 0
);

CREATE TABLE tokens (
    id           uuid        NOT NULL PRIMARY KEY,
    account_id   uuid        REFERENCES accounts (id) ON DELETE CASCADE,
    role         text        NOT NULL CHECK (role IN ('viewer', 'admin', 'operator')),
    name         text        NOT NULL,
    hint         text        NOT NULL,
    secret_hash  bytea       NOT NULL UNIQUE,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz,
    -- Operators manage accounts and are in none; everybody else is in exactly one.
    CHECK ((account_id IS NULL) = (role = 'operator'))
);
CREATE INDEX tokens_account ON tokens (account_id, id);
