package e2e

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/orgbridge/orgbridge/internal/seal"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// SimKey is the key of a site's simulated IT Glue.
const SimKey = "ITG.e2e00000000000000000000000000000"

// Site is one installation: a database, a keyset, and a simulated IT Glue to connect to, in the region us.
type Site struct {
	T        testing.TB
	Database string
	Env      []string
	Sim      Client // works the simulator
	Build    Build

	keysetFile string
}

// NewSite prepares an installation on a database, which may be empty, without limits of requests. The flags are the simulator's.
func NewSite(tb testing.TB, databaseURL string, simFlags ...string) *Site {
	tb.Helper()
	sim := Simulator(tb, SimKey, simFlags...)
	s := &Site{T: tb, Database: databaseURL, Sim: sim, keysetFile: filepath.Join(tb.TempDir(), "keyset.json")}
	s.Env = []string{
		"ORGBRIDGE_ADDR=127.0.0.1:0", "ORGBRIDGE_DATABASE_URL=" + databaseURL, "ORGBRIDGE_KEYSET=" + s.keysetFile,
		"ORGBRIDGE_REQUESTS_PER_MINUTE=0", "ORGBRIDGE_FAILED_AUTHENTICATIONS_PER_MINUTE=0",
		"ORGBRIDGE_ITGLUE_US_URL=" + sim.Base, "ORGBRIDGE_ITGLUE_EU_URL=http://127.0.0.1:1", "ORGBRIDGE_ITGLUE_AU_URL=http://127.0.0.1:1",
	}
	s.CLI("keys", "create", "--out", s.keysetFile)
	return s
}

// KeysetFile is the file of the keyset.
func (s *Site) KeysetFile() string { return s.keysetFile }

// Keyset loads the keyset that the site's stored keys are sealed with.
func (s *Site) Keyset() *seal.Keyset {
	s.T.Helper()
	keyset, err := seal.Load(s.keysetFile)
	if err != nil {
		s.T.Fatal(err)
	}
	return keyset
}

// OnEachEngine runs the test on a fresh database of each engine.
func OnEachEngine(t *testing.T, test func(t *testing.T, s *Site)) {
	t.Helper()
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Helper()
		test(t, NewSite(t, url))
	})
}

// With is the same installation for processes with more environment variables; a later one replaces an earlier one of the same name.
func (s *Site) With(env ...string) *Site {
	changed := *s
	changed.Env = slices.Concat(s.Env, env)
	return &changed
}

// Using is the same installation for processes of another build.
func (s *Site) Using(b Build) *Site {
	changed := *s
	changed.Build = b
	return &changed
}

// OnSQLite tells whether the database is a SQLite file.
func (s *Site) OnSQLite() bool { return strings.HasPrefix(s.Database, "sqlite:") }

// CLI runs a command to its end, demands success, and returns what it printed on stdout.
func (s *Site) CLI(args ...string) string {
	s.T.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(s.T.Context(), Program(s.T, s.Build, "orgbridge"), args...)
	cmd.Env, cmd.Stderr = s.Env, &stderr
	out, err := cmd.Output()
	if err != nil {
		s.T.Fatalf("orgbridge %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// Start starts a command of orgbridge beside the test.
func (s *Site) Start(args ...string) *Process {
	s.T.Helper()
	return Start(s.T, s.Env, Program(s.T, s.Build, "orgbridge"), args...)
}

// Server is a running "orgbridge serve".
type Server struct {
	*Process

	Address string // http://host:port
}

// Serve starts a server and waits until it listens. There may be several, and one may follow another.
func (s *Site) Serve(args ...string) *Server {
	s.T.Helper()
	p := s.Start(append([]string{"serve"}, args...)...)
	return &Server{Process: p, Address: p.Word("msg=listening address=")}
}

// NewAccount makes an account with an admin token on the command line.
func (s *Site) NewAccount() (token string) {
	s.T.Helper()
	id := s.CLI("account", "create", "Lighthouse IT Services")
	return s.CLI("token", "create", "--account", id, "--role", "admin", "--name", "e2e")
}

// Client is a client of the server's API.
func (s *Server) Client(token string) Client {
	return Client{T: s.T, Base: s.Address + "/api/v1", Token: token}
}

// Terminated ends a server with SIGTERM and demands the exit code of success.
func Terminated(tb testing.TB, s *Server) {
	tb.Helper()
	if code := s.End(syscall.SIGTERM); code != 0 {
		tb.Errorf("exit code %d after SIGTERM", code)
	}
}

// Surviving starts a second node where there can be one.
func (s *Site) Surviving() *Server {
	s.T.Helper()
	if s.OnSQLite() {
		return nil
	}
	return s.Serve()
}
