-- +goose Up
CREATE TABLE organizations (
    id             uuid        NOT NULL PRIMARY KEY,
    account_id     uuid        NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name           text        COLLATE "C" NOT NULL,
    name_folded    text        COLLATE "C" NOT NULL,
    domain         text        COLLATE "C" NOT NULL,
    email_platform text        NOT NULL CHECK (email_platform IN ('microsoft_365', 'google_workspace')),
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    UNIQUE (account_id, domain),
    UNIQUE (account_id, id)
);
CREATE INDEX organizations_name ON organizations (account_id, name_folded, id);

-- Every organization has exactly one row here.
CREATE TABLE mappings (
    organization_id uuid NOT NULL PRIMARY KEY,
    account_id      uuid NOT NULL,
    state           text NOT NULL CHECK (state IN ('unmapped', 'active', 'paused')),
    itglue_id       text COLLATE "C",
    itglue_name     text COLLATE "C",
    origin          text CHECK (origin IN ('auto', 'manual', 'import')),
    mapped_at       timestamptz,
    active_since    timestamptz,
    last_synced_at  timestamptz,
    unmatched_code  text,
    FOREIGN KEY (account_id, organization_id) REFERENCES organizations (account_id, id) ON DELETE CASCADE,
    CHECK ((state = 'unmapped') = (itglue_id IS NULL)),
    CHECK (state = 'unmapped' OR unmatched_code IS NULL)
);
CREATE UNIQUE INDEX mappings_itglue ON mappings (account_id, itglue_id) WHERE itglue_id IS NOT NULL;
CREATE INDEX mappings_state ON mappings (account_id, state, unmatched_code);
