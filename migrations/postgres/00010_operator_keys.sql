-- +goose Up
-- Requests of operators, who are in no account, that came with an Idempotency-Key. Columns are those of idempotency_keys.
CREATE TABLE operator_idempotency_keys (
    key_hash    text        NOT NULL PRIMARY KEY,
    fingerprint bytea       NOT NULL,
    owner       uuid        NOT NULL,
    lease_until timestamptz,
    effects     text        NOT NULL,
    status      integer,
    headers     text,
    body        bytea,
    expires_at  timestamptz NOT NULL,
    CHECK (status IS NULL OR lease_until IS NULL)
);
CREATE INDEX operator_idempotency_keys_expiry ON operator_idempotency_keys (expires_at);
