package main

import (
	"fmt"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
)

// msp is an account with mapped customers, whose removals are to be decided on.
type msp struct {
	*e2e.Site

	server *e2e.Server
	c      e2e.Client
	ours   []string
	theirs []string
}

// newMSP connects an account with n customers, the same on both sides.
func newMSP(s *e2e.Site, n int) *msp {
	s.T.Helper()
	m := &msp{Site: s, server: s.Serve()}
	m.c = m.server.Client(s.NewAccount())
	for i := range n {
		name := fmt.Sprintf("Customer %03d", i)
		m.theirs = append(m.theirs, s.Add(name))
		m.ours = append(m.ours, m.c.AddOrganization(name, fmt.Sprintf("customer%d.example.com", i)))
	}
	if run := m.c.Ended(m.c.Connect().ID); run.Counts.Mapped != n {
		s.T.Fatalf("connected with %+v", run.Counts)
	}
	return m
}

// over waits for the end of a sync, whatever it is.
func (m *msp) over(id string) (run e2e.SyncView) {
	m.T.Helper()
	e2e.Eventually(m.T, e2e.Patience, "the end of sync "+id, func() bool {
		run = m.c.Sync(id)
		return run.Status != "queued" && run.Status != "running"
	})
	return run
}

func (m *msp) sync() e2e.SyncView {
	m.T.Helper()
	return m.over(e2e.Call[e2e.SyncView](m.c, "POST", "/syncs", map[string]string{"kind": "manual"}, http.StatusAccepted).ID)
}

// lose deletes the first customers in IT Glue.
func (m *msp) lose(n int) {
	m.T.Helper()
	for _, id := range m.theirs[:n] {
		m.Remove(id)
	}
}

// held does a sync that holds the removal of so many.
func (m *msp) held(deleted int) e2e.SyncView {
	m.T.Helper()
	run := m.sync()
	if run.Status != "held" || run.Counts.Held != deleted || run.Counts.Unmapped != 0 {
		m.T.Fatalf("%d deleted: the sync is %s with %+v", deleted, run.Status, run.Counts)
	}
	m.expectAttention("removals-held", run.ID)
	return run
}

func (m *msp) expectAttention(code, syncID string) {
	m.T.Helper()
	in := e2e.Call[struct {
		Status    string
		Attention *struct{ Code, SyncID string }
	}](m.c, "GET", "/integrations/itglue", nil, http.StatusOK)
	if code == "" && (in.Attention != nil || in.Status != "connected") {
		m.T.Errorf("the integration is %s with %+v", in.Status, in.Attention)
	}
	if code != "" && (in.Status != "attention" || in.Attention == nil || in.Attention.Code != code || in.Attention.SyncID != syncID) {
		m.T.Errorf("the integration is %s with %+v, not with %s", in.Status, in.Attention, code)
	}
}

// expectUnmapped demands that so many of the first customers are unmapped, and that there is one event for each, by the token.
func (m *msp) expectUnmapped(n int) {
	m.T.Helper()
	events := e2e.All[e2e.EventView](m.c, "/events")
	removed := slices.DeleteFunc(events, func(e e2e.EventView) bool { return e.Type != "mapping.unmapped" })
	gone := map[string]bool{}
	for _, e := range removed {
		gone[e.Organization.ID] = true
		if e.Actor.TokenName != "e2e" || e.Detail != "deleted-in-itglue" {
			m.T.Errorf("removal %+v", e)
		}
	}
	if len(removed) != n || len(gone) != n {
		m.T.Errorf("%d removals of %d organizations are told, not %d", len(removed), len(gone), n)
	}
	for i, id := range m.ours {
		if want := i < n; (m.c.Row(id).State == "unmapped") != want || gone[id] != want {
			m.T.Errorf("customer %d is %s", i, m.c.Row(id).State)
		}
	}
}

