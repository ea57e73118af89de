package store_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/event"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

func mappingOf(t *testing.T, s *store.Store, accountID, organizationID string) mapping.Row {
	t.Helper()
	row, err := s.Mapping(t.Context(), accountID, organizationID)
	ok(t, err)
	return row
}

func TestMapOrganization(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Helper()
		ctx, at := t.Context(), storetest.Now()
		s := storetest.Open(t, url, store.Options{Now: func() time.Time { return at }})
		id := storetest.Account(t, s)
		a, b := storetest.Organization(t, s, id, "A"), storetest.Organization(t, s, id, "B")
		target := storetest.Entry(7, "Seven")
		wantCode(t, s.MapOrganization(ctx, id, a, storetest.Live(t, s, id, target), mapping.OriginManual, event.Actor{}), errs.NotConnected)
		wantCode(t, s.UnmapByPerson(ctx, id, a, event.Actor{}), errs.NotConnected)
		storetest.Connected(t, s, id)
		wantCode(t, s.SetSyncEnabled(ctx, id, a, true, event.Actor{}), errs.NotMapped)

		ok(t, s.MapOrganization(ctx, id, a, storetest.Live(t, s, id, target), mapping.OriginImport, event.Actor{}))
		want := mapping.Row{
			OrganizationID: a, OrganizationName: "A", OrganizationDomain: a + ".example.com", State: mapping.Active, ITGlueID: "7",
			ITGlueName: "Seven", Origin: mapping.OriginImport, MappedAt: &at,
		}
		same(t, mappingOf(t, s, id, a), want)

		err := s.MapOrganization(ctx, id, b, storetest.Live(t, s, id, target), mapping.OriginManual, event.Actor{})
		wantCode(t, err, errs.AlreadyMapped)
		if taken, found := errors.AsType[*errs.Error](err); found {
			same(t, taken.Params, map[string]any{"organizationId": a, "organizationName": "A"})
		}

		ok(t, s.SetSyncEnabled(ctx, id, a, false, event.Actor{}))
		want.State = mapping.Paused
		same(t, mappingOf(t, s, id, a), want)
		ok(t, s.MapOrganization(ctx, id, a, storetest.Live(t, s, id, target), mapping.OriginManual, event.Actor{}))
		want.State = mapping.Active
		same(t, mappingOf(t, s, id, a), want)

		ok(t, s.UnmapByPerson(ctx, id, a, event.Actor{}))
		row := mappingOf(t, s, id, a)
		if row.State != mapping.Unmapped || row.ITGlueID != "" || row.MappedAt != nil || row.Unmatched != mapping.UnmappedByPerson {
			t.Fatalf("still mapped: %+v", row)
		}
		ok(t, s.MapOrganization(ctx, id, b, storetest.Live(t, s, id, target), mapping.OriginManual, event.Actor{}))
		ok(t, s.MapOrganization(ctx, id, b, storetest.Live(t, s, id, storetest.Entry(8, "Eight")), mapping.OriginManual, event.Actor{}))
		ok(t, s.MapOrganization(ctx, id, a, storetest.Live(t, s, id, target), mapping.OriginManual, event.Actor{}))
		same(t, mappingOf(t, s, id, b).ITGlueID, "8")
	})
}

// A target counts only as one of the connection that the account has when it is mapped.
func TestATargetOfAnotherConnectionIsNotMapped(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, id := t.Context(), storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		org := storetest.Organization(t, s, id, "A")
		live := storetest.Live(t, s, id, storetest.Entry(1, "Live"))
		listed := mapping.Target{Entry: storetest.Entry(2, "Then")}
		storetest.Directory(t, s, f, storetest.Entry(2, "Now"))
		mapTo := func(target mapping.Target) error {
			return s.MapOrganization(ctx, id, org, target, mapping.OriginManual, event.Actor{})
		}
		for _, change := range []func(in *integration.Integration){
			func(in *integration.Integration) { in.ID = storetest.ID(t) },
			func(in *integration.Integration) { in.Region = itglue.RegionAU },
			func(in *integration.Integration) { in.SealedKey = []byte("other") },
		} {
			then := *live.Connection
			change(&then)
			wantCode(t, mapTo(mapping.Target{Entry: live.Entry, Connection: &then}), errs.Conflict)
		}
		wantCode(t, mapTo(mapping.Target{Entry: storetest.Entry(3, "Not listed")}), errs.Conflict)
		same(t, mappingOf(t, s, id, org).State, mapping.Unmapped)
		ok(t, mapTo(listed))
		same(t, mappingOf(t, s, id, org).ITGlueName, "Now")
		made := eventsOf(t, s, id, event.Filter{Type: event.MappingMade})
		same(t, []any{len(made), made[0].ITGlue.Name}, []any{1, "Now"})

		_, err := s.Deactivate(ctx, id, event.Actor{})
		ok(t, err)
		wantCode(t, mapTo(live), errs.NotConnected)
		wantCode(t, mapTo(listed), errs.NotConnected)
		storetest.Connected(t, s, id)
		wantCode(t, mapTo(live), errs.Conflict)
		wantCode(t, mapTo(listed), errs.Conflict)
		same(t, mappingOf(t, s, id, org).State, mapping.Unmapped)
		ok(t, mapTo(storetest.Live(t, s, id, live.Entry)))
	})
}

