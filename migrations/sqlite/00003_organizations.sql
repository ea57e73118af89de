-- +goose Up
CREATE TABLE organizations (
    id             TEXT     NOT NULL PRIMARY KEY,
    account_id     TEXT     NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name           TEXT     NOT NULL,
    name_folded    TEXT     NOT NULL,
    domain         TEXT     NOT NULL,
    email_platform TEXT     NOT NULL CHECK (email_platform IN ('microsoft_365', 'google_workspace')),
    created_at     DATETIME NOT NULL,
    updated_at     DATETIME NOT NULL,
    UNIQUE (account_id, domain),
    UNIQUE (account_id, id)
) WITHOUT ROWID;
CREATE INDEX organizations_name ON organizations (account_id, name_folded, id);

-- Every organization has exactly one row here.
CREATE TABLE mappings (
    organization_id TEXT NOT NULL PRIMARY KEY,
    account_id      TEXT NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('unmapped', 'active', 'paused')),
    itglue_id       TEXT,
    itglue_name     TEXT,
    origin          TEXT CHECK (origin IN ('auto', 'manual', 'import')),
    mapped_at       DATETIME,
    active_since    DATETIME,
    last_synced_at  DATETIME,
    unmatched_code  TEXT,
    FOREIGN KEY (account_id, organization_id) REFERENCES organizations (account_id, id) ON DELETE CASCADE,
    CHECK ((state = 'unmapped') = (itglue_id IS NULL)),
    CHECK (state = 'unmapped' OR unmatched_code IS NULL)
) WITHOUT ROWID;
CREATE UNIQUE INDEX mappings_itglue ON mappings (account_id, itglue_id) WHERE itglue_id IS NOT NULL;
CREATE INDEX mappings_state ON mappings (account_id, state, unmatched_code);
