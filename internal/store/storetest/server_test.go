package storetest_test

import (
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// A server that is stopped, and one that loses a connection's process, is back with what it had committed.
func TestServerKeepsWhatItCommitted(t *testing.T) {
	t.Parallel()
	s := storetest.NewServer(t)
	ctx := t.Context()
	connect := func() (conn *pgx.Conn, err error) { return pgx.Connect(ctx, s.URL) }
	try := func(statement string) error {
		conn, err := connect()
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(ctx) }()
		_, err = conn.Exec(ctx, statement)
		return err
	}
	exec := func(statement string) {
		t.Helper()
		if err := try(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	exec("CREATE TABLE kept (n integer)")

	s.Stop()
	if _, err := connect(); err == nil {
		t.Fatal("a stopped server answers")
	}
	s.Start()
	exec("INSERT INTO kept VALUES (1)")

	conn, err := connect()
	if err != nil {
		t.Fatal(err)
	}
	pids := s.Backends()
	if len(pids) != 1 {
		t.Fatalf("%d connections", len(pids))
	}
	s.KillBackend(pids[0])
	if err := conn.Ping(ctx); err == nil {
		t.Error("the connection of a killed process answers")
	}
	// The server may let a connection in before it has seen that a process is gone, and then ends that one too.
	for deadline := time.Now().Add(30 * time.Second); ; {
		err := try("INSERT INTO kept SELECT n FROM kept WHERE n = 1")
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
