package storetest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/orgbridge/orgbridge/internal/store"
)

const skipped = "NO POSTGRESQL, so this test did not run: install PostgreSQL or set ORGBRIDGE_TEST_POSTGRES_URL"

// login is who tests connect as: neither superuser nor with BYPASSRLS, so that PostgreSQL's fence between accounts holds in every test. It
// owns the databases.
const login = "orgbridge_test"

// server is the PostgreSQL server that all tests of a process share.
type server struct {
	start    sync.Once
	url      string // of the maintenance database, as a superuser
	template string // a migrated database to copy
	err      error
	cluster  *cluster // nil when the server is not ours
}

// shared is the one server of the test process.
var shared server

// PostgresURL returns the URL of a fresh database with our migrations applied, dropped when the test ends. It skips the test when there
// is no PostgreSQL.
func PostgresURL(tb testing.TB) string {
	tb.Helper()
	return database(tb, func(s *server) string { return s.template })
}

// EmptyPostgresURL is [PostgresURL] without any migration.
func EmptyPostgresURL(tb testing.TB) string {
	tb.Helper()
	return database(tb, func(*server) string { return "template0" })
}

func database(tb testing.TB, template func(*server) string) string {
	tb.Helper()
	shared.start.Do(shared.boot)
	switch {
	case errors.Is(shared.err, errNoBinaries) && os.Getenv("ORGBRIDGE_TEST_POSTGRES") != "require":
		tb.Skip(skipped)
	case shared.err != nil:
		tb.Fatalf("PostgreSQL for tests: %v", shared.err)
	}
	name := "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	if err := shared.exec("CREATE DATABASE " + name + " OWNER " + login + " TEMPLATE " + template(&shared)); err != nil {
		tb.Fatalf("create a test database: %v", err)
	}
	tb.Cleanup(func() {
		if err := shared.exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			tb.Errorf("drop the test database: %v", err)
		}
	})
	return asLogin(withDatabase(shared.url, name))
}

// Superuser is the URL of the same database for the server's superuser, whom nothing fences off.
func Superuser(tb testing.TB, databaseURL string) string {
	tb.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		tb.Fatal(err)
	}
	return withDatabase(shared.url, strings.TrimPrefix(u.Path, "/"))
}

// PastTheFence is the URL for connections that see the data of all accounts.
func PastTheFence(databaseURL string) string {
	u, err := url.Parse(databaseURL)
	if err != nil || u.Scheme == "sqlite" {
		return databaseURL
	}
	q := u.Query()
	q.Set("orgbridge.every_account", "on")
	u.RawQuery = q.Encode()
	return u.String()
}

// boot finds or starts the server and makes the template.
func (s *server) boot() {
	s.url = os.Getenv("ORGBRIDGE_TEST_POSTGRES_URL")
	if s.url == "" {
		if s.cluster, s.err = startCluster(""); s.err != nil {
			tellTerminal(s.err)
			return
		}
		s.url = s.cluster.url
	}
	if s.err = s.exec(createLogin); s.err != nil {
		return
	}
	s.template = "template_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	if s.err = s.exec("CREATE DATABASE " + s.template + " OWNER " + login + " TEMPLATE template0 ENCODING 'UTF8'"); s.err != nil {
		return
	}
	s.err = migrateTemplate(asLogin(withDatabase(s.url, s.template)))
}

// createLogin makes the login unless it is there, which it may be on a server that is not ours. It may see when the server's processes
// began, which tells whether the server has crashed.
const createLogin = "DO $$ BEGIN CREATE ROLE " + login + " LOGIN PASSWORD '" + login + "' IN ROLE pg_read_all_stats; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"

// asLogin is the URL for the login of tests.
func asLogin(databaseURL string) string {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return databaseURL
	}
	u.User = url.UserPassword(login, login)
	return u.String()
}

// tellTerminal says it past go test, which keeps the output of packages that pass to itself: skipped tests must not look like tests
// that passed.
func tellTerminal(err error) {
	if !errors.Is(err, errNoBinaries) {
		return
	}
	terminal, err := os.OpenFile("/dev/tty", os.O_WRONLY, 0)
	if err != nil {
		return // nobody is looking
	}
	_, _ = fmt.Fprintln(terminal, skipped)
	_ = terminal.Close()
}

func migrateTemplate(databaseURL string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	db, err := store.Open(ctx, databaseURL, store.Options{})
	if err != nil {
		return err
	}
	return errors.Join(db.Migrate(ctx, nil), db.Close())
}

// exec runs one statement on the maintenance database.
func (s *server) exec(statement string) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, statement)
	return err
}

func withDatabase(base, name string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	u.Path = "/" + name
	return u.String()
}

// Main runs a package's tests and then stops the server. Without it, the server dies with the process and its files are removed by the
// next one that starts:
//
//	func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }
func Main(m *testing.M) int {
	code := m.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
		return max(code, 1)
	}
	return code
}

func (s *server) stop() error {
	switch {
	case s.cluster != nil:
		return s.cluster.stop()
	case s.template != "" && s.err == nil:
		return s.exec("DROP DATABASE " + s.template + " WITH (FORCE)")
	default:
		return nil
	}
}
