package store_test

import (
	"bytes"
	"context"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/organization"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// accountTables are all tables that hold an account's data: the accounts themselves, and those that name one.
func accountTables(t *testing.T, s *store.Store) []string {
	t.Helper()
	return postgresLines(t, s, `SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND (a.attname = 'account_id' OR (c.relname = 'accounts' AND a.attname = 'id'))`)
}

func TestAPI1EveryTableOfAccountsIsBehindBothFences(t *testing.T) {
	t.Parallel()
	s := storetest.Postgres(t)
	tables := accountTables(t, s)
	if len(tables) < 10 {
		t.Fatalf("only %d tables were found", len(tables))
	}
	fenced := postgresLines(t, s, `SELECT c.relname FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid
		WHERE c.relrowsecurity AND c.relforcerowsecurity AND p.polpermissive AND p.polcmd = '*' AND p.polwithcheck IS NULL`)
	guarded := regexp.MustCompile("^FROM " + store.GuardedTables + "$")
	for _, table := range tables {
		if n := strings.Count(" "+strings.Join(fenced, " ")+" ", " "+table+" "); n != 1 {
			t.Errorf("%s has %d policies of PostgreSQL's fence, not one: add it in the migration that makes the table", table, n)
		}
		if table != "accounts" && !guarded.MatchString("FROM "+table) {
			t.Errorf("the account guard does not know %s: add it to guardedTables", table)
		}
	}
}

// mistakes are statements on organizations in which the account was forgotten.
func mistakes(own, other, foreign string) map[string]struct {
	write bool
	run   func(tx *gorm.DB) *gorm.DB
} {
	type row struct{ ID, Name string }
	type mistake = struct {
		write bool
		run   func(tx *gorm.DB) *gorm.DB
	}
	organizations := func(tx *gorm.DB) *gorm.DB { return tx.Table("organizations") }
	return map[string]mistake{
		"find":     {false, func(tx *gorm.DB) *gorm.DB { return organizations(tx).Where("id = ?", foreign).Find(&[]row{}) }},
		"find all": {false, func(tx *gorm.DB) *gorm.DB { return organizations(tx).Where("account_id <> ?", own).Find(&[]row{}) }},
		"with or": {false, func(tx *gorm.DB) *gorm.DB {
			return organizations(tx).Where("account_id = ? AND 1 = 2", own).Or("id = ?", foreign).Find(&[]row{})
		}},
		"other's": {false, func(tx *gorm.DB) *gorm.DB { return organizations(tx).Where("account_id = ?", other).Find(&[]row{}) }},
		"raw": {false, func(tx *gorm.DB) *gorm.DB {
			return tx.Raw("SELECT id, name FROM organizations WHERE id = ?", foreign).Scan(&[]row{})
		}},
		"raw other's": {false, func(tx *gorm.DB) *gorm.DB {
			return tx.Raw("SELECT id, name FROM organizations WHERE account_id = ?", other).Scan(&[]row{})
		}},
		"join": {false, func(tx *gorm.DB) *gorm.DB {
			return tx.Table("organizations AS o").Joins("JOIN mappings m ON m.organization_id <> o.id").Where("o.account_id = ?", own).
				Where("m.account_id <> o.account_id").Select("o.id, o.name").Find(&[]row{})
		}},
		"every account in a unit for one": {false, func(tx *gorm.DB) *gorm.DB {
			return organizations(tx).Set("orgbridge:all-accounts", true).Where("id = ?", foreign).Find(&[]row{})
		}},
		"update": {true, func(tx *gorm.DB) *gorm.DB { return organizations(tx).Where("id = ?", foreign).Update("name", "mine") }},
		"delete": {true, func(tx *gorm.DB) *gorm.DB { return organizations(tx).Where("id = ?", foreign).Delete(nil) }},
		"exec": {true, func(tx *gorm.DB) *gorm.DB {
			return tx.Exec("UPDATE organizations SET name = 'mine' WHERE id = ?", foreign)
		}},
		"take over": {true, func(tx *gorm.DB) *gorm.DB {
			return tx.Exec("UPDATE organizations SET account_id = ? WHERE id = ?", own, foreign)
		}},
		"give away": {true, func(tx *gorm.DB) *gorm.DB {
			return tx.Exec("UPDATE integrations SET account_id = ? WHERE id IS NOT NULL", other)
		}},
		"account": {true, func(tx *gorm.DB) *gorm.DB { return tx.Exec("DELETE FROM tokens WHERE account_id = ?", other) }},
	}
}

// twoAccounts are an account and another one's organization.
func twoAccounts(t *testing.T, s *store.Store) (own, other, foreign string) {
	t.Helper()
	own, other = storetest.Account(t, s), storetest.Account(t, s)
	storetest.Connected(t, s, own)
	storetest.Connected(t, s, other)
	storetest.Organization(t, s, own, "Own")
	return own, other, storetest.Organization(t, s, other, "Foreign")
}

func TestAPI1GuardAloneStopsEveryMistake(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		own, other, foreign := twoAccounts(t, s)
		if s.PostgresPool() != nil {
			for _, table := range accountTables(t, s) {
				storetest.Exec(t, s, "ALTER TABLE "+table+" DISABLE ROW LEVEL SECURITY")
			}
		}
		for name, m := range mistakes(own, other, foreign) {
			rows, err := s.Mistake(t.Context(), own, m.write, m.run)
			if err == nil {
				t.Errorf("%s: the guard let it get at %d rows", name, rows)
			}
		}
		same(t, storetest.Value[string](t, s, "SELECT name FROM organizations WHERE id = $1", foreign), "Foreign")
	})
}

