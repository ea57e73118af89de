package store_test

import (
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
	"github.com/orgbridge/orgbridge/internal/organization"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// newcomer is an organization with a domain of its own that is not stored yet.
func newcomer(t *testing.T, name string) organization.Organization {
	t.Helper()
	id := storetest.ID(t)
	return organization.Organization{
		ID: id, Name: name, Domain: id + ".example.com", EmailPlatform: organization.GoogleWorkspace,
		CreatedAt: storetest.Now(), UpdatedAt: storetest.Now(),
	}
}

// sourceOf is an IT Glue organization as read through the account's connection.
func sourceOf(t *testing.T, s *store.Store, accountID string, entry integration.DirectoryEntry) organization.Source {
	t.Helper()
	in, err := s.Integration(t.Context(), accountID)
	ok(t, err)
	return organization.Source{Entry: entry, Connection: in}
}

func TestImportStoresOrganizationMappingAndEntryTogether(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Helper()
		ctx, at, me := t.Context(), storetest.Now(), event.Actor{TokenID: storetest.ID(t), TokenName: "me"}
		s := storetest.Open(t, url, store.Options{Now: func() time.Time { return at }})
		id := storetest.Account(t, s)
		storetest.Connected(t, s, id)
		entry := storetest.Entry(7, "Seven Ltd")
		o := newcomer(t, "Seven")
		o.AccountID, o.Mapped = id, true
		ok(t, s.ImportOrganization(ctx, id, o, sourceOf(t, s, id, entry), me))

		stored, err := s.Organization(ctx, id, o.ID)
		ok(t, err)
		same(t, stored, o)
		same(t, mappingOf(t, s, id, o.ID), mapping.Row{
			OrganizationID: o.ID, OrganizationName: "Seven", OrganizationDomain: o.Domain, State: mapping.Active, ITGlueID: "7",
			ITGlueName: "Seven Ltd", Origin: mapping.OriginImport, MappedAt: &at,
		})
		listed, err := s.DirectoryRows(ctx, id, integration.DirectoryFilter{})
		ok(t, err)
		same(t, listed.Items, []integration.DirectoryRow{{DirectoryEntry: entry, MappedOrganizationID: o.ID}})

		events := eventsOf(t, s, id, event.Filter{OrganizationID: o.ID})
		same(t, typesOf(events), []event.Type{event.OrganizationCreated, event.MappingMade})
		us := &event.Subject{ID: o.ID, Name: "Seven"}
		same(t, events[1], event.Event{
			AccountID: id, Sequence: events[1].Sequence, Type: event.OrganizationCreated, At: at, Actor: me, Organization: us,
			After: event.Properties{"name": "Seven", "domain": o.Domain, "emailPlatform": "google_workspace"},
		})
		same(t, events[0], event.Event{
			AccountID: id, Sequence: events[1].Sequence + 1, Type: event.MappingMade, At: at, Actor: me, Organization: us,
			ITGlue: &event.Subject{ID: "7", Name: "Seven Ltd"}, Before: event.Properties{"itglueOrganization": nil},
			After: event.Properties{"itglueOrganization": map[string]any{"id": "7", "name": "Seven Ltd"}},
		})
	})
}

func TestARefusedImportLeavesNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, id := t.Context(), storetest.Account(t, s)
		entry := storetest.Entry(7, "Seven")
		wantCode(t, s.ImportOrganization(ctx, id, newcomer(t, "A"), organization.Source{Entry: entry}, event.Actor{}), errs.NotConnected)
		storetest.Connected(t, s, id)
		holder := storetest.Organization(t, s, id, "Holder")
		storetest.Map(t, s, id, holder, storetest.Entry(1, "Taken"))
		right := sourceOf(t, s, id, entry)

		taken := right
		taken.Entry = storetest.Entry(1, "Taken and renamed")
		err := s.ImportOrganization(ctx, id, newcomer(t, "A"), taken, event.Actor{})
		wantCode(t, err, errs.AlreadyMapped)
		if failed, found := errors.AsType[*errs.Error](err); found {
			same(t, failed.Params, map[string]any{"organizationId": holder, "organizationName": "Holder"})
		}
		twin := newcomer(t, "A")
		twin.Domain = holder + ".example.com"
		wantCode(t, s.ImportOrganization(ctx, id, twin, right, event.Actor{}), errs.DomainTaken)
		twin.Domain = newcomer(t, "A").Domain
		for _, change := range []func(in *integration.Integration){
			func(in *integration.Integration) { in.ID = storetest.ID(t) },
			func(in *integration.Integration) { in.Region = itglue.RegionAU },
			func(in *integration.Integration) { in.SealedKey = []byte("another") },
		} {
			other := right
			change(&other.Connection)
			wantCode(t, s.ImportOrganization(ctx, id, twin, other, event.Actor{}), errs.Conflict)
		}

		n, err := s.CountOrganizations(ctx, id, organization.Filter{})
		ok(t, err)
		same(t, n, 1)
		n, err = s.CountDirectoryRows(ctx, id, integration.DirectoryFilter{})
		ok(t, err)
		same(t, n, 0)
		same(t, len(eventsOf(t, s, id, event.Filter{Type: event.OrganizationCreated})), 1)
		same(t, len(eventsOf(t, s, id, event.Filter{Type: event.MappingMade})), 1)
		ok(t, s.ImportOrganization(ctx, id, twin, right, event.Actor{}))

		// What one account holds is free for another.
		other := storetest.Account(t, s)
		storetest.Connected(t, s, other)
		twin.ID = storetest.ID(t)
		ok(t, s.ImportOrganization(ctx, other, twin, sourceOf(t, s, other, entry), event.Actor{}))
	})
}

func TestWhatIsTakenIsLookedUpAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, id, other := t.Context(), storetest.Account(t, s), storetest.Account(t, s)
		storetest.Connected(t, s, id)
		a, b := storetest.Organization(t, s, id, "A"), storetest.Organization(t, s, id, "B")
		storetest.Map(t, s, id, a, storetest.Entry(1, "One"))
		storetest.Map(t, s, id, b, storetest.Entry(2, "Two"))
		ok(t, s.SetSyncEnabled(ctx, id, b, false, event.Actor{}))

		mapped, err := s.AlreadyMapped(ctx, id, []string{"1", "2", "3", "1"})
		ok(t, err)
		same(t, len(mapped), 2)
		for itglueID, want := range map[string]map[string]any{
			"1": {"organizationId": a, "organizationName": "A"}, "2": {"organizationId": b, "organizationName": "B"},
		} {
			wantCode(t, mapped[itglueID], errs.AlreadyMapped)
			same(t, mapped[itglueID].Params, want)
		}
		domains := make([]string, 40_000) // parameters, it would be more than SQLite takes
		for i := range domains {
			domains[i] = strconv.Itoa(i) + ".com"
		}
		domains[7], domains[8], domains[9] = a+".example.com", b+".example.com", "it's"
		holders, err := s.DomainHolders(ctx, id, domains)
		ok(t, err)
		same(t, holders, map[string]string{a + ".example.com": a, b + ".example.com": b})

		for _, none := range [][]string{nil, {"1"}} {
			mapped, err = s.AlreadyMapped(ctx, other, none)
			ok(t, err)
			same(t, len(mapped), 0)
		}
		for _, none := range [][]string{nil, domains} {
			holders, err = s.DomainHolders(ctx, other, none)
			ok(t, err)
			same(t, len(holders), 0)
		}
	})
}

// race runs the contestants at once and returns how each fared.
func race(contestants ...func() error) []error {
	results := make([]error, len(contestants))
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i, run := range contestants {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			results[i] = run()
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	return results
}

// wantOneWinner checks that exactly one had no error and the others the code.
func wantOneWinner(t *testing.T, results []error, code errs.Code) {
	t.Helper()
	won := 0
	for _, err := range results {
		if err == nil {
			won++
		} else {
			wantCode(t, err, code)
		}
	}
	same(t, won, 1)
}

const rounds = 300

func TestOneOfTwoImportsWins(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, id := t.Context(), storetest.Account(t, s)
		storetest.Connected(t, s, id)
		for i := range rounds {
			from := sourceOf(t, s, id, storetest.Entry(i+1, "Prize"))
			one, two := newcomer(t, "One"), newcomer(t, "Two")
			wantOneWinner(t, race(
				func() error { return s.ImportOrganization(ctx, id, one, from, event.Actor{}) },
				func() error { return s.ImportOrganization(ctx, id, two, from, event.Actor{}) },
			), errs.AlreadyMapped)
		}
		wantWhole(t, s, id, rounds, rounds)
	})
}

