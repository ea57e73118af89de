package store_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/page"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// eventsOf returns all events that the filter chooses, newest first, read in pages of two.
func eventsOf(t *testing.T, s *store.Store, accountID string, f event.Filter) (all []event.Event) {
	t.Helper()
	f.Limit = 2
	for {
		events, err := s.Events(t.Context(), accountID, f)
		ok(t, err)
		all = append(all, events.Items...)
		if f.After = events.Next; f.After == nil {
			return all
		}
	}
}

func typesOf(events []event.Event) []event.Type {
	types := make([]event.Type, len(events))
	for i := range events {
		types[len(events)-1-i] = events[i].Type
	}
	return types
}

func TestEveryFactIsAnEventInTheOrderOfTheCommits(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, me := t.Context(), event.Actor{TokenID: storetest.ID(t), TokenName: "me"}
		id, other := storetest.Account(t, s), storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		storetest.Organization(t, s, other, "Not ours")
		a, b := storetest.Organization(t, s, id, "A"), storetest.Organization(t, s, id, "B")
		one, two := storetest.Entry(1, "A"), storetest.Entry(2, "B new")
		skipped := orgsync.Change{Action: orgsync.ActionSkip, Status: orgsync.ChangeRefused, Reason: orgsync.ReasonPaused, OrganizationID: a}
		ok(t, s.ApplyChanges(ctx, f, orgsync.Batch{Changes: []orgsync.Change{mapChange(a, "A", one)}}))
		ok(t, s.MapOrganization(ctx, id, b, storetest.Live(t, s, id, two), mapping.OriginManual, me))
		ok(t, s.MapOrganization(ctx, id, b, storetest.Live(t, s, id, two), mapping.OriginManual, me)) // as it is: no fact
		ok(t, s.ApplyChanges(ctx, f, orgsync.Batch{Changes: []orgsync.Change{renameChange(b, "B", two), skipped}}))
		ok(t, s.SetSyncEnabled(ctx, id, a, false, me))
		ok(t, s.SetSyncEnabled(ctx, id, a, false, me))
		ok(t, s.SetSyncEnabled(ctx, id, a, true, me))
		ok(t, s.ApplyChanges(ctx, f, orgsync.Batch{Changes: []orgsync.Change{unmapChange(a, "A", one)}}))
		ok(t, s.UnmapByPerson(ctx, id, b, me))
		ok(t, s.UnmapByPerson(ctx, id, b, me))
		ok(t, s.FinishSync(ctx, f, orgsync.Outcome{Status: orgsync.Held}))

		all := eventsOf(t, s, id, event.Filter{})
		same(t, typesOf(all), []event.Type{
			event.IntegrationConnected, event.SyncQueued, event.OrganizationCreated, event.OrganizationCreated, event.MappingMade,
			event.MappingMade, event.OrganizationRenamed, event.MappingPaused, event.MappingResumed, event.MappingRemoved,
			event.MappingRemoved, event.SyncHeld,
		})
		n, err := s.CountEvents(ctx, id, event.Filter{})
		ok(t, err)
		same(t, n, len(all))
		ids := map[string]bool{}
		for i, e := range all {
			ids[e.ID()] = true
			if e.AccountID != id || e.At.IsZero() || time.Since(e.At) > time.Hour || (i > 0 && e.Sequence >= all[i-1].Sequence) {
				t.Errorf("%+v", e)
			}
		}
		same(t, len(ids), len(all))

		same(t, typesOf(eventsOf(t, s, id, event.Filter{OrganizationID: b})), []event.Type{
			event.OrganizationCreated, event.MappingMade, event.OrganizationRenamed, event.MappingRemoved,
		})
		same(t, len(eventsOf(t, s, id, event.Filter{Type: event.MappingMade})), 2)
		f1 := event.Filter{Type: event.MappingMade, OrganizationID: a}
		same(t, len(eventsOf(t, s, id, f1)), 1)
		n, err = s.CountEvents(ctx, id, f1)
		ok(t, err)
		same(t, n, 1)
		same(t, len(eventsOf(t, s, other, event.Filter{})), 1)
		same(t, len(eventsOf(t, s, other, event.Filter{OrganizationID: a})), 0)
		for _, key := range []string{"", "x", "-1", "99999999999999999999"} {
			_, err := s.Events(ctx, id, event.Filter{After: &page.Position{Key: key}})
			wantCode(t, err, errs.ValidationFailed)
		}
	})
}

func TestEventsTellWhoWhatBeforeAndAfter(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, me := t.Context(), event.Actor{TokenID: storetest.ID(t), TokenName: "me"}
		id := storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		a := storetest.Organization(t, s, id, "A")
		one, two := storetest.Entry(1, "One"), storetest.Entry(2, "Two")
		ok(t, s.MapOrganization(ctx, id, a, storetest.Live(t, s, id, one), mapping.OriginManual, me))
		ok(t, s.MapOrganization(ctx, id, a, storetest.Live(t, s, id, two), mapping.OriginManual, me))
		ok(t, s.ApplyChanges(ctx, f, orgsync.Batch{Changes: []orgsync.Change{renameChange(a, "A", two)}}))
		events := eventsOf(t, s, id, event.Filter{OrganizationID: a})
		to := func(id, name string) event.Properties {
			return event.Properties{"itglueOrganization": map[string]any{"id": id, "name": name}}
		}
		remapped, renamed := events[1], events[0]
		same(t, remapped, event.Event{
			AccountID: id, Sequence: remapped.Sequence, Type: event.MappingMade, At: remapped.At, Actor: me,
			Organization: &event.Subject{ID: a, Name: "A"}, ITGlue: &event.Subject{ID: "2", Name: "Two"},
			Before: to("1", "One"), After: to("2", "Two"),
		})
		same(t, renamed, event.Event{
			AccountID: id, Sequence: renamed.Sequence, Type: event.OrganizationRenamed, At: renamed.At, Actor: renamed.Actor,
			SyncID: f.SyncID, Organization: &event.Subject{ID: a, Name: "A"}, ITGlue: &event.Subject{ID: "2", Name: "Two"},
			Before: event.Properties{"name": "A"}, After: event.Properties{"name": "Two"}, Detail: string(orgsync.ReasonRenamedInITGlue),
		})
		same(t, renamed.Actor.TokenName, "setup") // who asked for the sync
	})
}

// More changes than one statement inserts, so that each way of inserting has its share.
func TestAppliedChangesAreEventsHoweverMany(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		const n = 150
		changes := make([]orgsync.Change, n)
		for i := range changes {
			name := "Organization " + strconv.Itoa(i)
			changes[i] = mapChange(storetest.Organization(t, s, id, name), name, storetest.Entry(i+1, name))
		}
		ok(t, s.ApplyChanges(t.Context(), f, orgsync.Batch{Changes: changes}))
		made := eventsOf(t, s, id, event.Filter{Type: event.MappingMade})
		slices.Reverse(made)
		same(t, len(made), n)
		for i, e := range made {
			if e.Organization.ID != changes[i].OrganizationID || e.Sequence != made[0].Sequence+int64(i) {
				t.Errorf("event %d is %+v", i, e)
			}
		}
	})
}
