-- +goose Up
-- The facts of an account, besides the applied changes of its syncs, in the order in which they were committed.
CREATE TABLE events (
    account_id        TEXT        NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    seq               BIGINT      NOT NULL,
    type              TEXT        NOT NULL,
    at                DATETIME    NOT NULL,
    -- Null when orgbridge did it by itself.
    token_id          TEXT,
    token_name        TEXT,
    sync_id           TEXT,
    -- No foreign keys: the history outlives what it tells of.
    organization_id   TEXT,
    organization_name TEXT,
    itglue_id         TEXT,
    itglue_name       TEXT,
    -- JSON objects with the properties that changed.
    before            TEXT,
    after             TEXT,
    detail            TEXT,
    PRIMARY KEY (account_id, seq)
) WITHOUT ROWID;
CREATE INDEX events_organization ON events (account_id, organization_id, seq) WHERE organization_id IS NOT NULL;
CREATE INDEX events_type ON events (account_id, type, seq);