func TestToPickNoneForAnUnmappedOrganizationIsNoRemoval(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, id, me := t.Context(), storetest.Account(t, s), event.Actor{TokenID: storetest.ID(t), TokenName: "me"}
		f := storetest.Running(t, s, id)
		fresh, looked := storetest.Organization(t, s, id, "Fresh"), storetest.Organization(t, s, id, "Looked at")
		ok(t, s.ApplyUnmatched(ctx, f, []orgsync.UnmatchedUpdate{{OrganizationID: looked, Code: mapping.NoEqualName}}))
		for org, before := range map[string]any{fresh: nil, looked: "no-equal-name"} {
			_, asOf, err := s.OrganizationStates(ctx, id)
			ok(t, err)
			ok(t, s.UnmapByPerson(ctx, id, org, me))
			ok(t, s.UnmapByPerson(ctx, id, org, me)) // as it is: no fact
			facts := eventsOf(t, s, id, event.Filter{OrganizationID: org, Type: event.OrganizationChanged})
			same(t, len(facts), 1)
			same(t, []any{facts[0].Actor, facts[0].Before, facts[0].After, facts[0].ITGlue}, []any{
				me, event.Properties{"unmatched": before}, event.Properties{"unmatched": "unmapped-by-person"}, (*event.Subject)(nil),
			})
			name := map[string]string{fresh: "Fresh", looked: "Looked at"}[org]
			ok(t, s.ApplyChanges(ctx, f, orgsync.Batch{Changes: []orgsync.Change{mapChange(org, name, storetest.Entry(1, name))}, AsOf: asOf}))
			same(t, mappingOf(t, s, id, org).Unmatched, mapping.UnmappedByPerson)
		}
		same(t, len(eventsOf(t, s, id, event.Filter{Type: event.MappingRemoved})), 0)
	})
}

func TestOneOfManyWinsATarget(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		storetest.Connected(t, s, id)
		const racers = 8
		results := make(chan error, racers)
		start := make(chan struct{})
		var ready sync.WaitGroup
		prize := storetest.Live(t, s, id, storetest.Entry(1, "Prize"))
		for range racers {
			org := storetest.Organization(t, s, id, "Racer")
			ready.Add(1)
			go func() {
				ready.Done()
				<-start
				results <- s.MapOrganization(t.Context(), id, org, prize, mapping.OriginManual, event.Actor{})
			}()
		}
		ready.Wait()
		close(start)
		won := 0
		for range racers {
			if err := <-results; err == nil {
				won++
			} else {
				wantCode(t, err, errs.AlreadyMapped)
			}
		}
		same(t, won, 1)
	})
}

func TestLastSyncedAt(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Helper()
		ctx := t.Context()
		mapped := storetest.Now().Add(-time.Hour)
		now := mapped
		s := storetest.Open(t, url, store.Options{Now: func() time.Time { return now }})
		id := storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		org := storetest.Organization(t, s, id, "A")
		ok(t, s.MapOrganization(ctx, id, org, storetest.Live(t, s, id, storetest.Entry(1, "A")), mapping.OriginManual, event.Actor{}))
		same(t, mappingOf(t, s, id, org).LastSyncedAt, (*time.Time)(nil))

		compared := mapped.Add(time.Minute)
		ok(t, s.FinishSync(ctx, f, orgsync.Outcome{Status: orgsync.Succeeded, ComparedAt: &compared}))
		same(t, mappingOf(t, s, id, org).LastSyncedAt, &compared)

		ok(t, s.SetSyncEnabled(ctx, id, org, false, event.Actor{}))
		same(t, mappingOf(t, s, id, org).LastSyncedAt, &compared)
		later := compared.Add(time.Minute)
		f = startClaimed(t, s, id, orgsync.Manual)
		ok(t, s.FinishSync(ctx, f, orgsync.Outcome{Status: orgsync.Succeeded, ComparedAt: &later}))
		same(t, mappingOf(t, s, id, org).LastSyncedAt, &compared) // paused: left out of that sync

		now = later.Add(time.Second)
		ok(t, s.SetSyncEnabled(ctx, id, org, true, event.Actor{}))
		same(t, mappingOf(t, s, id, org).LastSyncedAt, &compared) // resumed after that sync
		latest := later.Add(time.Minute)
		f = startClaimed(t, s, id, orgsync.Manual)
		ok(t, s.FinishSync(ctx, f, orgsync.Outcome{Status: orgsync.Succeeded, ComparedAt: &latest}))
		same(t, mappingOf(t, s, id, org).LastSyncedAt, &latest)
	})
}

