package faulttest_test

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/faulttest"
)

// TestF3SIGTERMUnderLoadFailsNoAcceptedRequest ends a process that clients write to and that is in the middle of a sync. The clients stop
// sending to it when it is not ready any more, as a load balancer does.
func TestF3SIGTERMUnderLoadFailsNoAcceptedRequest(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		r := newRestless(t, s, 4)
		r.renameSome()
		s.Slow(1, time.Minute)
		r.load.Start(r.client())
		running := r.syncUnderWay()
		e2e.Eventually(t, e2e.Patience, "some load", func() bool { return r.load.Sent() > faulttest.Rounds(100, 2000) })

		root := e2e.Client{T: t, Base: r.server.Address}
		r.server.Signal(syscall.SIGTERM)
		e2e.Eventually(t, e2e.Patience, "the process to say that it is not ready any more", func() bool {
			answer, err := root.Try(t.Context(), "GET", "/readyz", nil)
			if err != nil {
				t.Fatalf("it has stopped accepting before it said so: %v", err)
			}
			return answer.Status == http.StatusServiceUnavailable
		})
		if answer, err := root.Try(t.Context(), "GET", "/healthz", nil); err != nil || answer.Status != http.StatusOK {
			t.Errorf("is it alive? %d, %v", answer.Status, err)
		}
		r.load.Stop()
		if code := r.server.ExitCode(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if lost := r.load.Ledger.Counts()[faulttest.Unknown]; lost > 0 {
			t.Errorf("%d requests failed", lost)
		}
		faulttest.Figuref(t, "SIGTERM under load: accepted requests / that failed", "%d / %d",
			r.load.Sent(), r.load.Ledger.Counts()[faulttest.Unknown])
		if status := faulttest.Value[string](t, r.database, "SELECT status FROM syncs WHERE id = $1", running); status != "queued" {
			t.Errorf("the sync was left %s", status)
		}

		s.Fast()
		r.server = s.Serve()
		r.client().Ended(running)
		r.survived()
	})
}

// TestF3SecondSIGTERMEndsAtOnce ends a process twice while it answers a request that takes long.
func TestF3SecondSIGTERMEndsAtOnce(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		server, token := s.Serve(), s.NewAccount()
		s.Inject(map[string]any{"kind": "delay", "path": "/organizations", "delay": time.Minute})
		answered := make(chan error, 1)
		go func() {
			_, err := server.Client(token).Try(t.Context(), "POST", "/integrations/itglue/test",
				map[string]string{"apiKey": e2e.SimKey, "region": "us"})
			answered <- err
		}()
		e2e.Eventually(t, e2e.Patience, "the request to be under way", func() bool { return s.Calls().Count > 0 })
		server.Signal(syscall.SIGTERM)
		server.Word("msg=ending")
		server.Signal(syscall.SIGTERM)
		if code := server.ExitCode(); code != -1 {
			t.Errorf("exit code %d, want that of a signal", code)
		}
		if err := <-answered; err == nil {
			t.Error("the request was answered")
		}
	})
}
