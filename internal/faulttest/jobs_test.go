package faulttest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/faulttest"
)

// newAccount makes an account on the command line and returns its id and a client for it.
func newAccount(s *e2e.Site, server *e2e.Server) (id string, c e2e.Client) {
	s.T.Helper()
	id = s.CLI("account", "create", "Lighthouse IT Services")
	return id, server.Client(s.CLI("token", "create", "--account", id, "--role", "admin", "--name", "faults"))
}

// TestF4PanicInAHandlerAnswers500AndNothingElse has a handler panic: the answer is a problem without a trace of the inside, and the
// process lives on.
func TestF4PanicInAHandlerAnswers500AndNothingElse(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		id := s.CLI("account", "create", "Lighthouse IT Services")
		plan := filepath.Join(t.TempDir(), "plan")
		if err := os.WriteFile(plan, fmt.Appendf(nil, "start %s 3 panic\n", id), 0o600); err != nil {
			t.Fatal(err)
		}
		server := s.Using(e2e.Build{Tags: "failpoints"}).With("ORGBRIDGE_FAILPOINTS=" + plan).Serve()
		c := server.Client(s.CLI("token", "create", "--account", id, "--role", "admin", "--name", "faults"))
		connect := func() (int, []byte) {
			return c.Do("POST", "/integrations/itglue/connect", map[string]string{"apiKey": e2e.SimKey, "region": "us"})
		}
		status, body := connect()
		var problem struct {
			Code string `json:"code"`
		}
		if err := json.Unmarshal(body, &problem); err != nil || status != http.StatusInternalServerError || problem.Code != "internal" {
			t.Fatalf("status %d: %s", status, body)
		}
		if text := string(body); strings.Contains(text, "failpoint") || strings.Contains(text, ".go") || strings.Contains(text, "goroutine") {
			t.Errorf("the answer tells of the inside: %s", body)
		}
		e2e.Eventually(t, e2e.Patience, "the log to tell of the panic", func() bool { return strings.Contains(server.Out.String(), "failpoint") })
		if status, body := connect(); status != http.StatusCreated && status != http.StatusConflict {
			t.Errorf("after the panic: status %d: %s", status, body)
		}
		e2e.Eventually(t, e2e.Patience, "the initial sync", func() bool {
			return e2e.Call[e2e.IntegrationView](c, "GET", "/integrations/itglue", nil, http.StatusOK).LastSync != nil
		})
		faulttest.OpenDatabase(t, s.Database).Check(t)
		e2e.Terminated(t, server)
	})
}

// poison puts jobs into the queues that can only fail: with arguments that cannot be decoded, of a kind that nobody knows, and for syncs
// that do not exist.
func poison(tb testing.TB, d *faulttest.Database, n int) {
	tb.Helper()
	args := "CAST($1 AS jsonb)"
	if d.SQLite {
		args = "jsonb($1)"
	}
	insert := `INSERT INTO river_job (args, kind, max_attempts, queue, tags) VALUES (` + args + `, $2, $3, $4, `
	if insert += "'{poison}')"; d.SQLite {
		insert = strings.Replace(insert, "'{poison}'", `jsonb('["poison"]')`, 1)
	}
	nobody := `{"accountId": "0199e000-0000-7000-8000-000000000001", "syncId": "0199e000-0000-7000-8000-000000000002", "epoch": 1}`
	for range n {
		d.Run(tb, insert, `{"accountId": 7}`, "sync", 1, "syncs")
		d.Run(tb, insert, `"text"`, "sync", 3, "daily")
		d.Run(tb, insert, `{}`, "unheard-of", 1, "syncs")
		d.Run(tb, insert, nobody, "sync", 1, "syncs")
	}
}

// poisoned counts the poisoned jobs of which the condition is true.
func poisoned(tb testing.TB, d *faulttest.Database, condition string) int {
	tb.Helper()
	tagged := "tags = '{poison}'"
	if d.SQLite {
		tagged = "json_extract(tags, '$[0]') = 'poison'"
	}
	return faulttest.Value[int](tb, d, "SELECT count(*) FROM river_job WHERE "+tagged+" AND "+condition)
}

