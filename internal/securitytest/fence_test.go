package securitytest_test

import (
	"testing"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/faulttest"
	"github.com/orgbridge/orgbridge/internal/securitytest"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// The matrix of all operations, all ids that they take, and all ways to name what is not ours: whatever is sent, the answer is the same as
// for what does not exist, tells nothing of the other account, and changes nothing of it.
func TestAPI1OtherAccountsObjectsAreNotFound(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		attack(t, s, 4, 60)
	})
}

// Without PostgreSQL's fence the statements and the account guard hold.
func TestAPI1OtherAccountsObjectsAreNotFoundWithoutRowLevelSecurity(t *testing.T) {
	t.Parallel()
	site := e2e.NewSite(t, storetest.PostgresURL(t))
	site.CLI("migrate")
	db := faulttest.OpenDatabase(t, site.Database)
	tables, err := db.Texts(t.Context(), "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND rowsecurity")
	if err != nil || len(tables) < 10 {
		t.Fatal(tables, err)
	}
	for _, table := range tables {
		db.Run(t, "ALTER TABLE "+table+" DISABLE ROW LEVEL SECURITY")
	}
	attack(t, site, 4, 20)
}

// A program that has forgotten the account in all of its queries and changes, and has no guard, is held by PostgreSQL's fence alone.
func TestAPI1OtherAccountsObjectsAreNotFoundByAProgramThatForgetsTheAccount(t *testing.T) {
	t.Parallel()
	site := e2e.NewSite(t, storetest.PostgresURL(t)).Using(e2e.Build{Tags: "failpoints"}).With("ORGBRIDGE_FAILPOINTS_FORGET_ACCOUNTS=1")
	attack(t, site, 4, 20)
}

func attack(t *testing.T, site *e2e.Site, few, full int) {
	t.Helper()
	w := securitytest.NewWorld(t, site, securitytest.Rounds(few, full))
	before := w.Snapshot()
	attempts := w.Matrix()
	after := w.Snapshot()
	if len(before) != len(after) || len(before) < 30 {
		t.Fatalf("the other account had %d rows and has %d", len(before), len(after))
	}
	for i := range before {
		if before[i] != after[i] {
			t.Errorf("the other account's data was changed:\n-%s\n+%s", before[i], after[i])
		}
	}
	if !t.Failed() {
		t.Logf("figure: attempts on another account's objects / successes, %s: %d / 0", t.Name(), attempts)
	}
	if least := securitytest.Rounds(250, 2_000); attempts < least {
		t.Errorf("%d attempts, fewer than %d", attempts, least)
	}
}