func TestAnImportOrAPersonWinsTheTarget(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, id := t.Context(), storetest.Account(t, s)
		storetest.Connected(t, s, id)
		imported := 0
		for i := range rounds {
			from := sourceOf(t, s, id, storetest.Entry(i+1, "Prize"))
			o, local := newcomer(t, "Imported"), storetest.Organization(t, s, id, "Local")
			target := storetest.Live(t, s, id, from.Entry)
			results := race(
				func() error { return s.ImportOrganization(ctx, id, o, from, event.Actor{}) },
				func() error { return s.MapOrganization(ctx, id, local, target, mapping.OriginManual, event.Actor{}) },
			)
			wantOneWinner(t, results, errs.AlreadyMapped)
			if results[0] == nil {
				imported++
			}
		}
		wantWhole(t, s, id, rounds+imported, rounds)
	})
}

// wantWhole checks that as many organizations are stored, and as many of them mapped, each with its events.
func wantWhole(t *testing.T, s *store.Store, accountID string, organizations, mapped int) {
	t.Helper()
	sum, err := s.MappingSummary(t.Context(), accountID)
	ok(t, err)
	same(t, []int{sum.Total(), sum.Active}, []int{organizations, mapped})
	n, err := s.CountOrganizations(t.Context(), accountID, organization.Filter{})
	ok(t, err)
	same(t, n, organizations)
	same(t, len(eventsOf(t, s, accountID, event.Filter{Type: event.OrganizationCreated})), organizations)
	same(t, len(eventsOf(t, s, accountID, event.Filter{Type: event.MappingMade})), mapped)
}

func TestOneOfManyGetsTheDomain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, plain, connected := t.Context(), storetest.Account(t, s), storetest.Account(t, s)
		storetest.Connected(t, s, connected)
		for i := range rounds / 3 {
			contestants := make([]organization.Organization, 4)
			for j := range contestants {
				contestants[j] = newcomer(t, "Contestant")
				contestants[j].Domain = fmt.Sprintf("d%d.example.com", i)
			}
			create := func(accountID string, o organization.Organization) func() error {
				return func() error { return s.CreateOrganization(ctx, accountID, o, event.Actor{}) }
			}
			wantOneWinner(t, race(create(plain, contestants[0]), create(plain, contestants[1])), errs.DomainTaken)
			contestants[2].ID, contestants[3].ID = storetest.ID(t), storetest.ID(t)
			from := sourceOf(t, s, connected, storetest.Entry(i+1, "Prize"))
			wantOneWinner(t, race(create(connected, contestants[2]), func() error {
				return s.ImportOrganization(ctx, connected, contestants[3], from, event.Actor{})
			}), errs.DomainTaken)
		}
		for _, accountID := range []string{plain, connected} {
			n, err := s.CountOrganizations(ctx, accountID, organization.Filter{})
			ok(t, err)
			same(t, n, rounds/3)
		}
	})
}

func TestARunningSyncDoesNotTakeWhatWasImportedMeanwhile(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, id := t.Context(), storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		local := storetest.Organization(t, s, id, "Same")
		_, asOf, err := s.OrganizationStates(ctx, id)
		ok(t, err)
		o, entry := newcomer(t, "Imported"), storetest.Entry(1, "Same")
		ok(t, s.ImportOrganization(ctx, id, o, sourceOf(t, s, id, entry), event.Actor{}))
		ok(t, s.ApplyChanges(ctx, f, orgsync.Batch{Changes: []orgsync.Change{mapChange(local, "Same", entry)}, AsOf: asOf}))
		same(t, mappingOf(t, s, id, local).State, mapping.Unmapped)
		same(t, mappingOf(t, s, id, o.ID).ITGlueID, "1")
	})
}
