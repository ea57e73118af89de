package storetest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Server is a PostgreSQL server of one test, which may be stopped, and parts of it killed, without harm to other tests. It keeps what it
// has committed, and its port.
type Server struct {
	// URL is that of a database with nothing in it, for a login whom its fence between accounts holds.
	URL string

	tb      testing.TB
	cluster *cluster
}

// NewServer starts a server that is removed when the test ends. It skips the test when there is no PostgreSQL on this machine.
func NewServer(tb testing.TB) *Server {
	tb.Helper()
	return NewServerIn(tb, "")
}

// NewServerIn is [NewServer] with the server's files within a directory, and with settings, such as "fsync=on", that come before those
// that make tests fast.
func NewServerIn(tb testing.TB, dir string, settings ...string) *Server {
	tb.Helper()
	c, err := startCluster(dir, settings...)
	switch {
	case errors.Is(err, errNoBinaries) && os.Getenv("ORGBRIDGE_TEST_POSTGRES") != "require":
		tb.Skip(skipped)
	case err != nil:
		tb.Fatalf("start a PostgreSQL server: %v", err)
	}
	s := &Server{URL: c.url, tb: tb, cluster: c}
	s.ownDatabase()
	tb.Cleanup(func() {
		if err := c.stop(); err != nil {
			tb.Errorf("remove the PostgreSQL server: %v", err)
		}
	})
	return s
}

// ownDatabase gives the server's database to the login of tests.
func (s *Server) ownDatabase() {
	s.tb.Helper()
	maintenance := server{url: s.cluster.url}
	for _, statement := range []string{createLogin, "CREATE DATABASE orgbridge OWNER " + login} {
		if err := maintenance.exec(statement); err != nil {
			s.tb.Fatalf("make a database: %v", err)
		}
	}
	s.URL = asLogin(withDatabase(s.cluster.url, "orgbridge"))
}

// Checkpoint has the server write what it holds in memory, so that its next start has little to do.
func (s *Server) Checkpoint() {
	s.tb.Helper()
	maintenance := server{url: s.cluster.url}
	if err := maintenance.exec("CHECKPOINT"); err != nil {
		s.tb.Fatal(err)
	}
}

// Stop ends the server at once, as "pg_ctl stop -m immediate" does: nothing is finished, and the next start recovers.
func (s *Server) Stop() {
	s.tb.Helper()
	s.cluster.cancel()
	<-s.cluster.done
}

// Start starts a stopped server again and returns when it answers.
func (s *Server) Start() {
	s.tb.Helper()
	s.StartUnder()
}

// StartUnder is [Server.Start] by a program, such as strace, that runs the server with what follows its own arguments.
func (s *Server) StartUnder(command ...string) {
	s.tb.Helper()
	s.cluster.under = command
	if err := s.cluster.run(); err != nil {
		s.tb.Fatalf("start the PostgreSQL server again: %v", err)
	}
}

// Ended tells that the server is not there any more, be it that it ended by itself.
func (s *Server) Ended() bool {
	select {
	case <-s.cluster.done:
		return true
	default:
		return false
	}
}

// KillBackend kills the process of one connection, which is not the caller's own. The server then cuts all connections and recovers by
// itself.
func (s *Server) KillBackend(pid int) {
	s.tb.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		s.tb.Fatalf("kill backend %d: %v", pid, err)
	}
}

// Backends returns the processes of all clients' connections.
func (s *Server) Backends() (pids []int) {
	s.tb.Helper()
	ctx := context.WithoutCancel(s.tb.Context())
	conn, err := pgx.Connect(ctx, s.cluster.url)
	if err != nil {
		s.tb.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
	if err != nil {
		s.tb.Fatal(err)
	}
	if pids, err = pgx.CollectRows(rows, pgx.RowTo[int]); err != nil {
		s.tb.Fatal(err)
	}
	return pids
}

// Tool returns the path of a program that comes with PostgreSQL, such as pg_dump. It skips the test where there is none.
func Tool(tb testing.TB, name string) string {
	tb.Helper()
	bin, err := binaries()
	if errors.Is(err, errNoBinaries) && os.Getenv("ORGBRIDGE_TEST_POSTGRES") != "require" {
		tb.Skip(skipped)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return filepath.Join(bin, name)
}

// Dump is what pg_dump writes of a whole database, for a login whom the fence between accounts holds unless it asks for all of them.
func Dump(tb testing.TB, databaseURL string) []byte {
	tb.Helper()
	dump := exec.CommandContext(tb.Context(), Tool(tb, "pg_dump"), "--enable-row-security", "--dbname="+databaseURL)
	dump.Env = append(os.Environ(), "PGOPTIONS=-c orgbridge.every_account=on")
	out, err := dump.Output()
	if err != nil {
		tb.Fatalf("pg_dump: %v", err)
	}
	return out
}
