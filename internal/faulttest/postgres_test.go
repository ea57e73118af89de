package faulttest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/faulttest"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// recovery is how long the program may take to answer again once the database does. Two seconds are what is promised; the rest is for
// machines that are busy with other tests.
const recovery = 10 * time.Second

// onOwnServer runs a test on a PostgreSQL server that it may kill, under load.
func onOwnServer(t *testing.T, test func(t *testing.T, r *restless, server *storetest.Server)) {
	t.Helper()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		server := storetest.NewServer(t)
		r := newRestless(t, e2e.NewSite(t, server.URL), 4)
		r.load.Start(r.client())
		test(t, r, server)
		r.survived()
		r.noneWasInternal()
	})
}

// noneWasInternal demands that nothing was answered with 500.
func (r *restless) noneWasInternal() {
	r.t.Helper()
	for _, request := range r.load.Ledger.Unforeseen() {
		r.t.Errorf("a 500: %+v", request)
	}
}

// status of a path outside of the API.
func (r *restless) status(path string) int {
	r.t.Helper()
	c := r.client()
	c.Base = strings.TrimSuffix(c.Base, "/api/v1")
	answer, err := c.Try(context.WithoutCancel(r.t.Context()), http.MethodGet, path, nil)
	if err != nil {
		r.t.Fatalf("%s: %v", path, err)
	}
	return answer.Status
}

// midSync starts a sync that has work to do and waits for IT Glue.
func (r *restless) midSync() (id string) {
	r.t.Helper()
	r.renameSome()
	r.Slow(1, time.Second)
	defer r.Fast()
	id = r.sync()
	e2e.Eventually(r.t, e2e.Patience, "a running sync", func() bool { return r.client().Sync(id).Status == "running" })
	return id
}

// stayed demands, for the time of an outage, that the process lives, says that it is not ready, and asks clients to come again.
func (r *restless) stayed(outage time.Duration) {
	r.t.Helper()
	for end := time.Now().Add(outage); time.Now().Before(end); <-time.After(100 * time.Millisecond) {
		if got := r.status("/healthz"); got != http.StatusOK {
			r.t.Fatalf("alive: %d", got)
		}
		if got := r.status("/readyz"); got != http.StatusServiceUnavailable {
			r.t.Fatalf("ready: %d", got)
		}
		answer, err := r.client().Try(r.t.Context(), http.MethodGet, "/mappings", nil)
		if err != nil || answer.Status != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
			r.t.Fatalf("a list: %d %v %v", answer.Status, answer.Header, err)
		}
	}
}

// recovers waits until the process is ready again, and demands that from then on every request is served.
func (r *restless) recovers() {
	r.t.Helper()
	back := time.Now()
	e2e.Eventually(r.t, recovery, "readiness", func() bool { return r.status("/readyz") == http.StatusOK })
	r.t.Logf("ready again after %s", time.Since(back).Round(time.Millisecond))
	for range 30 {
		e2e.Call[any](r.client(), http.MethodGet, "/mappings?limit=1", nil, http.StatusOK)
	}
}

// isGone waits until the server has recovered from the loss of a backend, for which it ends all others.
func (r *restless) isGone(pid int) {
	r.t.Helper()
	e2e.Eventually(r.t, e2e.Patience, "the recovery of the server", func() bool {
		var n int
		err := r.database.QueryRowContext(r.t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid).Scan(&n)
		return err == nil && n == 0
	})
}

func TestF9KilledBackendIsNoticedByNobodyForLong(t *testing.T) {
	t.Parallel()
	onOwnServer(t, func(_ *testing.T, r *restless, server *storetest.Server) {
		for range faulttest.Rounds(2, 15) {
			id := r.midSync()
			backends := server.Backends()
			server.KillBackend(backends[0])
			r.isGone(backends[1])
			r.recovers()
			r.client().Ended(id)
		}
	})
}

func TestF10OutageAnswers503AndEndsWithoutARestart(t *testing.T) {
	t.Parallel()
	outages := []time.Duration{0, 5 * time.Second}
	if faulttest.Long() {
		outages = []time.Duration{0, 0, time.Second, 5 * time.Second, 20 * time.Second, 60 * time.Second}
	}
	onOwnServer(t, func(_ *testing.T, r *restless, server *storetest.Server) {
		for _, outage := range outages {
			id := r.midSync()
			server.Stop()
			r.stayed(outage)
			server.Start()
			r.recovers()
			r.client().Ended(id)
		}
	})
}

func TestF11CommitsThatAreNotAnsweredLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		direct := storetest.EmptyPostgresURL(t)
		cutter, proxied := faulttest.NewCommitCutter(t, direct)
		r := newRestless(t, e2e.NewSite(t, proxied), 4)
		r.load.Start(r.client())
		cutter.CutEvery(7)
		for range faulttest.Rounds(3, 60) {
			r.client().Ended(r.midSync())
		}
		cutter.Restore()
		if cutter.Cuts.Load() == 0 {
			t.Fatal("no commit was cut")
		}
		t.Logf("%d of %d commits cut", cutter.Cuts.Load(), cutter.Commits.Load())
		r.survived()
		r.noneWasInternal()
	})
}
