package store_test

import (
	"bytes"
	"context"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

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

func TestUpdateOrganization(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Helper()
		ctx, me, now := t.Context(), event.Actor{TokenID: storetest.ID(t), TokenName: "me"}, storetest.Now()
		s := storetest.Open(t, url, store.Options{Now: func() time.Time { return now }})
		id, other := storetest.Account(t, s), storetest.Account(t, s)
		org := storetest.Organization(t, s, id, "Old")
		want, err := s.Organization(ctx, id, org)
		ok(t, err)
		microsoft, google := organization.Microsoft365, organization.GoogleWorkspace
		update := func(c organization.Change) organization.Organization {
			t.Helper()
			now = now.Add(time.Second)
			got, err := s.UpdateOrganization(ctx, id, org, c, me)
			ok(t, err)
			stored, err := s.Organization(ctx, id, org)
			ok(t, err)
			same(t, got, stored)
			return got
		}

		for _, nothing := range []organization.Change{{}, {Name: new("Old")}, {EmailPlatform: &microsoft}, {Name: new("Old"), EmailPlatform: &microsoft}} {
			same(t, update(nothing), want)
		}
		want.Name = "  ÄNEU  "
		got := update(organization.Change{Name: new("  ÄNEU  ")})
		want.UpdatedAt = now
		same(t, got, want)
		found, err := s.Organizations(ctx, id, organization.Filter{Search: "äneu"})
		ok(t, err)
		same(t, organizationNames(found), []string{"  ÄNEU  "})
		want.EmailPlatform = google
		got = update(organization.Change{EmailPlatform: &google})
		want.UpdatedAt = now
		same(t, got, want)

		storetest.Connected(t, s, id)
		storetest.Map(t, s, id, org, storetest.Entry(1, "One"))
		got = update(organization.Change{Name: new("Third"), EmailPlatform: &microsoft})
		want.Name, want.EmailPlatform, want.UpdatedAt, want.Mapped = "Third", microsoft, now, true
		same(t, got, want)
		same(t, mappingOf(t, s, id, org).State, mapping.Active)

		events := eventsOf(t, s, id, event.Filter{OrganizationID: org})
		same(t, typesOf(events), []event.Type{
			event.OrganizationCreated, event.OrganizationRenamed, event.OrganizationChanged, event.MappingMade, event.OrganizationRenamed,
			event.OrganizationChanged,
		})
		same(t, events[1], event.Event{
			AccountID: id, Sequence: events[1].Sequence, Type: event.OrganizationRenamed, At: now, Actor: me,
			Organization: &event.Subject{ID: org, Name: "  ÄNEU  "},
			Before:       event.Properties{"name": "  ÄNEU  "}, After: event.Properties{"name": "Third"},
		})
		same(t, events[0], event.Event{
			AccountID: id, Sequence: events[0].Sequence, Type: event.OrganizationChanged, At: now, Actor: me,
			Organization: &event.Subject{ID: org, Name: "Third"},
			Before:       event.Properties{"emailPlatform": "google_workspace"}, After: event.Properties{"emailPlatform": "microsoft_365"},
		})

		for _, bad := range []string{noSuchID, "", "1", "\x00", "{" + org + "}"} {
			_, err := s.UpdateOrganization(ctx, id, bad, organization.Change{Name: new("X")}, me)
			wantCode(t, err, errs.NotFound)
			wantCode(t, s.DeleteOrganization(ctx, id, bad, me), errs.NotFound)
		}
		_, err = s.UpdateOrganization(ctx, other, org, organization.Change{Name: new("X")}, me)
		wantCode(t, err, errs.NotFound)
		wantCode(t, s.DeleteOrganization(ctx, other, org, me), errs.NotFound)
		same(t, update(organization.Change{}), want)
	})
}