func TestMappingsByStateWithCandidates(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		id := storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		storetest.Directory(t, s, f, storetest.Entry(1, "ACME"), storetest.Entry(2, "Acme"), storetest.Entry(3, "acme "),
			storetest.Entry(4, "Beta"), storetest.Entry(5, "Gamma"))
		acme, beta := storetest.Organization(t, s, id, "Acme"), storetest.Organization(t, s, id, "Beta")
		gamma, delta := storetest.Organization(t, s, id, "Gamma"), storetest.Organization(t, s, id, "Delta")
		storetest.Map(t, s, id, beta, storetest.Entry(4, "Beta at first"))
		storetest.Map(t, s, id, gamma, storetest.Entry(3, "acme "))
		ok(t, s.SetSyncEnabled(ctx, id, gamma, false, event.Actor{}))
		ok(t, s.ApplyUnmatched(ctx, f, []orgsync.UnmatchedUpdate{
			{OrganizationID: acme, Code: mapping.Ambiguous}, {OrganizationID: delta, Code: mapping.NoEqualName},
			{OrganizationID: beta, Code: mapping.NoEqualName},
		}))
		same(t, mappingOf(t, s, id, acme).Candidates, []mapping.Candidate{
			{ID: "2", Name: "Acme"}, {ID: "1", Name: "ACME"}, {ID: "3", Name: "acme ", Mapped: true},
		})
		same(t, mappingOf(t, s, id, beta).ITGlueName, "Beta")
		ok(t, s.WriteDirectory(ctx, f, nil, []string{"4"}))
		same(t, mappingOf(t, s, id, beta).ITGlueName, "Beta") // the last one seen

		for _, c := range []struct {
			filter mapping.Filter
			want   []string
		}{
			{mapping.Filter{}, []string{acme, beta, delta, gamma}},
			{mapping.Filter{Sort: mapping.SortNameDesc}, []string{gamma, delta, beta, acme}},
			{mapping.Filter{State: mapping.Unmapped}, []string{acme, delta}},
			{mapping.Filter{State: mapping.Active}, []string{beta}},
			{mapping.Filter{State: mapping.Paused}, []string{gamma}},
			{mapping.Filter{Unmatched: mapping.NoEqualName}, []string{delta}},
			{mapping.Filter{State: mapping.Unmapped, Search: "ACM"}, []string{acme}},
		} {
			p, err := s.Mappings(ctx, id, c.filter)
			ok(t, err)
			got := make([]string, 0, len(p.Items))
			for _, r := range p.Items {
				got = append(got, r.OrganizationID)
			}
			same(t, got, c.want)
			n, err := s.CountMappings(ctx, id, c.filter)
			ok(t, err)
			same(t, n, len(c.want))
		}
		sum, err := s.MappingSummary(ctx, id)
		ok(t, err)
		same(t, sum, mapping.Summary{
			Unmapped: 2, Active: 1, Paused: 1, Unmatched: map[mapping.UnmatchedCode]int{mapping.Ambiguous: 1, mapping.NoEqualName: 1},
		})
	})
}

func TestCandidatesAreFew(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		entries := make([]integration.DirectoryEntry, 0, 100)
		for i := range 100 {
			entries = append(entries, storetest.Entry(i+1, "Same"))
		}
		storetest.Directory(t, s, f, entries...)
		if n := len(mappingOf(t, s, id, storetest.Organization(t, s, id, "Same")).Candidates); n < 2 || n > 50 {
			t.Fatalf("%d candidates", n)
		}
	})
}
