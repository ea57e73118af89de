-- +goose Up
CREATE TABLE syncs (
    id                      uuid        NOT NULL PRIMARY KEY,
    account_id              uuid        NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- No foreign key: the history outlives the connection.
    integration_id          uuid        NOT NULL,
    kind                    text        NOT NULL CHECK (kind IN ('initial', 'daily', 'manual', 'preview', 'organization')),
    status                  text        NOT NULL CHECK (status IN ('queued', 'running', 'succeeded', 'held', 'failed', 'cancelled')),
    epoch                   integer     NOT NULL,
    attempt                 integer     NOT NULL,
    not_before              timestamptz,
    lease_until             timestamptz,
    phase                   text        NOT NULL CHECK (phase IN ('', 'listing', 'confirming', 'applying')),
    done                    integer     NOT NULL,
    total                   integer     NOT NULL,
    listed                  integer     NOT NULL,
    unchanged               integer     NOT NULL,
    renamed                 integer     NOT NULL,
    mapped                  integer     NOT NULL,
    unmapped                integer     NOT NULL,
    held                    integer     NOT NULL,
    skipped                 integer     NOT NULL,
    failure_code            text,
    failure_detail          text,
    requested_by_token_id   uuid,
    requested_by_token_name text,
    -- The local date that a daily sync is for.
    due_date                text,
    -- A person released its removals; not null from the release until they are made.
    released_at             timestamptz,
    created_at              timestamptz NOT NULL,
    started_at              timestamptz,
    finished_at             timestamptz,
    UNIQUE (account_id, id),
    CHECK ((status = 'running') = (lease_until IS NOT NULL)),
    CHECK ((status IN ('queued', 'running')) = (finished_at IS NULL))
);
-- At most one sync of an account waits or runs.
CREATE UNIQUE INDEX syncs_one_active ON syncs (account_id) WHERE status IN ('queued', 'running');
-- Exactly one daily sync for a local date.
CREATE UNIQUE INDEX syncs_due_date ON syncs (integration_id, due_date) WHERE due_date IS NOT NULL;
CREATE INDEX syncs_queued ON syncs (not_before) WHERE status = 'queued';
CREATE INDEX syncs_running ON syncs (lease_until) WHERE status = 'running';

CREATE TABLE sync_changes (
    account_id        uuid    NOT NULL,
    sync_id           uuid    NOT NULL,
    seq               integer NOT NULL,
    action            text    NOT NULL CHECK (action IN ('map', 'rename', 'unmap', 'skip')),
    status            text    NOT NULL CHECK (status IN ('planned', 'applied', 'held', 'refused')),
    reason            text    NOT NULL,
    -- No foreign key: the history outlives the organizations.
    organization_id   uuid    NOT NULL,
    organization_name text    NOT NULL,
    itglue_id         text    NOT NULL,
    itglue_name       text    NOT NULL,
    before            text    NOT NULL,
    after             text    NOT NULL,
    -- An applied change is an event of its account: its sequence number and time.
    event             bigint,
    applied_at        timestamptz,
    PRIMARY KEY (sync_id, seq),
    FOREIGN KEY (account_id, sync_id) REFERENCES syncs (account_id, id) ON DELETE CASCADE,
    CHECK ((status = 'applied') = (event IS NOT NULL)),
    CHECK ((event IS NULL) = (applied_at IS NULL))
);
CREATE INDEX sync_changes_event ON sync_changes (account_id, action, event) WHERE event IS NOT NULL;
CREATE INDEX sync_changes_organization ON sync_changes (account_id, organization_id, event) WHERE event IS NOT NULL;
