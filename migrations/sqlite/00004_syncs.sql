-- +goose Up
CREATE TABLE syncs (
    id                      TEXT     NOT NULL PRIMARY KEY,
    account_id              TEXT     NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- No foreign key: the history outlives the connection.
    integration_id          TEXT     NOT NULL,
    kind                    TEXT     NOT NULL CHECK (kind IN ('initial', 'daily', 'manual', 'preview', 'organization')),
    status                  TEXT     NOT NULL CHECK (status IN ('queued', 'running', 'succeeded', 'held', 'failed', 'cancelled')),
    epoch                   INTEGER  NOT NULL,
    attempt                 INTEGER  NOT NULL,
    not_before              DATETIME,
    lease_until             DATETIME,
    phase                   TEXT     NOT NULL CHECK (phase IN ('', 'listing', 'confirming', 'applying')),
    done                    INTEGER  NOT NULL,
    total                   INTEGER  NOT NULL,
    listed                  INTEGER  NOT NULL,
    unchanged               INTEGER  NOT NULL,
    renamed                 INTEGER  NOT NULL,
    mapped                  INTEGER  NOT NULL,
    unmapped                INTEGER  NOT NULL,
    held                    INTEGER  NOT NULL,
    skipped                 INTEGER  NOT NULL,
    failure_code            TEXT,
    failure_detail          TEXT,
    requested_by_token_id   TEXT,
    requested_by_token_name TEXT,
    -- The local date that a daily sync is for.
    due_date                TEXT,
    -- A person released its removals; not null from the release until they are made.
    released_at             DATETIME,
    created_at              DATETIME NOT NULL,
    started_at              DATETIME,
    finished_at             DATETIME,
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
    account_id        TEXT    NOT NULL,
    sync_id           TEXT    NOT NULL,
    seq               INTEGER NOT NULL,
    action            TEXT    NOT NULL CHECK (action IN ('map', 'rename', 'unmap', 'skip')),
    status            TEXT    NOT NULL CHECK (status IN ('planned', 'applied', 'held', 'refused')),
    reason            TEXT    NOT NULL,
    -- No foreign key: the history outlives the organizations.
    organization_id   TEXT    NOT NULL,
    organization_name TEXT    NOT NULL,
    itglue_id         TEXT    NOT NULL,
    itglue_name       TEXT    NOT NULL,
    before            TEXT    NOT NULL,
    after             TEXT    NOT NULL,
    -- An applied change is an event of its account: its sequence number and time.
    event             BIGINT,
    applied_at        DATETIME,
    PRIMARY KEY (sync_id, seq),
    FOREIGN KEY (account_id, sync_id) REFERENCES syncs (account_id, id) ON DELETE CASCADE,
    CHECK ((status = 'applied') = (event IS NOT NULL)),
    CHECK ((event IS NULL) = (applied_at IS NULL))
) WITHOUT ROWID;
CREATE INDEX sync_changes_event ON sync_changes (account_id, action, event) WHERE event IS NOT NULL;
CREATE INDEX sync_changes_organization ON sync_changes (account_id, organization_id, event) WHERE event IS NOT NULL;