func TestDeleteOrganization(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, me, id := t.Context(), event.Actor{TokenID: storetest.ID(t), TokenName: "me"}, storetest.Account(t, s)
		before := storetest.Organization(t, s, id, "Before the connection")
		ok(t, s.DeleteOrganization(ctx, id, before, me))
		f := storetest.Running(t, s, id)
		entry := storetest.Entry(1, "One")
		storetest.Directory(t, s, f, entry)
		free, mapped, paused := storetest.Organization(t, s, id, "Free"), storetest.Organization(t, s, id, "Mapped"), storetest.Organization(t, s, id, "Paused")
		ok(t, s.ApplyChanges(ctx, f, orgsync.Batch{Changes: []orgsync.Change{mapChange(mapped, "Mapped", entry)}}))
		ok(t, s.ApplyUnmatched(ctx, f, []orgsync.UnmatchedUpdate{{OrganizationID: free, Code: mapping.Ambiguous}}))
		storetest.Map(t, s, id, paused, storetest.Entry(2, "Two"))
		ok(t, s.SetSyncEnabled(ctx, id, paused, false, me))
		ok(t, s.FinishSync(ctx, f, orgsync.Outcome{Status: orgsync.Succeeded}))

		for _, org := range []string{free, mapped, paused} {
			ok(t, s.DeleteOrganization(ctx, id, org, me))
			wantCode(t, s.DeleteOrganization(ctx, id, org, me), errs.NotFound)
			_, err := s.Organization(ctx, id, org)
			wantCode(t, err, errs.NotFound)
			_, err = s.Mapping(ctx, id, org)
			wantCode(t, err, errs.NotFound)
		}
		sum, err := s.MappingSummary(ctx, id)
		ok(t, err)
		same(t, sum.Total(), 0)

		// The IT Glue organization and the domain are free again, and what happened stays known.
		rows, err := s.DirectoryRows(ctx, id, integration.DirectoryFilter{Mapped: new(false)})
		ok(t, err)
		same(t, rows.Items, []integration.DirectoryRow{{DirectoryEntry: entry}})
		again := newcomer(t, "Again")
		again.Domain = mapped + ".example.com"
		ok(t, s.ImportOrganization(ctx, id, again, sourceOf(t, s, id, entry), me))
		changes, err := s.CountSyncChanges(ctx, id, f.SyncID, orgsync.ChangeFilter{})
		ok(t, err)
		same(t, changes, 1)

		events := eventsOf(t, s, id, event.Filter{OrganizationID: mapped})
		same(t, typesOf(events), []event.Type{
			event.OrganizationCreated, event.MappingMade, event.MappingRemoved, event.OrganizationDeleted,
		})
		us := &event.Subject{ID: mapped, Name: "Mapped"}
		same(t, events[1], event.Event{
			AccountID: id, Sequence: events[1].Sequence, Type: event.MappingRemoved, At: events[1].At, Actor: me, Organization: us,
			ITGlue: &event.Subject{ID: "1", Name: "One"}, Detail: "organization-deleted",
			Before: event.Properties{"itglueOrganization": map[string]any{"id": "1", "name": "One"}},
			After:  event.Properties{"itglueOrganization": nil},
		})
		same(t, events[0], event.Event{
			AccountID: id, Sequence: events[1].Sequence + 1, Type: event.OrganizationDeleted, At: events[0].At, Actor: me, Organization: us,
			Before: event.Properties{"name": "Mapped", "domain": mapped + ".example.com", "emailPlatform": "microsoft_365"},
		})
		for _, unmapped := range []string{before, free} {
			same(t, typesOf(eventsOf(t, s, id, event.Filter{OrganizationID: unmapped})), []event.Type{
				event.OrganizationCreated, event.OrganizationDeleted,
			})
		}
	})
}

