-- +goose Up
-- The second fence between accounts: a transaction sees the rows of the account that it names, or of all accounts when it says so, and of
-- none when it says nothing. This also holds for the owner of the tables, but not for superusers and roles with BYPASSRLS.
ALTER TABLE accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE accounts FORCE ROW LEVEL SECURITY;
-- Settings are read once a statement, since they are in subqueries.
CREATE POLICY account_fence ON accounts
    USING (id = (SELECT CAST(nullif(current_setting('orgbridge.account_id', true), '') AS uuid))
        OR (SELECT current_setting('orgbridge.every_account', true) = 'on'));

-- +goose StatementBegin
DO $$
DECLARE
    fenced text;
BEGIN
    FOREACH fenced IN ARRAY ARRAY['tokens', 'integrations', 'directory', 'organizations', 'mappings', 'syncs', 'sync_changes', 'events',
        'idempotency_keys']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', fenced);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', fenced);
        EXECUTE format('CREATE POLICY account_fence ON %I
            USING (account_id = (SELECT CAST(nullif(current_setting(''orgbridge.account_id'', true), '''') AS uuid))
                OR (SELECT current_setting(''orgbridge.every_account'', true) = ''on''))', fenced);
    END LOOP;
END $$;
-- +goose StatementEnd
