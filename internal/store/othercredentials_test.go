package store_test

import (
	"testing"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

func TestOtherCredentialsLeaveNoHeldRemovals(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id, other := storetest.Account(t, s), storetest.Account(t, s)
		storetest.Connected(t, s, id)
		storetest.Connected(t, s, other)
		held, _ := heldSync(t, s, id, 2)
		theirs, _ := heldSync(t, s, other, 2)
		change(t, s, id, func(c *integration.Changed) { c.KeyAccepted, c.Integration.RemovalLimitPercent = true, 100 })
		same(t, heldSyncID(t, s, id), held)
		change(t, s, id, func(c *integration.Changed) { c.OtherKey = true })
		same(t, heldSyncID(t, s, id), "")
		same(t, heldSyncID(t, s, other), theirs)
	})
}

func TestOtherCredentialsCancelARelease(t *testing.T) {
	t.Parallel()
	for name, does := range map[string]func(*integration.Changed){
		"OtherKey":    func(c *integration.Changed) { c.OtherKey = true },
		"OtherRegion": func(c *integration.Changed) { c.OtherRegion = true },
	} {
		for _, running := range []bool{false, true} {
			t.Run(name+map[bool]string{false: "Queued", true: "Running"}[running], func(t *testing.T) {
				t.Parallel()
				storetest.Each(t, func(t *testing.T, s *store.Store) {
					t.Helper()
					ctx, me := t.Context(), event.Actor{TokenID: storetest.ID(t), TokenName: "me"}
					id := storetest.Account(t, s)
					storetest.Connected(t, s, id)
					held, organizations := heldSync(t, s, id, 2)
					released, err := s.ReleaseRemovals(ctx, id, held, event.Actor{})
					ok(t, err)
					f := orgsync.Fence{AccountID: id, SyncID: held, Epoch: released.Epoch}
					changes, err := s.SyncChanges(ctx, id, held, orgsync.ChangeFilter{Status: orgsync.ChangeHeld})
					ok(t, err)
					if running {
						storetest.Claim(t, s, f)
					}
					if next := change(t, s, id, func(c *integration.Changed) { does(c); c.By = me }); next != nil {
						t.Errorf("%+v begins", next)
					}
					_, err = s.ClaimSync(ctx, f, orgsync.DefaultLease)
					wantCode(t, err, errs.Fenced)
					changes.Items[0].Status = orgsync.ChangePlanned
					wantCode(t, s.SettleRemovals(ctx, f, changes.Items), errs.Fenced)
					for _, organization := range organizations {
						same(t, mappingOf(t, s, id, organization).State, mapping.Active)
					}
					ended, err := s.Sync(ctx, id, held)
					ok(t, err)
					same(t, []any{ended.Status, ended.Counts.Held, ended.FinishedAt != nil, heldSyncID(t, s, id)}, []any{orgsync.Cancelled, 2, true, ""})
					facts := eventsOf(t, s, id, event.Filter{Type: event.SyncCancelled})
					if len(facts) != 1 || facts[0].Actor != me || facts[0].SyncID != held {
						t.Errorf("events %+v", facts)
					}
					due, err := s.DueSyncs(ctx, 10)
					ok(t, err)
					same(t, len(due), 0)
				})
			})
		}
	}
}

func TestTheDirectoryIsListedAnewByOneSync(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before func(t *testing.T, s *store.Store, id string, f orgsync.Fence) // f is running
		again  bool                                                           // it begins again, and no other sync
	}{
		"NoOther": {before: func(t *testing.T, s *store.Store, _ string, f orgsync.Fence) {
			t.Helper()
			ok(t, s.FinishSync(t.Context(), f, orgsync.Outcome{Status: orgsync.Succeeded}))
		}},
		"Running": {again: true, before: func(*testing.T, *store.Store, string, orgsync.Fence) {}},
		"Queued": {again: true, before: func(t *testing.T, s *store.Store, _ string, f orgsync.Fence) {
			t.Helper()
			_, err := s.RequeueSync(t.Context(), f, 0, nil)
			ok(t, err)
		}},
		"Release": {before: func(t *testing.T, s *store.Store, id string, f orgsync.Fence) {
			t.Helper()
			ok(t, s.FinishSync(t.Context(), f, orgsync.Outcome{Status: orgsync.Succeeded}))
			held, _ := heldSync(t, s, id, 2)
			_, err := s.ReleaseRemovals(t.Context(), id, held, event.Actor{})
			ok(t, err)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				t.Helper()
				ctx, me, anew := t.Context(), event.Actor{TokenID: storetest.ID(t), TokenName: "me"}, storetest.ID(t)
				id, other := storetest.Account(t, s), storetest.Account(t, s)
				f, stranger := storetest.Running(t, s, id), storetest.Running(t, s, other)
				for _, f := range []orgsync.Fence{f, stranger} {
					storetest.Directory(t, s, f, storetest.Entry(1, "Company 0"), storetest.Entry(7, "Free"))
					ok(t, s.DirectoryTaken(ctx, f, storetest.Now()))
				}
				c.before(t, s, id, f)
				queued := len(eventsOf(t, s, id, event.Filter{Type: event.SyncQueued}))
				next := change(t, s, id, func(c *integration.Changed) { c.OtherKey, c.By, c.ListAnew = true, me, anew })

				in, err := s.Integration(ctx, id)
				ok(t, err)
				entries, err := s.Directory(ctx, id)
				ok(t, err)
				theirs, err := s.Directory(ctx, other)
				ok(t, err)
				same(t, []any{in.ListedAt == nil, len(entries), len(theirs)}, []any{true, 0, 2})
				active, err := s.ActiveSync(ctx, id)
				ok(t, err)
				same(t, next, &integration.QueuedSync{ID: active.ID, Epoch: active.Epoch})
				facts := eventsOf(t, s, id, event.Filter{Type: event.SyncQueued})
				if c.again {
					same(t, []any{active.ID, len(facts)}, []any{f.SyncID, queued})
					return
				}
				same(t, []any{active.ID, active.Kind, active.Status, active.Epoch, active.RequestedBy, active.IntegrationID},
					[]any{anew, orgsync.Manual, orgsync.Queued, 1, me, in.ID})
				same(t, []any{len(facts), facts[0].SyncID, facts[0].Actor}, []any{queued + 1, anew, me})
				storetest.Claim(t, s, orgsync.Fence{AccountID: id, SyncID: anew, Epoch: 1})
			})
		})
	}
}