// TestF5PoisonJobsHarmNobody puts many jobs that can only fail before those of accounts whose syncs go well, and lets one account's sync
// fail every time.
func TestF5PoisonJobsHarmNobody(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		const accounts = 5
		server := s.Serve()
		d := faulttest.OpenDatabase(t, s.Database)
		s.Add("Customer 1")
		clients := make([]e2e.Client, accounts)
		for i := range clients {
			_, clients[i] = newAccount(s, server)
			clients[i].Ended(clients[i].Connect().ID)
		}
		_, failing := newAccount(s, server)
		failing.Ended(failing.Connect().ID)

		jobs := faulttest.Rounds(25, 250)
		poison(t, d, jobs)
		for _, c := range clients {
			c.RunSync("manual") // demands success
		}
		e2e.Call[any](s.Sim, "POST", "/_sim/keys/revoke", map[string]string{"key": e2e.SimKey}, http.StatusNoContent)
		run := e2e.Call[e2e.SyncView](failing, "POST", "/syncs", map[string]string{"kind": "manual"}, http.StatusAccepted)
		e2e.Eventually(t, e2e.Patience, "the sync that can only fail to be shown so", func() bool {
			return failing.Sync(run.ID).Status == "failed"
		})
		e2e.Eventually(t, e2e.Patience, "an end of the poison", func() bool {
			return poisoned(t, d, "state NOT IN ('discarded', 'completed', 'retryable', 'scheduled')") == 0
		})
		if n := poisoned(t, d, "attempt > max_attempts"); n > 0 {
			t.Errorf("%d jobs were tried too often", n)
		}
		if n := poisoned(t, d, "state = 'completed'"); n != jobs {
			t.Errorf("%d jobs found nothing to do, want %d", n, jobs)
		}
		d.Check(t)
		e2e.Terminated(t, server)
	})
}

// TestF54VersionsSideBySideLeaveEachOthersJobsAlone runs two builds on one database. The newer one has a kind of job, in a queue of its
// own, and a migration that the older one does not know.
func TestF54VersionsSideBySideLeaveEachOthersJobsAlone(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		s := newPostgresSite(t)
		r := newRestless(t, s.Using(e2e.Build{Version: "1.0.0"}), 3)
		newer := s.Using(e2e.Build{Version: "1.1.0"})
		if v := newer.CLI("version"); !strings.Contains(v, "1.1.0") {
			t.Fatalf("this is %s", v)
		}
		r.database.Run(t, `INSERT INTO river_job (args, kind, max_attempts, queue) VALUES ('{}', 'of-the-newer-one', 1, 'of-the-newer-one')`)
		r.database.Run(t, `INSERT INTO goose_db_version (version_id, is_applied) SELECT max(version_id) + 1, true FROM goose_db_version`)

		r.load.Start(r.client())
		older := r.server
		r.server = newer.Serve()
		for range faulttest.Rounds(2, 20) {
			r.renameSome()
			for _, server := range []*e2e.Server{older, r.server} {
				r.load.SendTo(server.Client(r.token))
				if ready, _ := (e2e.Client{T: t, Base: server.Address}).Do("GET", "/readyz", nil); ready != http.StatusOK {
					t.Fatalf("one of them is not ready: %d", ready)
				}
				server.Client(r.token).RunSync("manual")
			}
		}
		e2e.Terminated(t, older)
		r.load.Stop()
		for _, request := range r.load.Ledger.Open() {
			t.Errorf("failed: %+v", request)
		}
		left := faulttest.Value[string](t, r.database, "SELECT state || ' after ' || attempt FROM river_job WHERE kind = 'of-the-newer-one'")
		if left != "available after 0" {
			t.Errorf("the job that only the newer version knows is %s", left)
		}
		r.survived()
	})
}
