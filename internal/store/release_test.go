package store_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// heldSync maps n organizations of a connected account and ends a manual sync that holds their removal.
func heldSync(t *testing.T, s *store.Store, accountID string, n int) (syncID string, organizations []string) {
	t.Helper()
	changes := make([]orgsync.Change, n)
	organizations = make([]string, n)
	for i := range n {
		target := storetest.Entry(i+1, "Company "+strconv.Itoa(i))
		organizations[i] = storetest.Organization(t, s, accountID, target.Name)
		storetest.Map(t, s, accountID, organizations[i], target)
		changes[i] = unmapChange(organizations[i], target.Name, target)
	}
	return hold(t, s, accountID, changes...), organizations
}

// hold ends a manual sync that holds the changes.
func hold(t *testing.T, s *store.Store, accountID string, changes ...orgsync.Change) (syncID string) {
	t.Helper()
	f := startClaimed(t, s, accountID, orgsync.Manual)
	for i := range changes {
		changes[i].Status = orgsync.ChangeHeld
	}
	ok(t, s.ApplyChanges(t.Context(), f, orgsync.Batch{Changes: changes}))
	ok(t, s.FinishSync(t.Context(), f, orgsync.Outcome{Status: orgsync.Held, Counts: orgsync.Counts{Listed: 7, Unchanged: 6}}))
	return f.SyncID
}

func heldSyncID(t *testing.T, s *store.Store, accountID string) string {
	t.Helper()
	in, err := s.Integration(t.Context(), accountID)
	ok(t, err)
	return in.HeldSyncID
}

// decisions are both decisions on held removals.
func decisions(s *store.Store) map[string]func(ctx context.Context, accountID, syncID string, by event.Actor) (orgsync.Sync, error) {
	return map[string]func(ctx context.Context, accountID, syncID string, by event.Actor) (orgsync.Sync, error){
		"ReleaseRemovals": s.ReleaseRemovals, "RejectRemovals": s.RejectRemovals,
	}
}

func TestReleasedSyncIsQueuedAgainWithItsHeldChanges(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, me := t.Context(), event.Actor{TokenID: storetest.ID(t), TokenName: "me"}
		id := storetest.Account(t, s)
		storetest.Connected(t, s, id)
		held, organizations := heldSync(t, s, id, 3)
		same(t, heldSyncID(t, s, id), held)
		released, err := s.ReleaseRemovals(ctx, id, held, me)
		ok(t, err)
		same(t, []any{released.Status, released.Epoch, released.Attempt, released.FinishedAt, released.ReleasedAt != nil, released.Counts},
			[]any{orgsync.Queued, 2, 0, (*time.Time)(nil), true, orgsync.Counts{Listed: 7, Unchanged: 6, Held: 3}})
		same(t, heldSyncID(t, s, id), "")
		facts := eventsOf(t, s, id, event.Filter{Type: event.RemovalsReleased})
		if len(facts) != 1 || facts[0].Actor != me || facts[0].SyncID != held || fmt.Sprint(facts[0].After["removals"]) != "3" {
			t.Errorf("events %+v", facts)
		}

		f := orgsync.Fence{AccountID: id, SyncID: held, Epoch: 2}
		claimed, err := s.ClaimSync(ctx, f, time.Minute)
		ok(t, err)
		same(t, []any{claimed.Counts, claimed.Progress}, []any{released.Counts, orgsync.Progress{Phase: orgsync.Confirming}})
		changes, err := s.SyncChanges(ctx, id, held, orgsync.ChangeFilter{Status: orgsync.ChangeHeld})
		ok(t, err)
		decided := changes.Items
		same(t, len(decided), 3)
		decided[0].Status, decided[0].Reason = orgsync.ChangePlanned, orgsync.ReasonDeletedInITGlue
		decided[1].Status, decided[1].Reason = orgsync.ChangeRefused, orgsync.ReasonStillReadable
		decided[2].Status, decided[2].Reason = orgsync.ChangePlanned, orgsync.ReasonDeletedInITGlue
		ok(t, s.SetSyncEnabled(ctx, id, organizations[2], false, me))
		ok(t, s.SettleRemovals(ctx, f, decided))
		if err := s.SettleRemovals(ctx, f, decided); err == nil {
			t.Error("the same removals were settled twice")
		}
		changes, err = s.SyncChanges(ctx, id, held, orgsync.ChangeFilter{})
		ok(t, err)
		got := make([]string, 0, 3)
		for _, c := range changes.Items {
			got = append(got, string(c.Status)+" "+string(c.Reason))
		}
		same(t, got, []string{"applied deleted-in-itglue", "refused absent-but-readable", "refused changed-since-the-listing"})
		same(t, mappingOf(t, s, id, organizations[0]).State, mapping.Unmapped)
		same(t, mappingOf(t, s, id, organizations[1]).State, mapping.Active)
		same(t, mappingOf(t, s, id, organizations[2]).State, mapping.Paused)

		ok(t, s.FinishSync(ctx, f, orgsync.Outcome{Status: orgsync.Succeeded, Counts: claimed.Counts}))
		ended, err := s.Sync(ctx, id, held)
		ok(t, err)
		same(t, []any{ended.Counts, ended.ReleasedAt}, []any{orgsync.Counts{Listed: 7, Unchanged: 6, Unmapped: 1, Skipped: 2}, (*time.Time)(nil)})
		same(t, typesOf(eventsOf(t, s, id, event.Filter{OrganizationID: organizations[0]})),
			[]event.Type{event.OrganizationCreated, event.MappingMade, event.MappingRemoved})
		removal := eventsOf(t, s, id, event.Filter{Type: event.MappingRemoved})
		if len(removal) != 1 || removal[0].Actor != me || removal[0].SyncID != held {
			t.Errorf("the removal is told as %+v, want it to be by who released it", removal)
		}
		assertFenced(t, s, f)
	})
}

