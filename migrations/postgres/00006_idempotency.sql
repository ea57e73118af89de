-- +goose Up
-- Requests that came with an Idempotency-Key, and how they were answered.
CREATE TABLE idempotency_keys (
    account_id  uuid        NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- Neither the key nor the request is kept, only what recognizes them.
    key_hash    text        NOT NULL,
    fingerprint bytea       NOT NULL,
    -- Who works on the request, and until when it is taken to be alive; null once it is answered or given up.
    owner       uuid        NOT NULL,
    lease_until timestamptz,
    -- What the request has done so far: one JSON object a line, each written in the transaction that did it.
    effects     text        NOT NULL,
    status      integer,
    headers     text,
    body        bytea,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (account_id, key_hash),
    CHECK (status IS NULL OR lease_until IS NULL)
);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);
