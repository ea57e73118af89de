package store_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

func TestDeactivateForgetsTheConnectionAndKeepsTheOrganizations(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, me := t.Context(), event.Actor{TokenID: storetest.ID(t), TokenName: "me"}
		id, other := storetest.Account(t, s), storetest.Account(t, s)
		_, err := s.Deactivate(ctx, id, me)
		wantCode(t, err, errs.NotConnected)
		f, theirs := storetest.Running(t, s, id), storetest.Running(t, s, other)
		for account, fence := range map[string]orgsync.Fence{id: f, other: theirs} {
			storetest.Directory(t, s, fence, storetest.Entry(1, "One"), storetest.Entry(2, "Two"))
			storetest.Map(t, s, account, storetest.Organization(t, s, account, "Kept"), storetest.Entry(2, "Two"))
		}
		active := storetest.Organization(t, s, id, `A "quoted" \ name`)
		paused := storetest.Organization(t, s, id, "B")
		unmapped := storetest.Organization(t, s, id, "C")
		storetest.Map(t, s, id, active, storetest.Entry(1, `One "quoted" \ é`))
		storetest.Map(t, s, id, paused, storetest.Entry(3, "Three"))
		ok(t, s.SetSyncEnabled(ctx, id, paused, false, me))
		ok(t, s.UnmapByPerson(ctx, id, unmapped, me))

		removed, err := s.Deactivate(ctx, id, me)
		ok(t, err)
		same(t, removed, 3)
		_, err = s.Integration(ctx, id)
		wantCode(t, err, errs.NotConnected)
		for _, org := range []string{active, paused, unmapped} {
			row := mappingOf(t, s, id, org)
			same(t, row, mapping.Row{
				OrganizationID: org, OrganizationName: row.OrganizationName, OrganizationDomain: row.OrganizationDomain, State: mapping.Unmapped,
			})
		}
		directory, err := s.Directory(ctx, id)
		ok(t, err)
		same(t, len(directory), 0)
		assertFenced(t, s, f)
		ended, err := s.Sync(ctx, id, f.SyncID)
		ok(t, err)
		same(t, ended.Status, orgsync.Cancelled)

		all := eventsOf(t, s, id, event.Filter{})
		same(t, typesOf(all)[len(all)-5:], []event.Type{
			event.MappingRemoved, event.MappingRemoved, event.MappingRemoved, event.SyncCancelled, event.IntegrationDeactivated,
		})
		deactivated, first := all[0], all[4]
		same(t, []any{deactivated.Actor, deactivated.After}, []any{me, event.Properties{"mappingsRemoved": 3.0}})
		same(t, first, event.Event{
			AccountID: id, Sequence: first.Sequence, Type: event.MappingRemoved, At: first.At, Actor: me,
			Organization: &event.Subject{ID: active, Name: `A "quoted" \ name`}, ITGlue: &event.Subject{ID: "1", Name: `One "quoted" \ é`},
			Before: event.Properties{"itglueOrganization": map[string]any{"id": "1", "name": `One "quoted" \ é`}},
			After:  event.Properties{"itglueOrganization": nil}, Detail: "integration-deactivated",
		})
		if time.Since(first.At) > time.Hour || all[3].Sequence != first.Sequence+1 || deactivated.Sequence != first.Sequence+4 {
			t.Errorf("%+v", all[:5])
		}

		_, err = s.Deactivate(ctx, id, me)
		wantCode(t, err, errs.NotConnected)
		kept, err := s.MappingSummary(ctx, other)
		ok(t, err)
		same(t, kept.Active, 1)
		ok(t, s.Heartbeat(ctx, theirs, time.Minute, orgsync.Progress{}))
		if directory, err = s.Directory(ctx, other); err != nil || len(directory) != 2 {
			t.Errorf("the other account's directory is %v, %v", directory, err)
		}
	})
}

func TestDeactivateWithoutMappings(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		storetest.Connected(t, s, id)
		removed, err := s.Deactivate(t.Context(), id, event.Actor{})
		ok(t, err)
		same(t, removed, 0)
		all := eventsOf(t, s, id, event.Filter{})
		same(t, []any{all[0].Type, all[0].After}, []any{event.IntegrationDeactivated, event.Properties{"mappingsRemoved": 0.0}})
	})
}

// Reconnecting is a new beginning: nothing of the earlier connection counts, also not what a person had unmapped.
func TestReconnectStartsClean(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		id := storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		org := storetest.Organization(t, s, id, "One")
		ok(t, s.UnmapByPerson(ctx, id, org, event.Actor{}))
		_, err := s.Deactivate(ctx, id, event.Actor{})
		ok(t, err)

		again := storetest.Running(t, s, id)
		last, err := s.LastSync(ctx, id)
		ok(t, err)
		same(t, last, (*orgsync.Sync)(nil))
		assertFenced(t, s, f)
		states, asOf, err := s.OrganizationStates(ctx, id)
		ok(t, err)
		same(t, states, []orgsync.OrganizationState{{ID: org, Name: "One", State: mapping.Unmapped}})
		ok(t, s.ApplyChanges(ctx, again, orgsync.Batch{AsOf: asOf, Changes: []orgsync.Change{mapChange(org, "One", storetest.Entry(1, "One"))}}))
		same(t, mappingOf(t, s, id, org).State, mapping.Active)
	})
}

// While people map, deactivation is all or nothing: what is mapped before it goes with it, and nothing is mapped after it.
func TestDeactivateWhilePeopleMap(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		var all sync.WaitGroup
		ctx := context.WithoutCancel(t.Context())
		for i := range 12 {
			org := storetest.Organization(t, s, id, "Organization "+strconv.Itoa(i))
			target := storetest.Live(t, s, id, storetest.Entry(i+1, "x"))
			all.Go(func() {
				err := s.MapOrganization(ctx, id, org, target, mapping.OriginManual, event.Actor{})
				if err != nil && !errs.Is(err, errs.NotConnected) {
					t.Error(err)
				}
			})
			if i == 6 {
				all.Go(func() {
					if _, err := s.Deactivate(ctx, id, event.Actor{}); err != nil {
						t.Error(err)
					}
				})
			}
		}
		all.Go(func() {
			err := s.WriteDirectory(ctx, f, nil, []string{"1"})
			if err != nil && !errs.Is(err, errs.Fenced) {
				t.Error(err)
			}
		})
		all.Wait()
		sum, err := s.MappingSummary(t.Context(), id)
		ok(t, err)
		same(t, sum.Unmapped, 12)
		made := len(eventsOf(t, s, id, event.Filter{Type: event.MappingMade}))
		same(t, len(eventsOf(t, s, id, event.Filter{Type: event.MappingRemoved})), made)
	})
}