func TestRemovalIsByWhoAskedForTheSyncUntilAPersonReleasesTheRest(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		id := storetest.Account(t, s)
		storetest.Connected(t, s, id)
		starter := event.Actor{TokenID: storetest.ID(t), TokenName: "starter"}
		actors := []event.Actor{starter, {TokenID: storetest.ID(t), TokenName: "first"}, {TokenID: storetest.ID(t), TokenName: "second"}}
		changes := make([]orgsync.Change, 3)
		for i := range changes {
			name, target := "Company "+strconv.Itoa(i), storetest.Entry(i+1, "Company")
			org := storetest.Organization(t, s, id, name)
			storetest.Map(t, s, id, org, target)
			changes[i] = unmapChange(org, name, target)
			if i > 0 {
				changes[i].Status = orgsync.ChangeHeld
			}
		}
		queued := newSync(t, s, id, orgsync.Manual)
		queued.RequestedBy = starter
		_, _, err := s.StartSync(ctx, queued)
		ok(t, err)
		f := orgsync.Fence{AccountID: id, SyncID: queued.ID, Epoch: 1}
		storetest.Claim(t, s, f)
		ok(t, s.ApplyChanges(ctx, f, orgsync.Batch{Changes: changes}))
		ok(t, s.FinishSync(ctx, f, orgsync.Outcome{Status: orgsync.Held}))
		for i, releaser := range actors[1:] {
			released, err := s.ReleaseRemovals(ctx, id, f.SyncID, releaser)
			ok(t, err)
			f.Epoch = released.Epoch
			storetest.Claim(t, s, f)
			held, err := s.SyncChanges(ctx, id, f.SyncID, orgsync.ChangeFilter{Status: orgsync.ChangeHeld, Limit: 1})
			ok(t, err)
			held.Items[0].Status = orgsync.ChangePlanned
			ok(t, s.SettleRemovals(ctx, f, held.Items))
			ok(t, s.FinishSync(ctx, f, orgsync.Outcome{Status: []orgsync.Status{orgsync.Held, orgsync.Succeeded}[i]}))
		}
		removals := eventsOf(t, s, id, event.Filter{Type: event.MappingRemoved})
		same(t, len(removals), 3)
		for i, e := range removals {
			same(t, e.Actor, actors[2-i])
		}
	})
}

func TestRejectedRemovalsAreRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, me := t.Context(), event.Actor{TokenID: storetest.ID(t), TokenName: "me"}
		id := storetest.Account(t, s)
		storetest.Connected(t, s, id)
		held, organizations := heldSync(t, s, id, 2)
		rejected, err := s.RejectRemovals(ctx, id, held, me)
		ok(t, err)
		same(t, []any{rejected.Status, rejected.Counts, rejected.FinishedAt != nil, rejected.Epoch},
			[]any{orgsync.Succeeded, orgsync.Counts{Listed: 7, Unchanged: 6, Skipped: 2}, true, 1})
		same(t, heldSyncID(t, s, id), "")
		changes, err := s.SyncChanges(ctx, id, held, orgsync.ChangeFilter{Status: orgsync.ChangeRefused})
		ok(t, err)
		same(t, []any{len(changes.Items), changes.Items[0].Reason}, []any{2, orgsync.ReasonRejectedByPerson})
		same(t, mappingOf(t, s, id, organizations[0]).State, mapping.Active)
		facts := eventsOf(t, s, id, event.Filter{Type: event.RemovalsRejected})
		if len(facts) != 1 || facts[0].Actor != me || facts[0].SyncID != held || fmt.Sprint(facts[0].After["removals"]) != "2" {
			t.Errorf("events %+v", facts)
		}
		if last := eventsOf(t, s, id, event.Filter{})[0]; last.Type != event.SyncSucceeded || last.Actor != me || last.SyncID != held {
			t.Errorf("the last event is %+v", last)
		}
		due, err := s.DueSyncs(ctx, 10)
		ok(t, err)
		same(t, len(due), 0)
	})
}

// TestDecisionsOnWhatIsNotHeld covers each reason for which neither decision is possible; nothing is done then.
func TestDecisionsOnWhatIsNotHeld(t *testing.T) {
	t.Parallel()
	type scene struct {
		t             *testing.T
		s             *store.Store
		accountID     string
		syncID        string
		organizations []string
	}
	scenes := map[string]struct {
		set  func(c *scene)
		want errs.Code
	}{
		"unknown":         {func(c *scene) { c.syncID = noSuchID }, errs.NotFound},
		"not an id":       {func(c *scene) { c.syncID = "'" }, errs.NotFound},
		"other account's": {func(c *scene) { c.accountID = storetest.Account(c.t, c.s) }, errs.NotFound},
		"other connected account's": {func(c *scene) {
			c.accountID = storetest.Account(c.t, c.s)
			storetest.Connected(c.t, c.s, c.accountID)
		}, errs.NotFound},
		"never held": {func(c *scene) {
			f := startClaimed(c.t, c.s, c.accountID, orgsync.Manual)
			ok(c.t, c.s.FinishSync(c.t.Context(), f, orgsync.Outcome{Status: orgsync.Failed}))
			c.syncID = f.SyncID
		}, errs.NotHeld},
		"running": {func(c *scene) { c.syncID = startClaimed(c.t, c.s, c.accountID, orgsync.Manual).SyncID }, errs.NotHeld},
		"released before": {func(c *scene) {
			_, err := c.s.ReleaseRemovals(c.t.Context(), c.accountID, c.syncID, event.Actor{})
			ok(c.t, err)
		}, errs.NotHeld},
		"rejected before": {func(c *scene) {
			_, err := c.s.RejectRemovals(c.t.Context(), c.accountID, c.syncID, event.Actor{})
			ok(c.t, err)
		}, errs.NotHeld},
		"not connected": {func(c *scene) {
			storetest.Exec(c.t, c.s, "DELETE FROM integrations WHERE account_id = $1", c.accountID)
		}, errs.NotConnected},
		"connected anew": {func(c *scene) {
			storetest.Exec(c.t, c.s, "DELETE FROM integrations WHERE account_id = $1", c.accountID)
			storetest.Connected(c.t, c.s, c.accountID)
		}, errs.HeldSetChanged},
		"another sync queued": {func(c *scene) {
			_, _, err := c.s.StartSync(c.t.Context(), newSync(c.t, c.s, c.accountID, orgsync.Preview))
			ok(c.t, err)
		}, errs.SyncActive},
		"another sync running": {func(c *scene) { startClaimed(c.t, c.s, c.accountID, orgsync.Manual) }, errs.SyncActive},
		"later sync succeeded": {func(c *scene) {
			ok(c.t, c.s.FinishSync(c.t.Context(), startClaimed(c.t, c.s, c.accountID, orgsync.Manual), orgsync.Outcome{Status: orgsync.Succeeded}))
		}, errs.HeldSetChanged},
		"later sync held": {func(c *scene) { hold(c.t, c.s, c.accountID) }, errs.HeldSetChanged},
		"another key": {func(c *scene) {
			change(c.t, c.s, c.accountID, func(changed *integration.Changed) { changed.OtherKey = true })
		}, errs.HeldSetChanged},
		"another region": {func(c *scene) {
			change(c.t, c.s, c.accountID, func(changed *integration.Changed) { changed.OtherRegion = true })
		}, errs.HeldSetChanged},
	}
	for name, scenario := range scenes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				t.Helper()
				c := &scene{t: t, s: s, accountID: storetest.Account(t, s)}
				owner := c.accountID
				storetest.Connected(t, s, owner)
				c.syncID, c.organizations = heldSync(t, s, owner, 3)
				scenario.set(c)
				before := everything(t, s, owner)
				for decision, decide := range decisions(s) {
					if _, err := decide(t.Context(), c.accountID, c.syncID, event.Actor{}); !errs.Is(err, scenario.want) {
						t.Errorf("%s: got %v, want %s", decision, err, scenario.want)
					}
				}
				same(t, everything(t, s, owner), before)
			})
		})
	}
}

