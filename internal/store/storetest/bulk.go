package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/orgbridge/orgbridge/internal/store"
)

// Organizations stores n unmapped organizations at once, called "Organization 1" and so on. Their ids ascend, as those of organizations
// that are added one after the other do.
func Organizations(tb testing.TB, s *store.Store, accountID string, n int) {
	tb.Helper()
	if s.SQLite() != nil {
		Exec(tb, s, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
			INSERT INTO organizations (id, account_id, name, name_folded, domain, email_platform, created_at, updated_at)
			SELECT printf('01900000-0000-7000-8000-%012x', i + (SELECT count(*) FROM organizations)), ?1, 'Organization ' || i, 'organization ' || i,
				'o' || i || '.example.com', 'microsoft_365', '2026-01-02 03:04:05+00:00', '2026-01-02 03:04:05+00:00' FROM n`, accountID, n)
	} else {
		Exec(tb, s, `INSERT INTO organizations (id, account_id, name, name_folded, domain, email_platform, created_at, updated_at)
			SELECT CAST('01900000-0000-7000-8000-' || lpad(to_hex(i + (SELECT count(*) FROM organizations)), 12, '0') AS uuid), $1, 'Organization ' || i, 'organization ' || i, 'o' || i || '.example.com', 'microsoft_365',
				'2026-01-02 03:04:05+00:00', '2026-01-02 03:04:05+00:00' FROM generate_series(1, $2::integer) i`, accountID, n)
	}
	Exec(tb, s, `INSERT INTO mappings (organization_id, account_id, state)
		SELECT o.id, o.account_id, 'unmapped' FROM organizations o WHERE o.account_id = $1
			AND NOT EXISTS (SELECT 1 FROM mappings m WHERE m.organization_id = o.id)`, accountID)
}

// Exec runs a statement past the store: what a test has to do that the store does not offer. Parameters are $1, $2, … on both databases.
func Exec(tb testing.TB, s *store.Store, statement string, args ...any) {
	tb.Helper()
	var err error
	if db := s.SQLite(); db != nil {
		_, err = db.ExecContext(tb.Context(), statement, args...)
	} else {
		err = pastTheFence(tb.Context(), s, func(conn *pgxpool.Conn) error {
			_, err := conn.Exec(tb.Context(), statement, args...)
			return err
		})
	}
	if err != nil {
		tb.Fatalf("run %q: %v", statement, err)
	}
}

// Value reads one value past the store.
func Value[T any](tb testing.TB, s *store.Store, query string, args ...any) T {
	tb.Helper()
	var v T
	var err error
	if db := s.SQLite(); db != nil {
		err = db.QueryRowContext(tb.Context(), query, args...).Scan(&v)
	} else {
		err = pastTheFence(tb.Context(), s, func(conn *pgxpool.Conn) error {
			return conn.QueryRow(tb.Context(), query, args...).Scan(&v)
		})
	}
	if err != nil {
		tb.Fatalf("run %q: %v", query, err)
	}
	return v
}

// Begin begins a transaction past the store, on PostgreSQL, that sees the data of all accounts.
func Begin(tb testing.TB, s *store.Store) pgx.Tx {
	tb.Helper()
	tx, err := s.PostgresPool().BeginTx(tb.Context(), pgx.TxOptions{BeginQuery: "BEGIN; SET LOCAL orgbridge.every_account = 'on'"})
	if err != nil {
		tb.Fatalf("begin: %v", err)
	}
	return tx
}

// pastTheFence lends a connection of the store's that sees the data of all accounts.
func pastTheFence(ctx context.Context, s *store.Store, use func(conn *pgxpool.Conn) error) error {
	conn, err := s.PostgresPool().Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "SET orgbridge.every_account = 'on'"); err != nil {
		return err
	}
	err = use(conn)
	_, reset := conn.Exec(ctx, "RESET orgbridge.every_account")
	return errors.Join(err, reset)
}
