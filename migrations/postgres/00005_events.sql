-- +goose Up
-- The facts of an account, besides the applied changes of its syncs, in the order in which they were committed.
CREATE TABLE events (
    account_id        uuid        NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    seq               bigint      NOT NULL,
    type              text        NOT NULL,
    at                timestamptz NOT NULL,
    -- Null when orgbridge did it by itself.
    token_id          uuid,
    token_name        text,
    sync_id           uuid,
    -- No foreign keys: the history outlives what it tells of.
    organization_id   uuid,
    organization_name text,
    itglue_id         text,
    itglue_name       text,
    -- JSON objects with the properties that changed.
    before            text,
    after             text,
    detail            text,
    PRIMARY KEY (account_id, seq)
);
CREATE INDEX events_organization ON events (account_id, organization_id, seq) WHERE organization_id IS NOT NULL;
CREATE INDEX events_type ON events (account_id, type, seq);
