package main

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/faulttest"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// manualCommands are the commands under a heading of the operators' manual, as they stand there.
func manualCommands(t *testing.T, heading string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n### "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n#")
	block := regexp.MustCompile("(?s)```console\n(.*?)```").FindStringSubmatch(section)
	if !found || block == nil {
		t.Fatalf("no commands under %q", heading)
	}
	return block[1]
}

// operator is somebody with a shell beside an installation.
type operator struct {
	t   *testing.T
	dir string
	env []string
}

// follow pastes the commands under a heading.
func (o operator) follow(heading string) {
	o.t.Helper()
	bash := exec.CommandContext(o.t.Context(), "bash", "-euo", "pipefail", "-c", manualCommands(o.t, heading))
	bash.Dir, bash.Env = o.dir, o.env
	if out, err := bash.CombinedOutput(); err != nil {
		o.t.Fatalf("%s: %v: %s", heading, err, out)
	}
}

func newOperator(t *testing.T, s *e2e.Site, env ...string) operator {
	t.Helper()
	programs := filepath.Dir(e2e.Program(t, s.Build, "orgbridge"))
	path := "PATH=" + programs + string(os.PathListSeparator) + os.Getenv("PATH")
	return operator{t: t, dir: t.TempDir(), env: slices.Concat(s.Env, []string{path}, env)}
}

// mapped is a site with one mapping; it returns the client's token.
func mapped(t *testing.T, s *e2e.Site) (token string) {
	t.Helper()
	s.Add("Alpine Dental")
	server, token := s.Serve(), s.NewAccount()
	c := server.Client(token)
	c.AddOrganization("Alpine Dental", "alpine.example.com")
	c.Ended(c.Connect().ID)
	e2e.Terminated(t, server)
	return token
}

// works demands that everything is there, and that the IT Glue key can be opened.
func works(t *testing.T, s *e2e.Site, token string) {
	t.Helper()
	server := s.Serve()
	c := server.Client(token)
	if in := e2e.Call[e2e.IntegrationView](c, "GET", "/integrations/itglue", nil, http.StatusOK); in.Mappings.Active != 1 {
		t.Errorf("%+v", in)
	}
	if run, _ := c.RunSync("manual"); run.Status != "succeeded" || run.Counts.Unchanged != 1 {
		t.Errorf("%+v", run)
	}
	e2e.Terminated(t, server)
}

func TestManualOnSQLite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := e2e.NewSite(t, "sqlite://"+filepath.Join(dir, "orgbridge.db"))
	s = s.With("ORGBRIDGE_KEYSET=") // beside the database
	o := newOperator(t, s)
	o.dir = dir
	token := mapped(t, s)
	server := s.Serve()
	server.Client(token).AddOrganization("Last before the end", "last.example.com")
	server.End(syscall.SIGKILL) // leaves what was written last beside the database
	if _, err := os.Stat(filepath.Join(dir, "orgbridge.db-wal")); err != nil {
		t.Fatal(err)
	}
	o.follow("Back up SQLite")
	for _, file := range []string{"orgbridge.db", "orgbridge.db.keyset.json"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o.follow("Restore SQLite")
	server = s.Serve()
	if n := len(e2e.All[e2e.OrganizationView](server.Client(token), "/organizations")); n != 2 {
		t.Errorf("%d organizations were restored", n)
	}
	e2e.Terminated(t, server)
	works(t, s, token)
}

func TestManualOnPostgres(t *testing.T) {
	t.Parallel()
	s := e2e.NewSite(t, storetest.PostgresURL(t))
	restored := storetest.EmptyPostgresURL(t)
	// The path has pg_dump of the same version as the server first.
	o := newOperator(t, s, "RESTORED_DATABASE_URL="+restored)
	o.env = append(o.env, "PATH="+filepath.Dir(storetest.Tool(t, "pg_dump"))+string(os.PathListSeparator)+o.path())
	token := mapped(t, s)
	o.follow("First account")
	o.follow("Make a token for Prometheus")
	o.follow("Rotate the sealing keys")
	works(t, s, token)
	o.follow("Back up PostgreSQL")
	o.follow("Restore PostgreSQL")
	works(t, s.With("ORGBRIDGE_DATABASE_URL="+restored), token)
	if secret, err := os.ReadFile(filepath.Join(o.dir, "prometheus.token")); err != nil || !strings.HasPrefix(string(secret), "orgb_") {
		t.Errorf("the token for Prometheus: %q, %v", secret, err)
	}
}