// What a sync planned before is refused, whether or not it asks who changed something since.
func TestARunningSyncDoesNotBringBackWhatWasDeleted(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, id := t.Context(), storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		toMap, toRename, toUnmap, left := storetest.Organization(t, s, id, "A"), storetest.Organization(t, s, id, "B"),
			storetest.Organization(t, s, id, "C"), storetest.Organization(t, s, id, "D")
		one, two, three := storetest.Entry(1, "A"), storetest.Entry(2, "B new"), storetest.Entry(3, "C")
		storetest.Map(t, s, id, toRename, two)
		storetest.Map(t, s, id, toUnmap, three)
		state, err := s.OrganizationState(ctx, id, toRename)
		ok(t, err)
		_, asOf, err := s.OrganizationStates(ctx, id)
		ok(t, err)
		for _, org := range []string{toMap, toRename, toUnmap, left} {
			ok(t, s.DeleteOrganization(ctx, id, org, event.Actor{}))
		}
		planned := []orgsync.Change{mapChange(toMap, "A", one), renameChange(toRename, "B", two), unmapChange(toUnmap, "C", three)}
		ok(t, s.ApplyChanges(ctx, f, orgsync.Batch{Changes: planned, AsOf: asOf}))
		ok(t, s.ApplyChanges(ctx, f, orgsync.Batch{Changes: planned, AsOf: 1 << 40}))
		ok(t, s.ApplyUnmatched(ctx, f, []orgsync.UnmatchedUpdate{{OrganizationID: left, Code: mapping.NoEqualName}}))
		refused, err := s.CountSyncChanges(ctx, id, f.SyncID, orgsync.ChangeFilter{Status: orgsync.ChangeRefused})
		ok(t, err)
		same(t, refused, 6)
		in, err := s.Integration(ctx, id)
		ok(t, err)
		refresh := orgsync.Sync{ID: storetest.ID(t), AccountID: id, IntegrationID: in.ID, Kind: orgsync.Organization, Status: orgsync.Succeeded}
		wantCode(t, s.Refresh(ctx, in, refresh, state, &two, nil), errs.NotFound)
		sum, err := s.MappingSummary(ctx, id)
		ok(t, err)
		same(t, sum.Total(), 0)
		n, err := s.CountOrganizations(ctx, id, organization.Filter{})
		ok(t, err)
		same(t, n, 0)
	})
}

func TestARunningSyncDoesNotOverwriteANameThatAPersonChangedMeanwhile(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, id := t.Context(), storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		org, entry := storetest.Organization(t, s, id, "Old"), storetest.Entry(1, "New")
		free, equal := storetest.Organization(t, s, id, "Equal"), storetest.Entry(2, "Equal")
		storetest.Map(t, s, id, org, entry)
		_, asOf, err := s.OrganizationStates(ctx, id)
		ok(t, err)
		for _, renamed := range []string{org, free} {
			_, err = s.UpdateOrganization(ctx, id, renamed, organization.Change{Name: new("Mine")}, event.Actor{})
			ok(t, err)
		}
		ok(t, s.ApplyChanges(ctx, f, orgsync.Batch{Changes: []orgsync.Change{renameChange(org, "Old", entry), mapChange(free, "Equal", equal)}, AsOf: asOf}))
		got, err := s.Organization(ctx, id, org)
		ok(t, err)
		same(t, got.Name, "Mine")
		same(t, mappingOf(t, s, id, free).State, mapping.Unmapped)
	})
}

// Whoever changes organizations waits for a sync's batch to end, and a batch for them. On SQLite every transaction does.
func TestChangesOfOrganizationsWaitForTheIntegration(t *testing.T) {
	t.Parallel()
	s := storetest.Postgres(t)
	id := storetest.Account(t, s)
	storetest.Connected(t, s, id)
	org := storetest.Organization(t, s, id, "A")
	from := sourceOf(t, s, id, storetest.Entry(1, "One"))
	batch := storetest.Begin(t, s)
	_, err := batch.Exec(t.Context(), "SELECT 1 FROM integrations WHERE account_id = $1 FOR NO KEY UPDATE", id)
	ok(t, err)
	for name, change := range map[string]func(ctx context.Context) error{
		"create": func(ctx context.Context) error { return s.CreateOrganization(ctx, id, newcomer(t, "B"), event.Actor{}) },
		"import": func(ctx context.Context) error {
			return s.ImportOrganization(ctx, id, newcomer(t, "B"), from, event.Actor{})
		},
		"update": func(ctx context.Context) error {
			_, err := s.UpdateOrganization(ctx, id, org, organization.Change{Name: new("B")}, event.Actor{})
			return err
		},
		"delete": func(ctx context.Context) error { return s.DeleteOrganization(ctx, id, org, event.Actor{}) },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if err := change(ctx); !errs.Is(err, errs.Unavailable) {
			t.Errorf("%s did not wait: %v", name, err)
		}
		cancel()
	}
	ok(t, batch.Rollback(t.Context()))
	ok(t, s.DeleteOrganization(t.Context(), id, org, event.Actor{}))
}