// What was changed since cannot be released as it was shown. To reject it removes nothing, so that is always possible.
func TestChangedRemovalsAreNotReleasedButRejected(t *testing.T) {
	t.Parallel()
	type change func(t *testing.T, s *store.Store, accountID, organization string) error
	for name, change := range map[string]change{
		"one unmapped": func(t *testing.T, s *store.Store, accountID, organization string) error {
			t.Helper()
			return s.UnmapByPerson(t.Context(), accountID, organization, event.Actor{})
		},
		"one paused": func(t *testing.T, s *store.Store, accountID, organization string) error {
			t.Helper()
			return s.SetSyncEnabled(t.Context(), accountID, organization, false, event.Actor{})
		},
		"one mapped to another": func(t *testing.T, s *store.Store, accountID, organization string) error {
			t.Helper()
			storetest.Map(t, s, accountID, organization, storetest.Entry(77, "Another"))
			return nil
		},
		"one deleted": func(t *testing.T, s *store.Store, accountID, organization string) error {
			t.Helper()
			return s.DeleteOrganization(t.Context(), accountID, organization, event.Actor{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				t.Helper()
				id := storetest.Account(t, s)
				storetest.Connected(t, s, id)
				held, organizations := heldSync(t, s, id, 3)
				ok(t, change(t, s, id, organizations[1]))
				before := everything(t, s, id)
				_, err := s.ReleaseRemovals(t.Context(), id, held, event.Actor{})
				wantCode(t, err, errs.HeldSetChanged)
				same(t, everything(t, s, id), before)

				summary, err := s.MappingSummary(t.Context(), id)
				ok(t, err)
				rejected, err := s.RejectRemovals(t.Context(), id, held, event.Actor{})
				ok(t, err)
				same(t, []any{rejected.Status, rejected.Counts.Skipped, rejected.Counts.Held, heldSyncID(t, s, id)}, []any{orgsync.Succeeded, 3, 0, ""})
				facts := eventsOf(t, s, id, event.Filter{Type: event.RemovalsRejected})
				same(t, []any{len(facts), fmt.Sprint(facts[0].After["removals"])}, []any{1, "3"})
				after, err := s.MappingSummary(t.Context(), id)
				ok(t, err)
				same(t, after, summary)
			})
		})
	}
}

