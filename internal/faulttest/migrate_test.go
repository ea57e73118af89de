package faulttest_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/faulttest"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

func newPostgresSite(t *testing.T) *e2e.Site {
	t.Helper()
	return e2e.NewSite(t, storetest.PostgresURL(t))
}

// onEmptyDatabases runs the test on a site of each engine whose database has nothing in it, and which makes more of them.
func onEmptyDatabases(t *testing.T, test func(t *testing.T, s *e2e.Site, another func() string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		another := func() string { return storetest.SQLiteURL(t) }
		test(t, e2e.NewSite(t, another()), another)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		another := func() string { return storetest.EmptyPostgresURL(t) }
		test(t, e2e.NewSite(t, another()), another)
	})
}

// on is the site with another database.
func on(s *e2e.Site, databaseURL string) *e2e.Site {
	other := s.With("ORGBRIDGE_DATABASE_URL=" + databaseURL)
	other.Database = databaseURL
	return other
}

// schema is all tables, columns and indexes.
func schema(t *testing.T, databaseURL string) string {
	t.Helper()
	query := `SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY 1`
	if !strings.HasPrefix(databaseURL, "sqlite:") {
		query = `SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable FROM information_schema.columns
				WHERE table_schema = 'public'
			UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public'
			UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
				WHERE connamespace = 'public'::regnamespace
			ORDER BY 1`
	}
	lines, err := faulttest.OpenDatabase(t, databaseURL).Texts(context.WithoutCancel(t.Context()), query)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// TestF17KilledMigrationIsCompletedByTheNext kills migrations of empty databases at random moments and runs them again.
func TestF17KilledMigrationIsCompletedByTheNext(t *testing.T) {
	t.Parallel()
	onEmptyDatabases(t, func(t *testing.T, s *e2e.Site, another func() string) {
		t.Helper()
		began := time.Now()
		s.CLI("migrate")
		took := time.Since(began)
		whole := schema(t, s.Database)
		killed := 0
		for range faulttest.Rounds(6, 60) {
			victim := on(s, another())
			migration := victim.Start("migrate")
			select {
			case <-time.After(rand.N(took)):
				killed++
			case <-migration.Exited():
			}
			migration.Kill()
			victim.CLI("migrate")
			if schema(t, victim.Database) != whole {
				t.Fatalf("another schema: %s", schema(t, victim.Database))
			}
		}
		faulttest.Figuref(t, "migrations killed / that the next run did not complete", "%d / 0", killed)
	})
}

// TestF17MigrationsAtOnceTakeTurns starts several processes on an empty database.
func TestF17MigrationsAtOnceTakeTurns(t *testing.T) {
	t.Parallel()
	onEmptyDatabases(t, func(t *testing.T, s *e2e.Site, another func() string) {
		t.Helper()
		reference := on(s, another())
		reference.CLI("migrate")
		whole := schema(t, reference.Database)
		for range faulttest.Rounds(2, 20) {
			target := on(s, another())
			migrations := make([]*e2e.Process, 4)
			for i := range migrations {
				migrations[i] = target.Start("migrate")
			}
			for i, migration := range migrations {
				if code := migration.ExitCode(); code != 0 {
					t.Errorf("process %d: exit code %d: %s", i, code, migration.Out.String())
				}
			}
			if schema(t, target.Database) != whole {
				t.Fatalf("another schema: %s", schema(t, target.Database))
			}
		}
		nodes := []*e2e.Server{s.Serve()} // each migrates
		if !s.OnSQLite() {
			nodes = append(nodes, s.Serve())
		}
		for _, node := range nodes {
			e2e.Call[any](e2e.Client{T: t, Base: node.Address}, "GET", "/readyz", nil, http.StatusOK)
		}
	})
}
