package store_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/page"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// newSync returns a sync of the account's integration that is not stored yet.
func newSync(t *testing.T, s *store.Store, accountID string, kind orgsync.Kind) orgsync.Sync {
	t.Helper()
	in, err := s.Integration(t.Context(), accountID)
	ok(t, err)
	return orgsync.Sync{
		ID: storetest.ID(t), AccountID: accountID, IntegrationID: in.ID, Kind: kind, Status: orgsync.Queued, Epoch: 1,
		CreatedAt: storetest.Now(),
	}
}

func startClaimed(t *testing.T, s *store.Store, accountID string, kind orgsync.Kind) orgsync.Fence {
	t.Helper()
	stored, started, err := s.StartSync(t.Context(), newSync(t, s, accountID, kind))
	ok(t, err)
	same(t, started, true)
	f := orgsync.Fence{AccountID: accountID, SyncID: stored.ID, Epoch: stored.Epoch}
	storetest.Claim(t, s, f)
	return f
}

// fencedWrites are all writes that only the owner of a running sync may do.
func fencedWrites(s *store.Store, f orgsync.Fence) map[string]func(t *testing.T) error {
	return map[string]func(t *testing.T) error{
		"ClaimSync": func(t *testing.T) error {
			t.Helper()
			_, err := s.ClaimSync(t.Context(), f, time.Minute)
			return err
		},
		"Heartbeat": func(t *testing.T) error {
			t.Helper()
			return s.Heartbeat(t.Context(), f, time.Minute, orgsync.Progress{})
		},
		"DeferSync": func(t *testing.T) error {
			t.Helper()
			return s.DeferSync(t.Context(), f, 0, orgsync.Failure{})
		},
		"RequeueSync": func(t *testing.T) error {
			t.Helper()
			_, err := s.RequeueSync(t.Context(), f, 0, nil)
			return err
		},
		"FinishSync": func(t *testing.T) error {
			t.Helper()
			return s.FinishSync(t.Context(), f, orgsync.Outcome{Status: orgsync.Succeeded})
		},
		"WriteDirectory": func(t *testing.T) error {
			t.Helper()
			return s.WriteDirectory(t.Context(), f, []integration.DirectoryEntry{storetest.Entry(666, "late")}, []string{"1"})
		},
		"DirectoryTaken": func(t *testing.T) error { t.Helper(); return s.DirectoryTaken(t.Context(), f, storetest.Now()) },
		"ApplyChanges": func(t *testing.T) error {
			t.Helper()
			return s.ApplyChanges(t.Context(), f, orgsync.Batch{Changes: []orgsync.Change{{Action: orgsync.ActionSkip}}})
		},
		"SettleRemovals": func(t *testing.T) error { t.Helper(); return s.SettleRemovals(t.Context(), f, nil) },
		"ApplyUnmatched": func(t *testing.T) error {
			t.Helper()
			return s.ApplyUnmatched(t.Context(), f, []orgsync.UnmatchedUpdate{{OrganizationID: noSuchID, Code: mapping.Ambiguous}})
		},
	}
}

func assertFenced(t *testing.T, s *store.Store, f orgsync.Fence) {
	t.Helper()
	for name, write := range fencedWrites(s, f) {
		if err := write(t); !errs.Is(err, errs.Fenced) {
			t.Errorf("%s: got %v, want fenced", name, err)
		}
	}
	directory, err := s.Directory(t.Context(), f.AccountID)
	ok(t, err)
	if slices.ContainsFunc(directory, func(e integration.DirectoryEntry) bool { return e.ID == "666" }) {
		t.Error("a late write reached the directory")
	}
}