// everything describes what a decision could have changed.
func everything(t *testing.T, s *store.Store, accountID string) (lines []string) {
	t.Helper()
	syncs, err := s.Syncs(t.Context(), accountID, orgsync.Filter{})
	ok(t, err)
	for _, sync := range syncs.Items {
		lines = append(lines, fmt.Sprintf("%+v", sync))
		changes, err := s.SyncChanges(t.Context(), accountID, sync.ID, orgsync.ChangeFilter{})
		ok(t, err)
		lines = append(lines, fmt.Sprintf("%+v", changes.Items))
	}
	in, err := s.Integration(t.Context(), accountID)
	if !errs.Is(err, errs.NotConnected) {
		ok(t, err)
	}
	return append(lines, in.HeldSyncID, strconv.Itoa(len(eventsOf(t, s, accountID, event.Filter{}))))
}

func TestAPI6OfDecisionsAtOnceExactlyOneIsMade(t *testing.T) {
	t.Parallel()
	const rounds, each = 200, 2
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		id := storetest.Account(t, s)
		storetest.Connected(t, s, id)
		held, organizations := heldSync(t, s, id, 2)
		removals := make([]orgsync.Change, len(organizations))
		for i, org := range organizations {
			row := mappingOf(t, s, id, org)
			removals[i] = unmapChange(org, row.OrganizationName, storetest.Entry(i+1, row.OrganizationName))
		}
		won := map[orgsync.Status]int{}
		for range rounds {
			var ready, done sync.WaitGroup
			start := make(chan struct{})
			results := make(chan orgsync.Status, 2*each)
			for _, decide := range decisions(s) {
				for range each {
					ready.Add(1)
					done.Go(func() {
						ready.Done()
						<-start
						decided, err := decide(ctx, id, held, event.Actor{})
						if err != nil && !errs.Is(err, errs.NotHeld) {
							t.Errorf("lost with %v", err)
						}
						if err == nil {
							results <- decided.Status
						}
					})
				}
			}
			ready.Wait()
			close(start)
			done.Wait()
			if len(results) != 1 {
				t.Fatalf("%d decisions were made", len(results))
			}
			won[<-results]++
			if _, err := s.CancelSync(ctx, id, held, event.Actor{}); err != nil && !errs.Is(err, errs.SyncEnded) {
				t.Fatal(err)
			}
			held = hold(t, s, id, removals...)
		}
		if won[orgsync.Queued]+won[orgsync.Succeeded] != rounds {
			t.Errorf("%v", won)
		}
	})
}

func TestCancelAgainstTheOwnersWritesLosesNothing(t *testing.T) {
	t.Parallel()
	const rounds = 100
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		id := storetest.Account(t, s)
		storetest.Connected(t, s, id)
		org, target := storetest.Organization(t, s, id, "One"), storetest.Entry(1, "One")
		for range rounds {
			storetest.Map(t, s, id, org, target)
			f := startClaimed(t, s, id, orgsync.Manual)
			var done sync.WaitGroup
			start := make(chan struct{})
			var applied, ended, cancelled error
			done.Go(func() {
				<-start
				applied = s.ApplyChanges(ctx, f, orgsync.Batch{Changes: []orgsync.Change{unmapChange(org, "One", target)}})
				ended = s.FinishSync(ctx, f, orgsync.Outcome{Status: orgsync.Succeeded})
			})
			done.Go(func() {
				<-start
				_, cancelled = s.CancelSync(ctx, id, f.SyncID, event.Actor{})
			})
			close(start)
			done.Wait()
			got, err := s.Sync(ctx, id, f.SyncID)
			ok(t, err)
			unmapped := mappingOf(t, s, id, org).State == mapping.Unmapped
			wantStatus, wantCancel := orgsync.Cancelled, errs.Code("")
			if ended == nil {
				wantStatus, wantCancel = orgsync.Succeeded, errs.SyncEnded
			}
			if got.Status != wantStatus || errs.CodeOf(cancelled) != wantCancel || (applied == nil) != unmapped || (got.Counts.Unmapped == 1) != unmapped {
				t.Fatalf("%+v, unmapped %v; apply: %v, end: %v, cancel: %v", got, unmapped, applied, ended, cancelled)
			}
			for _, err := range []error{applied, ended} {
				if err != nil && !errs.Is(err, errs.Fenced) {
					t.Fatal(errors.Join(applied, ended))
				}
			}
		}
	})
}
