package store_test

import (
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// refusesWith has PostgreSQL refuse to add organizations with a code, as it does when its disk is full or fails, and demands the sentence.
func refusesWith(t *testing.T, code, says string) {
	t.Helper()
	s := storetest.Postgres(t)
	id := storetest.Account(t, s)
	failing(t, s, code, "1000000")
	for range 3 {
		_, err := create(t.Context(), t, s, id)
		wantUnavailable(t, err)
		if !strings.Contains(errs.DetailOf(err), says) {
			t.Fatal(err)
		}
		_, err = s.MappingSummary(t.Context(), id)
		ok(t, err)
	}
	same(t, storetest.Value[int](t, s, "SELECT count(*) FROM organizations"), 0)
	same(t, storetest.Value[int](t, s, "SELECT count(*) FROM events"), 0)
	storetest.Exec(t, s, "DROP TRIGGER fail ON organizations")
	_, err := create(t.Context(), t, s, id)
	ok(t, err)
}

func TestF14FullDiskOfTheServerChangesNothing(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) { t.Parallel(); refusesWith(t, "53100", "disk of the database is full") })
}

func TestF15FailingDiskOfTheServerChangesNothing(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) { t.Parallel(); refusesWith(t, "58030", "cannot be written") })
}

func TestF16ForeignDatabaseIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		s, err := store.Open(t.Context(), storetest.EmptyPostgresURL(t), store.Options{})
		ok(t, err)
		t.Cleanup(func() { ok(t, s.Close()) })
		storetest.Exec(t, s, "CREATE TABLE accounts (recipe text)")
		if err := s.Migrate(t.Context(), nil); err == nil {
			t.Fatal("the tables of another program were taken for ours")
		}
		wantUnavailable(t, s.Ready(t.Context()))
		same(t, storetest.Value[string](t, s, `SELECT string_agg(column_name, ',') FROM information_schema.columns
			WHERE table_name = 'accounts'`), "recipe")
	})
}

// TestF16NewerSchemaIsServedAndLeftAlone: what the last old node of a cluster sees while it is upgraded must not end it.
func TestF16NewerSchemaIsServedAndLeftAlone(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		s := storetest.Postgres(t)
		storetest.Exec(t, s, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)")
		ok(t, s.Migrate(t.Context(), nil))
		ok(t, s.Ready(t.Context()))
		storetest.Account(t, s)
		same(t, storetest.Value[int](t, s, "SELECT max(version_id) FROM goose_db_version"), 99999)
	})
}
