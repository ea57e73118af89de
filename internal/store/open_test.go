package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

func TestOpenRefusesBadURLs(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "orgbridge.db", "mysql://u:secret@h/db", "sqlite://", "sqlite://x.db?mode=ro", "postgres://u:secret@h:port/db",
		"postgres://u:sec%ret@h/db", "postgres://u:secret@127.0.0.1:1/db?connect_timeout=1", "postgres://u:secret@h/db?sslmode=nonsense",
		"sqlite:///no/such/directory/x.db",
	} {
		_, err := store.Open(t.Context(), url, store.Options{})
		if err == nil {
			t.Errorf("%q was opened", url)
		} else if strings.Contains(err.Error(), "sec") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestOpenRefusesADamagedFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	ok(t, os.WriteFile(path, []byte(strings.Repeat("not a database ", 1000)), 0o600))
	_, err := store.Open(t.Context(), "sqlite://"+path, store.Options{})
	if err == nil || !strings.Contains(err.Error(), "damaged or not a SQLite database") || strings.Contains(err.Error(), "\n") {
		t.Fatal(err)
	}
}

func TestOpenRefusesANewerFile(t *testing.T) {
	t.Parallel()
	url := storetest.SQLiteURL(t)
	s := storetest.Open(t, url, store.Options{})
	storetest.Exec(t, s, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)")
	ok(t, s.Close())
	_, err := store.Open(t.Context(), url, store.Options{})
	if err == nil || !strings.Contains(err.Error(), "newer") {
		t.Fatal(err)
	}
}

func TestSQLiteFileIsPrivate(t *testing.T) {
	t.Parallel()
	url := storetest.SQLiteURL(t)
	storetest.Account(t, storetest.Open(t, url, store.Options{}))
	files, err := filepath.Glob(strings.TrimPrefix(url, "sqlite://") + "*")
	ok(t, err)
	for _, file := range files {
		info, err := os.Stat(file)
		ok(t, err)
		same(t, info.Mode().Perm(), os.FileMode(0o600))
	}
}

func TestSQLiteIsSetUp(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.SQLiteURL(t), store.Options{})
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000",
	} {
		same(t, storetest.Value[string](t, s, "PRAGMA "+pragma), want)
	}
}

func TestMigrateTwice(t *testing.T) {
	t.Parallel()
	suite := func(t *testing.T, url string) {
		t.Helper()
		var told [][2]int
		s, err := store.Open(t.Context(), url, store.Options{Migrated: func(done, due int) { told = append(told, [2]int{done, due}) }})
		ok(t, err)
		defer s.Close()
		wantCode(t, s.Ready(t.Context()), errs.Unavailable)
		ok(t, s.Migrate(t.Context(), nil))
		for i := range told {
			same(t, told[i], [2]int{i, len(told) - 1})
		}
		first := len(told)
		same(t, first > 1, true)
		id := storetest.Account(t, s)
		ok(t, s.Migrate(t.Context(), nil))
		same(t, len(told), first)
		_, err = s.Account(t.Context(), id)
		ok(t, err)
		ok(t, s.Ready(t.Context()))
		boom := errors.New("boom")
		if err := s.Migrate(t.Context(), func(context.Context) error { return boom }); !errors.Is(err, boom) {
			t.Fatal(err)
		}
	}
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); suite(t, storetest.SQLiteURL(t)) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); suite(t, storetest.EmptyPostgresURL(t)) })
}

func TestNodesMigrateOneAfterTheOther(t *testing.T) {
	t.Parallel()
	url := storetest.EmptyPostgresURL(t)
	const nodes = 4
	var inside atomic.Int32
	done := make(chan error, nodes)
	for range nodes {
		s, err := store.Open(t.Context(), url, store.Options{})
		ok(t, err)
		t.Cleanup(func() { ok(t, s.Close()) })
		go func() {
			done <- s.Migrate(t.Context(), func(ctx context.Context) error {
				defer inside.Add(-1)
				if inside.Add(1) > 1 {
					return errors.New("two at once")
				}
				return s.Ready(ctx)
			})
		}()
	}
	for range nodes {
		ok(t, <-done)
	}
}

func TestClosedStoreIsAnInternalError(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ok(t, s.Close())
		_, err := s.Account(t.Context(), noSuchID)
		wantCode(t, err, errs.Internal)
		wantCode(t, s.Ready(t.Context()), errs.Unavailable)
	})
}

func TestLostDatabaseIsUnavailable(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 0)
		defer cancel()
		_, err := s.Account(ctx, noSuchID)
		wantCode(t, err, errs.Unavailable)
		var e *errs.Error
		if !errors.As(err, &e) || e.RetryAfter <= 0 {
			t.Fatal("no word on when to try again")
		}
	})
}