func TestStartSyncIsSingle(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		storetest.Connected(t, s, id)
		const racers = 8
		type result struct {
			id      string
			started bool
			err     error
		}
		results := make(chan result, racers)
		start := make(chan struct{})
		var ready sync.WaitGroup
		for range racers {
			queued := newSync(t, s, id, orgsync.Manual)
			ready.Add(1)
			go func() {
				ready.Done()
				<-start
				stored, started, err := s.StartSync(t.Context(), queued)
				results <- result{stored.ID, started, err}
			}()
		}
		ready.Wait()
		close(start)
		started, ids := 0, map[string]bool{}
		for range racers {
			r := <-results
			ok(t, r.err)
			ids[r.id] = true
			if r.started {
				started++
			}
		}
		if started != 1 || len(ids) != 1 {
			t.Fatalf("%d started, %d different", started, len(ids))
		}
		other := newSync(t, s, id, orgsync.Manual)
		other.IntegrationID = storetest.ID(t)
		_, _, err := s.StartSync(t.Context(), other)
		wantCode(t, err, errs.NotConnected)
		other.AccountID = storetest.Account(t, s)
		_, _, err = s.StartSync(t.Context(), other)
		wantCode(t, err, errs.NotConnected)
	})
}

func TestLifeOfASync(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		id := storetest.Account(t, s)
		f := storetest.Connect(t, s, id)
		for name, write := range fencedWrites(s, f) {
			if name == "ClaimSync" {
				continue
			}
			if err := write(t); !errs.Is(err, errs.Fenced) {
				t.Errorf("%s before the claim: got %v, want fenced", name, err)
			}
		}
		claimed, err := s.ClaimSync(ctx, f, time.Minute)
		ok(t, err)
		if claimed.Status != orgsync.Running || claimed.StartedAt == nil || claimed.ID != f.SyncID {
			t.Fatalf("claimed: %+v", claimed)
		}
		_, err = s.ClaimSync(ctx, f, time.Minute)
		wantCode(t, err, errs.Fenced)
		ok(t, s.Heartbeat(ctx, f, time.Minute, orgsync.Progress{Phase: orgsync.Listing, Done: 1, Total: 3}))
		got, err := s.Sync(ctx, id, f.SyncID)
		ok(t, err)
		same(t, got.Progress, orgsync.Progress{Phase: orgsync.Listing, Done: 1, Total: 3})

		epoch, err := s.RequeueSync(ctx, f, time.Hour, &orgsync.Failure{Code: errs.ITGlueTimeout, Detail: "slow\x00"})
		ok(t, err)
		same(t, epoch, 2)
		assertFenced(t, s, f)
		got, err = s.Sync(ctx, id, f.SyncID)
		ok(t, err)
		same(t, []any{got.Status, got.Epoch, got.Attempt}, []any{orgsync.Queued, 2, 1})
		if wait := time.Until(got.NotBefore); wait < 59*time.Minute || wait > time.Hour+time.Minute {
			t.Errorf("to be started in %s, want an hour", wait)
		}
		same(t, got.Failure, &orgsync.Failure{Code: errs.ITGlueTimeout, Detail: "slow\uFFFD"})

		f.Epoch = 2
		second, err := s.ClaimSync(ctx, f, time.Minute)
		ok(t, err)
		same(t, second.StartedAt, claimed.StartedAt)
		epoch, err = s.RequeueSync(ctx, f, 0, nil)
		ok(t, err)
		same(t, epoch, 3)
		f.Epoch = 3
		storetest.Claim(t, s, f)
		last, err := s.LastSync(ctx, id)
		ok(t, err)
		same(t, last, (*orgsync.Sync)(nil))
		ok(t, s.FinishSync(ctx, f, orgsync.Outcome{Status: orgsync.Failed, Failure: &orgsync.Failure{Code: errs.ITGlueTimeout, Detail: "slow"}}))
		assertFenced(t, s, f)
		last, err = s.LastSync(ctx, id)
		ok(t, err)
		same(t, []any{last.ID, last.Status, last.Attempt, last.FinishedAt != nil}, []any{f.SyncID, orgsync.Failed, 1, true})
		active, err := s.ActiveSync(ctx, id)
		ok(t, err)
		same(t, active, (*orgsync.Sync)(nil))
	})
}