func TestAPI1RowLevelSecurityAloneStopsEveryMistake(t *testing.T) {
	t.Parallel()
	s := storetest.Postgres(t)
	own, other, foreign := twoAccounts(t, s)
	s.WithoutGuard(t)
	for name, m := range mistakes(own, other, foreign) {
		// What is not seen is not there; who writes a row for another account is refused.
		rows, err := s.Mistake(t.Context(), own, m.write, m.run)
		if err == nil && rows != 0 {
			t.Errorf("%s: PostgreSQL let it get at %d rows", name, rows)
		}
	}
	same(t, storetest.Value[string](t, s, "SELECT name FROM organizations WHERE id = $1", foreign), "Foreign")
	same(t, storetest.Value[int](t, s, "SELECT count(*) FROM integrations WHERE account_id = $1", own), 1)

	// The statements are such that they do harm where nothing stops them.
	for _, table := range accountTables(t, s) {
		storetest.Exec(t, s, "ALTER TABLE "+table+" DISABLE ROW LEVEL SECURITY")
	}
	for _, name := range []string{"find", "find all", "with or", "other's", "raw", "raw other's", "join", "every account in a unit for one", "update", "exec"} {
		m := mistakes(own, other, foreign)[name]
		rows, err := s.Mistake(t.Context(), own, m.write, m.run)
		if err != nil || rows == 0 {
			t.Errorf("%s is no mistake: %d rows, %v", name, rows, err)
		}
	}
}

func TestAPI1ConnectionsKeepNoAccountAfterATransaction(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, with(t, storetest.PostgresURL(t), "pool_max_conns", "1"), store.Options{})
	own, _, _ := twoAccounts(t, s)
	if _, err := s.Organizations(t.Context(), own, organization.Filter{}); err != nil {
		t.Fatal(err)
	}
	_, err := create(t.Context(), t, s, own)
	ok(t, err)
	abandoned, cancel := context.WithCancel(t.Context())
	cancel()
	_ = s.CreateOrganization(abandoned, own, organization.Organization{ID: storetest.ID(t), Name: "x"}, event.Actor{})
	for _, table := range accountTables(t, s) {
		var n int
		ok(t, s.PostgresPool().QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
		if n != 0 {
			t.Errorf("%d rows of %s are seen outside of a transaction", n, table)
		}
	}
}

func TestALoginThatPostgresDoesNotFenceIsWarnedOfOnce(t *testing.T) {
	t.Parallel()
	url := storetest.PostgresURL(t)
	for name, c := range map[string]struct {
		url      string
		warnings int
	}{"fenced": {url, 0}, "superuser": {storetest.Superuser(t, url), 1}} {
		var log bytes.Buffer
		s := storetest.Open(t, c.url, store.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		storetest.Account(t, s)
		if got := strings.Count(log.String(), "BYPASSRLS"); got != c.warnings {
			t.Errorf("%s: %d warnings:\n%s", name, got, log.String())
		}
	}
}
