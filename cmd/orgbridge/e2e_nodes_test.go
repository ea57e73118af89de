package main

import (
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

func TestAPIAndWorkersInTwoProcesses(t *testing.T) {
	t.Parallel()
	s := newSite(t, storetest.PostgresURL(t))
	front := s.serve("--no-workers")
	c := front.client(s.newAccount())
	c.addOrganization("Alpine Dental", "alpine.example.com")
	s.add("Alpine Dental")
	initial := c.connect()
	if got := c.sync(initial.ID); got.Status != "queued" {
		t.Errorf("without workers the sync is %s", got.Status)
	}

	back := s.serve("--workers-only")
	if run := c.ended(initial.ID); run.Counts.Mapped != 1 {
		t.Errorf("the sync ended with %+v", run)
	}
	root := client{t: t, base: back.address, token: c.token}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/api/v1/me": 404, "/swagger/": 404} {
		if status, _ := root.do("GET", path, nil); status != want {
			t.Errorf("workers answer %s with %d instead of %d", path, status, want)
		}
	}
	terminated(t, back)
	terminated(t, front)
}

// TestKilledNode kills the node that works a sync without any warning. Another one, or the same after its restart, has to finish the
// sync soon, and every organization is mapped exactly once.
func TestKilledNode(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for leases to run out; run without -short")
	}
	const local, remote, limit = 1500, 4000, 30 * time.Second
	onEachEngine(t, func(t *testing.T, s *site) {
		t.Helper()
		s.fill(remote)
		victim := s.serve()
		c := victim.client(s.newAccount())
		c.fill(local)
		s.slow(3, time.Minute)
		initial := c.connect()
		eventually(t, patience, "the sync to run", func() bool { return s.calls() >= 3 && c.sync(initial.ID).Status == "running" })

		survivor := s.surviving()
		victim.end(syscall.SIGKILL)
		killed := time.Now()
		s.fast()
		if survivor == nil {
			survivor = s.serve()
		}
		c = survivor.client(c.token)
		run := c.ended(initial.ID)
		if took := time.Since(killed); took > limit {
			t.Errorf("it took %s until the sync was ended", took)
		} else {
			t.Logf("ended %s after the kill", took.Round(100*time.Millisecond))
		}
		if run.Counts.Listed != remote || run.Counts.Mapped != local {
			t.Errorf("the sync ended with %+v", run.Counts)
		}
		if in := call[integrationView](c, "GET", "/integrations/itglue", nil, http.StatusOK); in.Mappings.Active != local {
			t.Errorf("%+v", in.Mappings)
		}
		terminated(t, survivor)
	})
}

// TestSyncIsHandedBack ends a node in order in the middle of a sync. The next start goes on at once, without waiting for a lease.
func TestSyncIsHandedBack(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, s *site) {
		t.Helper()
		s.add("Alpine Dental")
		first := s.serve()
		c := first.client(s.newAccount())
		c.addOrganization("Alpine Dental", "alpine.example.com")
		s.slow(1, time.Minute)
		initial := c.connect().ID
		eventually(t, patience, "the sync to run", func() bool { return c.sync(initial).Status == "running" })
		terminated(t, first)
		s.fast()

		ended := time.Now()
		second := s.serve()
		if run := second.client(c.token).ended(initial); run.Counts.Mapped != 1 || time.Since(ended) > 12*time.Second {
			t.Errorf("after %s: %+v", time.Since(ended), run)
		}
		terminated(t, second)
	})
}

// surviving starts a second node where there can be one.
func (s *site) surviving() *server {
	s.t.Helper()
	if s.onSQLite() {
		return nil
	}
	return s.serve()
}

// fill puts organizations into the simulated IT Glue.
func (s *site) fill(n int) {
	s.t.Helper()
	inParallel(n, func(i int) { s.add(fmt.Sprintf("Customer %d", i)) })
}

// fill adds organizations with the names of the first ones of IT Glue.
func (c client) fill(n int) {
	c.t.Helper()
	inParallel(n, func(i int) { c.addOrganization(fmt.Sprintf("Customer %d", i), fmt.Sprintf("c%d.example.com", i)) })
}

// calls counts what the simulated IT Glue was asked.
func (s *site) calls() int {
	s.t.Helper()
	return call[struct{ Count int }](s.sim, "GET", "/_sim/calls", nil, http.StatusOK).Count
}

func inParallel(n int, do func(i int)) {
	const lanes = 8
	var all sync.WaitGroup
	for lane := range lanes {
		all.Go(func() {
			for i := lane; i < n; i += lanes {
				do(i)
			}
		})
	}
	all.Wait()
}
