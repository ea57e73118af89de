-- +goose Up
CREATE TABLE accounts (
    id         TEXT     NOT NULL PRIMARY KEY,
    name       TEXT     NOT NULL,
    created_at DATETIME NOT NULL,
    -- The sequence number of the account's last event.
    last_event BIGINT   NOT NULL DEFAULT 0
);

CREATE TABLE tokens (
    id           TEXT     NOT NULL PRIMARY KEY,
    account_id   TEXT     REFERENCES accounts (id) ON DELETE CASCADE,
    role         TEXT     NOT NULL CHECK (role IN ('viewer', 'admin', 'operator')),
    name         TEXT     NOT NULL,
    hint         TEXT     NOT NULL,
    secret_hash  BLOB     NOT NULL UNIQUE,
    created_at   DATETIME NOT NULL,
    expires_at   DATETIME,
    last_used_at DATETIME,
    revoked_at   DATETIME,
    -- Operators manage accounts and are in none; everybody else is in exactly one.
    CHECK ((account_id IS NULL) = (role = 'operator'))
);
CREATE INDEX tokens_account ON tokens (account_id, id);
