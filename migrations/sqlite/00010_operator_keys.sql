-- +goose Up
-- Requests of operators, who are in no account, that came with an Idempotency-Key. Columns are those of idempotency_keys.
CREATE TABLE operator_idempotency_keys (
    key_hash    TEXT        NOT NULL PRIMARY KEY,
    fingerprint BLOB        NOT NULL,
    owner       TEXT        NOT NULL,
    lease_until DATETIME,
    effects     TEXT        NOT NULL,
    status      INTEGER,
    headers     TEXT,
    body        BLOB,
    expires_at  DATETIME NOT NULL,
    CHECK (status IS NULL OR lease_until IS NULL)
);
CREATE INDEX operator_idempotency_keys_expiry ON operator_idempotency_keys (expires_at);