func TestTakeOver(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		id := storetest.Account(t, s)
		f := storetest.Connect(t, s, id)
		due, err := s.DueSyncs(ctx, 10)
		ok(t, err)
		same(t, due, []orgsync.Waiting{{Fence: f}})
		storetest.Claim(t, s, f)
		n, err := s.TakeOverSyncs(ctx)
		ok(t, err)
		same(t, n, 0)
		_, err = s.ClaimSync(ctx, f, time.Minute)
		wantCode(t, err, errs.Fenced)

		ok(t, s.Heartbeat(ctx, f, -time.Millisecond, orgsync.Progress{}))
		n, err = s.TakeOverSyncs(ctx)
		ok(t, err)
		same(t, n, 1)
		assertFenced(t, s, f)
		due, err = s.DueSyncs(ctx, 10)
		ok(t, err)
		f.Epoch = 2
		same(t, due, []orgsync.Waiting{{Fence: f}})
		storetest.Claim(t, s, f)
		ok(t, s.Heartbeat(ctx, f, time.Minute, orgsync.Progress{}))
		due, err = s.DueSyncs(ctx, 10)
		ok(t, err)
		same(t, len(due), 0)
		got, err := s.Sync(ctx, id, f.SyncID)
		ok(t, err)
		same(t, got.Attempt, 1)
	})
}

func TestDueSyncsWait(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		want := make([]orgsync.Waiting, 0, 3)
		for _, wait := range []time.Duration{-time.Minute, -time.Hour, time.Hour} {
			id := storetest.Account(t, s)
			f := storetest.Running(t, s, id)
			epoch, err := s.RequeueSync(ctx, f, wait, nil)
			ok(t, err)
			f.Epoch = epoch
			want = append(want, orgsync.Waiting{Fence: f})
		}
		due, err := s.DueSyncs(ctx, 10)
		ok(t, err)
		same(t, due, []orgsync.Waiting{want[1], want[0]})
		due, err = s.DueSyncs(ctx, 1)
		ok(t, err)
		same(t, due, []orgsync.Waiting{want[1]})
	})
}

func TestFencedOnceTheIntegrationIsGone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		storetest.Exec(t, s, "DELETE FROM integrations WHERE account_id = $1", id)
		assertFenced(t, s, f)
		storetest.Exec(t, s, "UPDATE syncs SET status = 'cancelled', finished_at = created_at, lease_until = NULL WHERE account_id = $1", id)
		storetest.Connect(t, s, id)
		assertFenced(t, s, f)
	})
}

func TestSyncsNewestFirst(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		id := storetest.Account(t, s)
		storetest.Connected(t, s, id)
		want := make([]string, 0, 3)
		for _, kind := range []orgsync.Kind{orgsync.Manual, orgsync.Preview, orgsync.Manual} {
			f := startClaimed(t, s, id, kind)
			ok(t, s.FinishSync(ctx, f, orgsync.Outcome{Status: orgsync.Succeeded}))
			want = append(want, f.SyncID)
		}
		p, err := s.Syncs(ctx, id, orgsync.Filter{Limit: 2})
		ok(t, err)
		same(t, []string{p.Items[0].ID, p.Items[1].ID}, []string{want[2], want[1]})
		p, err = s.Syncs(ctx, id, orgsync.Filter{Limit: 2, After: p.Next})
		ok(t, err)
		same(t, []any{p.Items[0].ID, p.Items[1].Kind, p.Next}, []any{want[0], orgsync.Initial, (*page.Position)(nil)})
		n, err := s.CountSyncs(ctx, id, orgsync.Filter{Kind: orgsync.Manual, Status: orgsync.Succeeded})
		ok(t, err)
		same(t, n, 2)
		_, err = s.Syncs(ctx, id, orgsync.Filter{After: &page.Position{ID: "x"}})
		wantCode(t, err, errs.ValidationFailed)
		last, err := s.LastSync(ctx, id)
		ok(t, err)
		same(t, last.ID, want[2])
	})
}
