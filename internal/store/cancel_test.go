package store_test

import (
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

func TestCancelledSyncIsCountedAndClosedToItsOwner(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, me := t.Context(), event.Actor{TokenID: storetest.ID(t), TokenName: "me"}
		id := storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		org := storetest.Organization(t, s, id, "One")
		ok(t, s.ApplyChanges(ctx, f, orgsync.Batch{Changes: []orgsync.Change{mapChange(org, "One", storetest.Entry(1, "One"))}}))

		cancelled, err := s.CancelSync(ctx, id, f.SyncID, me)
		ok(t, err)
		same(t, []any{cancelled.Status, cancelled.Counts, cancelled.FinishedAt != nil}, []any{orgsync.Cancelled, orgsync.Counts{Mapped: 1}, true})
		assertFenced(t, s, f)
		same(t, mappingOf(t, s, id, org).State, mapping.Active)
		stored, err := s.Sync(ctx, id, f.SyncID)
		ok(t, err)
		same(t, stored, cancelled)
		again, err := s.CancelSync(ctx, id, f.SyncID, event.Actor{TokenName: "late"})
		ok(t, err)
		same(t, again, cancelled)
		facts := eventsOf(t, s, id, event.Filter{Type: event.SyncCancelled})
		if len(facts) != 1 || facts[0].Actor != me || facts[0].SyncID != f.SyncID {
			t.Errorf("events %+v", facts)
		}
		next, started, err := s.StartSync(ctx, newSync(t, s, id, orgsync.Manual))
		ok(t, err)
		same(t, []any{started, next.Status}, []any{true, orgsync.Queued})
	})
}

func TestQueuedSyncIsCancelledWithWhatItWasWaitingFor(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		id := storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		epoch, err := s.RequeueSync(ctx, f, -time.Hour, &orgsync.Failure{Code: errs.ITGlueTimeout, Detail: "slow"})
		ok(t, err)
		cancelled, err := s.CancelSync(ctx, id, f.SyncID, event.Actor{})
		ok(t, err)
		same(t, []any{cancelled.Status, cancelled.Failure, cancelled.NotBefore.IsZero()}, []any{orgsync.Cancelled, (*orgsync.Failure)(nil), true})
		f.Epoch = epoch
		assertFenced(t, s, f)
		due, err := s.DueSyncs(ctx, 10)
		ok(t, err)
		same(t, len(due), 0)
	})
}

func TestCancelOfWhatCannotBeCancelledChangesNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, me := t.Context(), event.Actor{TokenID: storetest.ID(t), TokenName: "me"}
		id := storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		for _, strange := range []string{noSuchID, "x", ""} {
			_, err := s.CancelSync(ctx, id, strange, me)
			wantCode(t, err, errs.NotFound)
		}
		_, err := s.CancelSync(ctx, storetest.Account(t, s), f.SyncID, me)
		wantCode(t, err, errs.NotFound)
		running, err := s.Sync(ctx, id, f.SyncID)
		ok(t, err)
		same(t, running.Status, orgsync.Running)

		for _, status := range []orgsync.Status{orgsync.Succeeded, orgsync.Held, orgsync.Failed} {
			ok(t, s.FinishSync(ctx, f, orgsync.Outcome{Status: status}))
			_, err = s.CancelSync(ctx, id, f.SyncID, me)
			wantCode(t, err, errs.SyncEnded)
			ended, err := s.Sync(ctx, id, f.SyncID)
			ok(t, err)
			same(t, ended.Status, status)
			f = startClaimed(t, s, id, orgsync.Manual)
		}
		same(t, len(eventsOf(t, s, id, event.Filter{Type: event.SyncCancelled})), 0)
	})
}

func TestSyncOfALostConnectionCanBeCancelled(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		storetest.Exec(t, s, "DELETE FROM integrations WHERE account_id = $1", id)
		cancelled, err := s.CancelSync(t.Context(), id, f.SyncID, event.Actor{})
		ok(t, err)
		same(t, cancelled.Status, orgsync.Cancelled)
	})
}