// onceWaiting runs a change against a transaction that holds it up. When the change waits, meanwhile runs; then the transaction ends.
func onceWaiting(t *testing.T, s *store.Store, holding string, change func() error, meanwhile func(tx pgx.Tx)) error {
	t.Helper()
	tx := storetest.Begin(t, s)
	defer func() { _ = tx.Rollback(t.Context()) }() // a failed test must not leave the change waiting
	_, err := tx.Exec(t.Context(), holding)
	ok(t, err)
	changed := make(chan error, 1)
	go func() { changed <- change() }()
	const waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
	for patience := time.Now().Add(10 * time.Second); storetest.Value[int](t, s, waiting) == 0; {
		if time.Now().After(patience) {
			t.Fatal("the change does not wait")
		}
	}
	meanwhile(tx)
	ok(t, tx.Commit(t.Context()))
	return <-changed
}

// A change of an account that is not connected holds off a connection, whose sync would neither wait for the change nor see it.
func TestConnectWaitsForChangesOfOrganizations(t *testing.T) {
	t.Parallel()
	s := storetest.Postgres(t)
	id := storetest.Account(t, s)
	org := storetest.Organization(t, s, id, "A")
	ok(t, onceWaiting(t, s, "SELECT 1 FROM organizations FOR UPDATE", func() error {
		_, err := s.UpdateOrganization(t.Context(), id, org, organization.Change{Name: new("B")}, event.Actor{})
		return err
	}, func(pgx.Tx) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		err := s.Connect(ctx, id, integration.Integration{
			ID: storetest.ID(t), Region: itglue.RegionEU, SealedKey: []byte("sealed"), ConnectedAt: storetest.Now(), AutoMap: integration.OnConnect,
		}, integration.InitialSync{ID: storetest.ID(t)})
		wantCode(t, err, errs.Unavailable)
	}))
	storetest.Connected(t, s, id)
}

// What was not connected at first may be connected when its turn comes: then the change begins again, and waits for syncs.
func TestAChangeThatIsOvertakenByAConnectionBeginsAgain(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := storetest.Open(t, storetest.PostgresURL(t), store.Options{
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	id, other := storetest.Account(t, s), storetest.Account(t, s)
	storetest.Connected(t, s, other)
	log.Reset()
	ok(t, onceWaiting(t, s, "SELECT 1 FROM accounts FOR NO KEY UPDATE", func() error {
		return s.CreateOrganization(t.Context(), id, newcomer(t, "A"), event.Actor{})
	}, func(connecting pgx.Tx) {
		_, err := connecting.Exec(t.Context(), `INSERT INTO integrations
			SELECT (jsonb_populate_record(i, jsonb_build_object('account_id', $1::text, 'id', $2::text))).* FROM integrations i`, id, storetest.ID(t))
		ok(t, err)
	}))
	if !strings.Contains(log.String(), "lost a race") {
		t.Error("the change went on as if nothing were connected")
	}
}

func TestConnectionsAndChangesAtOnceDoNotBlockEachOther(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, id := t.Context(), storetest.Account(t, s)
		org := storetest.Organization(t, s, id, "A")
		connect := func() error {
			in := integration.Integration{ID: storetest.ID(t), Region: itglue.RegionEU, SealedKey: []byte("sealed"), ConnectedAt: storetest.Now(), AutoMap: integration.Off}
			return s.Connect(ctx, id, in, integration.InitialSync{ID: storetest.ID(t)})
		}
		for i := range 100 {
			for _, err := range race(connect, connect,
				func() error { _, err := s.Deactivate(ctx, id, event.Actor{}); return err },
				func() error { return s.CreateOrganization(ctx, id, newcomer(t, "B"), event.Actor{}) },
				func() error {
					_, err := s.UpdateOrganization(ctx, id, org, organization.Change{Name: new(strconv.Itoa(i))}, event.Actor{})
					return err
				},
			) {
				if err != nil && !errs.Is(err, errs.AlreadyConnected) && !errs.Is(err, errs.NotConnected) {
					t.Error(err)
				}
			}
		}
	})
}