// TestAPI1ALoginThatDoesNotOwnTheTablesServesAndCannotTakeTheFenceDown sets PostgreSQL up with two logins as the manual says.
func TestAPI1ALoginThatDoesNotOwnTheTablesServesAndCannotTakeTheFenceDown(t *testing.T) {
	t.Parallel()
	owner := storetest.EmptyPostgresURL(t)
	address, err := url.Parse(owner)
	if err != nil {
		t.Fatal(err)
	}
	login := "nodes_" + strings.TrimPrefix(address.Path, "/")
	address.User = url.UserPassword(login, "secret")
	superuser := faulttest.OpenDatabase(t, storetest.Superuser(t, owner))
	superuser.Run(t, "CREATE ROLE "+login+" LOGIN PASSWORD 'secret'")
	t.Cleanup(func() {
		superuser.Run(t, "DROP OWNED BY "+login)
		superuser.Run(t, "DROP ROLE "+login)
	})

	s := e2e.NewSite(t, owner).With("ORGBRIDGE_DATABASE_URL=" + address.String())
	o := newOperator(t, s, "OWNER_DATABASE_URL="+owner, "ORGBRIDGE_LOGIN="+login)
	o.env = append(o.env, "PATH="+filepath.Dir(storetest.Tool(t, "psql"))+string(os.PathListSeparator)+o.path())
	o.follow("A login that does not own the tables")
	works(t, s, mapped(t, s))

	nodes, err := pgx.Connect(t.Context(), address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer nodes.Close(t.Context())
	var seen int
	if err := nodes.QueryRow(t.Context(), "SELECT count(*) FROM organizations").Scan(&seen); err != nil || seen != 0 {
		t.Errorf("without an account it sees %d organizations, %v", seen, err)
	}
	for _, attempt := range []string{
		"ALTER TABLE organizations DISABLE ROW LEVEL SECURITY", "ALTER TABLE organizations NO FORCE ROW LEVEL SECURITY",
		"DROP TABLE organizations", "TRUNCATE organizations", "CREATE TABLE mine ()", "SET row_security = off; SELECT * FROM organizations",
	} {
		if _, err := nodes.Exec(t.Context(), attempt); err == nil {
			t.Errorf("%s is allowed", attempt)
		}
	}
}

// TestComposeMakesALoginThatTheFenceHolds runs what compose.yaml has the image of PostgreSQL run on a new database.
func TestComposeMakesALoginThatTheFenceHolds(t *testing.T) {
	t.Parallel()
	address, err := url.Parse(storetest.NewServer(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	database := strings.TrimPrefix(address.Path, "/")
	script := exec.CommandContext(t.Context(), "sh", "-eu", "../../compose-login.sh")
	script.Env = append(os.Environ(), "PATH="+filepath.Dir(storetest.Tool(t, "psql"))+string(os.PathListSeparator)+os.Getenv("PATH"),
		"PGHOST="+address.Hostname(), "PGPORT="+address.Port(), "POSTGRES_USER=postgres", "POSTGRES_DB="+database, "ORGBRIDGE_PASSWORD=it's")
	if out, err := script.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	address.User = url.UserPassword("orgbridge", "it's")
	s := e2e.NewSite(t, address.String())
	works(t, s, mapped(t, s))
	server := s.Serve()
	if out := server.Out.String(); strings.Contains(out, "level=WARN") {
		t.Errorf("it warns: %s", out)
	}
}

// path is the last one that the environment names.
func (o operator) path() (path string) {
	for _, v := range o.env {
		if value, ok := strings.CutPrefix(v, "PATH="); ok {
			path = value
		}
	}
	return path
}
