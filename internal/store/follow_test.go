package store_test

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// followed reads all events after a number, a few at a time.
func followed(t *testing.T, s *store.Store, accountID string, after int64, limit int) (all []event.Event, reached int64) {
	t.Helper()
	for {
		events, reached, err := s.EventsAfter(t.Context(), accountID, after, limit)
		ok(t, err)
		all = append(all, events...)
		if after = reached; len(events) < limit {
			return all, reached
		}
	}
}

func sequences(events []event.Event) []int64 {
	out := make([]int64, len(events))
	for i := range events {
		out[i] = events[i].Sequence
	}
	return out
}

// busyAccount has facts of its own and applied changes of a sync, in turns.
func busyAccount(t *testing.T, s *store.Store) string {
	t.Helper()
	id := storetest.Account(t, s)
	f := storetest.Running(t, s, id)
	for i := range 6 {
		name := fmt.Sprint("Organization ", i)
		o := storetest.Organization(t, s, id, name)
		entry := storetest.Entry(i+1, name)
		ok(t, s.ApplyChanges(t.Context(), f, orgsync.Batch{Changes: []orgsync.Change{mapChange(o, name, entry)}}))
		renamed := storetest.Entry(i+1, name+" new")
		ok(t, s.ApplyChanges(t.Context(), f, orgsync.Batch{Changes: []orgsync.Change{renameChange(o, name, renamed)}}))
	}
	ok(t, s.FinishSync(t.Context(), f, orgsync.Outcome{Status: orgsync.Succeeded}))
	return id
}

func TestEventsAreFollowedInTheOrderOfTheListAndNoneIsLeftOut(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id, other := busyAccount(t, s), busyAccount(t, s)
		want := eventsOf(t, s, id, event.Filter{})
		slices.Reverse(want)
		last, err := s.LastEvent(t.Context(), id)
		ok(t, err)
		for _, limit := range []int{1, 2, 3, 7, 200} {
			got, reached := followed(t, s, id, 0, limit)
			same(t, got, want)
			same(t, reached, last)
		}
		for i := range want {
			got, _ := followed(t, s, id, want[i].Sequence, 3)
			same(t, len(got), len(want)-i-1)
		}
		none, reached := followed(t, s, id, last+10, 3)
		same(t, len(none), 0)
		same(t, reached, last+10)
		for _, e := range func() []event.Event { all, _ := followed(t, s, other, 0, 200); return all }() {
			same(t, e.AccountID, other)
		}
		nobody, reached := followed(t, s, storetest.ID(t), 0, 3)
		same(t, len(nobody), 0)
		same(t, reached, int64(0))
	})
}

// TestEventsCommittedWhileTheyAreFollowedComeOnceAndInOrder has those who follow look all the time while others write: what is committed
// between the statements of one look must not make it skip what is numbered before.
func TestEventsCommittedWhileTheyAreFollowedComeOnceAndInOrder(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		const each = 20
		var writers, followers sync.WaitGroup
		var done atomic.Bool
		for range 3 {
			writers.Go(func() {
				for range each {
					storetest.Organization(t, s, id, "Contoso")
				}
			})
		}
		writers.Go(func() {
			for i := range each {
				name := fmt.Sprint("Organization ", i)
				o := storetest.Organization(t, s, id, name)
				entry := storetest.Entry(i+1, name)
				ok(t, s.ApplyChanges(t.Context(), f, orgsync.Batch{Changes: []orgsync.Change{mapChange(o, name, entry)}}))
			}
		})
		seen := make([][]int64, 3)
		for i := range seen {
			followers.Go(func() {
				for after := int64(0); ; {
					last := done.Load()
					events, reached := followed(t, s, id, after, 5)
					seen[i], after = append(seen[i], sequences(events)...), reached
					if last {
						return
					}
				}
			})
		}
		writers.Wait()
		done.Store(true)
		followers.Wait()
		want := sequences(eventsOf(t, s, id, event.Filter{}))
		slices.Reverse(want)
		if !slices.IsSortedFunc(want, cmp.Compare) || len(want) < 5*each {
			t.Fatalf("%d events", len(want))
		}
		for _, got := range seen {
			same(t, got, want)
		}
	})
}
