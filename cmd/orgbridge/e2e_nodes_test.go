package main

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

func TestAPIAndWorkersInTwoProcesses(t *testing.T) {
	t.Parallel()
	s := e2e.NewSite(t, storetest.PostgresURL(t))
	front := s.Serve("--no-workers")
	c := front.Client(s.NewAccount())
	c.AddOrganization("Alpine Dental", "alpine.example.com")
	s.Add("Alpine Dental")
	initial := c.Connect()
	if got := c.Sync(initial.ID); got.Status != "queued" {
		t.Errorf("without workers the sync is %s", got.Status)
	}

	back := s.Serve("--workers-only")
	if run := c.Ended(initial.ID); run.Counts.Mapped != 1 {
		t.Errorf("the sync ended with %+v", run)
	}
	root := e2e.Client{T: t, Base: back.Address, Token: c.Token}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/api/v1/me": 404, "/swagger/": 404} {
		if status, _ := root.Do("GET", path, nil); status != want {
			t.Errorf("workers answer %s with %d instead of %d", path, status, want)
		}
	}
	e2e.Terminated(t, back)
	e2e.Terminated(t, front)
}

// TestKilledNode kills the node that works a sync without any warning. Another one, or the same after its restart, has to finish the
// sync soon, and every organization is mapped exactly once.
func TestKilledNode(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for leases to run out; run without -short")
	}
	const local, remote, limit = 1500, 4000, 30 * time.Second
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		s.Fill(remote)
		victim := s.Serve()
		c := victim.Client(s.NewAccount())
		c.Fill(local)
		s.Slow(3, time.Minute)
		initial := c.Connect()
		e2e.Eventually(t, e2e.Patience, "the sync to run", func() bool { return s.Calls().Count >= 3 && c.Sync(initial.ID).Status == "running" })

		survivor := s.Surviving()
		victim.End(syscall.SIGKILL)
		killed := time.Now()
		s.Fast()
		if survivor == nil {
			survivor = s.Serve()
		}
		c = survivor.Client(c.Token)
		run := c.Ended(initial.ID)
		if took := time.Since(killed); took > limit {
			t.Errorf("it took %s until the sync was ended", took)
		} else {
			t.Logf("ended %s after the kill", took.Round(100*time.Millisecond))
		}
		if run.Counts.Listed != remote || run.Counts.Mapped != local {
			t.Errorf("the sync ended with %+v", run.Counts)
		}
		if in := e2e.Call[e2e.IntegrationView](c, "GET", "/integrations/itglue", nil, http.StatusOK); in.Mappings.Active != local {
			t.Errorf("%+v", in.Mappings)
		}
		e2e.Terminated(t, survivor)
	})
}

// TestSyncIsHandedBack ends a node in order in the middle of a sync. The next start goes on at once, without waiting for a lease.
func TestSyncIsHandedBack(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		s.Add("Alpine Dental")
		first := s.Serve()
		c := first.Client(s.NewAccount())
		c.AddOrganization("Alpine Dental", "alpine.example.com")
		s.Slow(1, time.Minute)
		initial := c.Connect().ID
		e2e.Eventually(t, e2e.Patience, "the sync to run", func() bool { return c.Sync(initial).Status == "running" })
		e2e.Terminated(t, first)
		s.Fast()

		ended := time.Now()
		second := s.Serve()
		if run := second.Client(c.Token).Ended(initial); run.Counts.Mapped != 1 || time.Since(ended) > 12*time.Second {
			t.Errorf("after %s: %+v", time.Since(ended), run)
		}
		e2e.Terminated(t, second)
	})
}
