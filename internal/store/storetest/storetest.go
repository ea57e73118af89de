// Package storetest gives tests real databases: a SQLite file, and a PostgreSQL database of their own.
//
// PostgreSQL is the server of ORGBRIDGE_TEST_POSTGRES_URL, or else a throw-away cluster of the binaries on this machine, one for each
// test process. Without either, tests on PostgreSQL are skipped; with ORGBRIDGE_TEST_POSTGRES=require they fail.
package storetest

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/store"
)

// Each runs a suite on a fresh, migrated store of either database, in parallel subtests called sqlite and postgres.
func Each(t *testing.T, suite func(t *testing.T, s *store.Store)) {
	t.Helper()
	EachURL(t, func(t *testing.T, url string) {
		t.Helper()
		suite(t, open(t, url, store.Options{}, hurry))
	})
}

// EachURL is [Each] for tests that open the store themselves, or start the whole program.
func EachURL(t *testing.T, suite func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		suite(t, SQLiteURL(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		suite(t, PostgresURL(t))
	})
}

// Open returns a migrated store that is closed when the test ends.
func Open(tb testing.TB, url string, o store.Options) *store.Store {
	tb.Helper()
	return open(tb, url, o, func(testing.TB, *store.Store) {})
}

// hurry spares SQLite the waiting for the disk, as our PostgreSQL is spared it: nobody pulls the plug of a test's own process.
func hurry(tb testing.TB, s *store.Store) {
	tb.Helper()
	if s.SQLite() != nil {
		Exec(tb, s, "PRAGMA synchronous = OFF")
	}
}

func open(tb testing.TB, url string, o store.Options, prepare func(testing.TB, *store.Store)) *store.Store {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	s, err := store.Open(ctx, url, o)
	if err != nil {
		tb.Fatalf("open the store: %v", err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("close the store: %v", err)
		}
	})
	prepare(tb, s)
	if err := s.Migrate(ctx, nil); err != nil {
		tb.Fatalf("migrate the store: %v", err)
	}
	return s
}

// SQLite returns a fresh, migrated store in a temporary file.
func SQLite(tb testing.TB) *store.Store {
	tb.Helper()
	return open(tb, SQLiteURL(tb), store.Options{}, hurry)
}

// Postgres returns a fresh, migrated store in a PostgreSQL database of its own, or skips the test.
func Postgres(tb testing.TB) *store.Store {
	tb.Helper()
	return Open(tb, PostgresURL(tb), store.Options{})
}

// SQLiteURL returns the URL of a database file that does not exist yet.
func SQLiteURL(tb testing.TB) string {
	tb.Helper()
	return "sqlite://" + filepath.Join(tb.TempDir(), "orgbridge.db")
}
