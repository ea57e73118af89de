-- +goose Up
CREATE TABLE integrations (
    account_id            TEXT     NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    id                    TEXT     NOT NULL UNIQUE,
    region                TEXT     NOT NULL CHECK (region IN ('us', 'eu', 'au')),
    sealed_key            BLOB     NOT NULL,
    api_key_hint          TEXT     NOT NULL,
    connected_at          DATETIME NOT NULL,
    auto_map              TEXT     NOT NULL CHECK (auto_map IN ('on_connect', 'every_sync', 'off')),
    removal_limit_percent INTEGER  NOT NULL CHECK (removal_limit_percent BETWEEN 0 AND 100),
    listed_at             DATETIME,
    last_synced_at        DATETIME,
    attention_code        TEXT,
    attention_detail      TEXT,
    attention_since       DATETIME,
    daily_enabled         BOOLEAN  NOT NULL,
    daily_time_zone       TEXT     NOT NULL,
    daily_time            TEXT     NOT NULL,
    -- The local date of the last daily sync, and the date and time of the next one; none while paused.
    last_run_date         TEXT,
    next_run_date         TEXT,
    next_run_at           DATETIME,
    -- When a refused key is tried again, and how often it was.
    retry_at              DATETIME,
    retries               INTEGER  NOT NULL,
    -- The sync whose removals wait for a person.
    held_sync_id          TEXT,
    CHECK ((attention_code IS NULL) = (attention_since IS NULL))
);
CREATE INDEX integrations_next_run ON integrations (next_run_at) WHERE daily_enabled;
CREATE INDEX integrations_retry ON integrations (retry_at) WHERE retry_at IS NOT NULL;

CREATE TABLE directory (
    account_id  TEXT    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    id          TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    name_folded TEXT    NOT NULL,
    short_name  TEXT    NOT NULL,
    type_name   TEXT    NOT NULL,
    status_name TEXT    NOT NULL,
    is_primary  BOOLEAN NOT NULL,
    PRIMARY KEY (account_id, id)
) WITHOUT ROWID;
CREATE INDEX directory_name ON directory (account_id, name_folded, id);
