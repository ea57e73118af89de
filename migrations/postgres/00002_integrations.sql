-- +goose Up
CREATE TABLE integrations (
    account_id            uuid        NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    id                    uuid        NOT NULL UNIQUE,
    region                text        NOT NULL CHECK (region IN ('us', 'eu', 'au')),
    sealed_key            bytea       NOT NULL,
    api_key_hint          text        NOT NULL,
    connected_at          timestamptz NOT NULL,
    auto_map              text        NOT NULL CHECK (auto_map IN ('on_connect', 'every_sync', 'off')),
    removal_limit_percent integer     NOT NULL CHECK (removal_limit_percent BETWEEN 0 AND 100),
    listed_at             timestamptz,
    last_synced_at        timestamptz,
    attention_code        text,
    attention_detail      text,
    attention_since       timestamptz,
    daily_enabled         boolean     NOT NULL,
    daily_time_zone       text        NOT NULL,
    daily_time            text        NOT NULL,
    -- The local date of the last daily sync, and the date and time of the next one; none while paused.
    last_run_date         text,
    next_run_date         text,
    next_run_at           timestamptz,
    -- When a refused key is tried again, and how often it was.
    retry_at              timestamptz,
    retries               integer     NOT NULL,
    -- The sync whose removals wait for a person.
    held_sync_id          uuid,
    CHECK ((attention_code IS NULL) = (attention_since IS NULL))
);
CREATE INDEX integrations_next_run ON integrations (next_run_at) WHERE daily_enabled;
CREATE INDEX integrations_retry ON integrations (retry_at) WHERE retry_at IS NOT NULL;

-- Text that is ordered has the collation "C", so that both databases order by code points.
CREATE TABLE directory (
    account_id  uuid    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    id          text    COLLATE "C" NOT NULL,
    name        text    COLLATE "C" NOT NULL,
    name_folded text    COLLATE "C" NOT NULL,
    short_name  text    NOT NULL,
    type_name   text    NOT NULL,
    status_name text    NOT NULL,
    is_primary  boolean NOT NULL,
    PRIMARY KEY (account_id, id)
);
CREATE INDEX directory_name ON directory (account_id, name_folded, id);