// TestHeldRemovals loses 40 of 50 customers at once, and decides on them both ways.
func TestHeldRemovals(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		m := newMSP(s, 50)
		m.Rename(m.theirs[45], "Customer with a new name")
		m.lose(40)
		held := m.held(40)
		if held.Counts.Renamed != 1 || held.Counts.Unchanged != 9 {
			t.Errorf("names do not follow while removals are held: %+v", held.Counts)
		}
		checkName(t, m.c, m.ours[45], "Customer with a new name")
		m.expectUnmapped(0)

		// To keep them is a decision for this once.
		rejected := e2e.Call[e2e.SyncView](m.c, "POST", "/syncs/"+held.ID+"/reject", nil, http.StatusOK)
		if rejected.Status != "succeeded" || rejected.Counts.Held != 0 || rejected.Counts.Skipped != 40 {
			t.Errorf("rejected: %+v", rejected)
		}
		m.expectAttention("", "")
		m.expectUnmapped(0)
		if p := e2e.Call[e2e.ProblemView](m.c, "POST", "/syncs/"+held.ID+"/release", nil, http.StatusConflict); p.Code != "not-held" {
			t.Errorf("code %q for a release after the rejection", p.Code)
		}

		again := m.held(40)
		if p := e2e.Call[e2e.ProblemView](m.c, "POST", "/syncs/"+held.ID+"/release", nil, http.StatusConflict); p.Code != "not-held" {
			t.Errorf("code %q for the earlier sync", p.Code)
		}
		released := e2e.Call[e2e.SyncView](m.c, "POST", "/syncs/"+again.ID+"/release", nil, http.StatusAccepted)
		if released.ID != again.ID || released.Status != "queued" {
			t.Errorf("released: %+v", released)
		}
		if run := m.c.Ended(again.ID); run.Counts.Unmapped != 40 || run.Counts.Held != 0 || run.Progress.Done != 40 {
			t.Errorf("the release ended with %+v", run)
		}
		m.expectAttention("", "")
		m.expectUnmapped(40)
		if run := m.sync(); run.Status != "succeeded" || run.Counts.Unchanged != 10 {
			t.Errorf("the next sync: %+v", run)
		}
		e2e.Terminated(t, m.server)
	})
}

// TestKilledNodeDuringARelease kills the node between two batches of removals. None is lost and none is made twice.
func TestKilledNodeDuringARelease(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for leases to run out; run without -short")
	}
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		m := newMSP(s, 80)
		m.lose(75)
		held := m.held(75)
		before := m.Calls().Count
		m.Stall("/organizations/*", 60)
		e2e.Call[e2e.SyncView](m.c, "POST", "/syncs/"+held.ID+"/release", nil, http.StatusAccepted)
		e2e.Eventually(t, e2e.Patience, "the read that gets no answer", func() bool { return m.Calls().Count > before+60 })
		survivor := m.Surviving()
		m.server.End(syscall.SIGKILL)
		m.Fast()
		if survivor == nil {
			survivor = m.Serve()
		}
		m.c = survivor.Client(m.c.Token)
		if run := m.c.Ended(held.ID); run.Counts.Unmapped != 75 || run.Progress.Done != 25 {
			t.Errorf("the release ended with %+v", run)
		}
		if reads := m.Calls().Count - before; reads != 61+25 {
			t.Errorf("%d reads, want those of the second batch twice only", reads)
		}
		m.expectUnmapped(75)
		e2e.Terminated(t, survivor)
	})
}

// TestCancelledSync cancels a sync that waits for IT Glue: it changes nothing any more, and makes room for the next one at once.
func TestCancelledSync(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		m := newMSP(s, 3)
		m.Rename(m.theirs[0], "Customer with a new name")
		m.Slow(1, time.Minute)
		calls := m.Calls().Count
		slow := e2e.Call[e2e.SyncView](m.c, "POST", "/syncs", map[string]string{"kind": "manual"}, http.StatusAccepted)
		e2e.Eventually(t, e2e.Patience, "the sync to list", func() bool { return m.Calls().Count > calls && m.c.Sync(slow.ID).Status == "running" })
		if cancelled := e2e.Call[e2e.SyncView](m.c, "POST", "/syncs/"+slow.ID+"/cancel", nil, http.StatusOK); cancelled.Status != "cancelled" {
			t.Errorf("cancelled: %+v", cancelled)
		}
		m.Fast()
		run := m.sync()
		if run.ID == slow.ID || run.Status != "succeeded" || run.Counts.Renamed != 1 {
			t.Errorf("the next sync: %+v", run)
		}
		if run := m.c.Sync(slow.ID); run.Status != "cancelled" || run.Counts.Listed != 0 || run.Counts.Renamed != 0 {
			t.Errorf("in the end: %+v", run)
		}
		if p := e2e.Call[e2e.ProblemView](m.c, "POST", "/syncs/"+run.ID+"/cancel", nil, http.StatusConflict); p.Code != "sync-ended" {
			t.Errorf("code %q for the cancel of an ended sync", p.Code)
		}
		e2e.Terminated(t, m.server)
	})
}
