package storetest

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/organization"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// ID returns a new id; later ones sort after earlier ones.
func ID(tb testing.TB) string {
	tb.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		tb.Fatal(err)
	}
	return id.String()
}

// Now is the current time as a store keeps it.
func Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// Account stores an account, whose log of events is empty, and returns its id.
func Account(tb testing.TB, s *store.Store) string {
	tb.Helper()
	id := ID(tb)
	Exec(tb, s, "INSERT INTO accounts (id, name, created_at) VALUES ($1, 'Northwind IT', $2)", id, Now())
	return id
}

// Connect connects the account and returns the fence of its queued initial sync.
func Connect(tb testing.TB, s *store.Store, accountID string) orgsync.Fence {
	tb.Helper()
	initial := integration.InitialSync{ID: ID(tb), By: event.Actor{TokenID: ID(tb), TokenName: "setup"}}
	err := s.Connect(tb.Context(), accountID, integration.Integration{
		ID: ID(tb), Region: itglue.RegionEU, SealedKey: []byte("sealed"), APIKeyHint: "wxyz", ConnectedAt: Now(),
		AutoMap: integration.OnConnect, RemovalLimitPercent: integration.DefaultRemovalLimitPercent,
	}, initial)
	if err != nil {
		tb.Fatalf("connect: %v", err)
	}
	return orgsync.Fence{AccountID: accountID, SyncID: initial.ID, Epoch: 1}
}

// Claim makes a queued sync run with a lease of a minute.
func Claim(tb testing.TB, s *store.Store, f orgsync.Fence) {
	tb.Helper()
	if _, err := s.ClaimSync(tb.Context(), f, time.Minute); err != nil {
		tb.Fatalf("claim a sync: %v", err)
	}
}

// Running connects the account and claims its initial sync.
func Running(tb testing.TB, s *store.Store, accountID string) orgsync.Fence {
	tb.Helper()
	f := Connect(tb, s, accountID)
	Claim(tb, s, f)
	return f
}

// Connected connects the account and ends its initial sync.
func Connected(tb testing.TB, s *store.Store, accountID string) {
	tb.Helper()
	f := Running(tb, s, accountID)
	if err := s.FinishSync(tb.Context(), f, orgsync.Outcome{Status: orgsync.Succeeded}); err != nil {
		tb.Fatalf("finish a sync: %v", err)
	}
}

// Organization stores an organization with a domain of its own and returns its id.
func Organization(tb testing.TB, s *store.Store, accountID, name string) string {
	tb.Helper()
	id := ID(tb)
	err := s.CreateOrganization(tb.Context(), accountID, organization.Organization{
		ID: id, Name: name, Domain: id + ".example.com", EmailPlatform: organization.Microsoft365, CreatedAt: Now(), UpdatedAt: Now(),
	}, event.Actor{})
	if err != nil {
		tb.Fatalf("create an organization: %v", err)
	}
	return id
}

// Entry is a directory entry with little more than an id and a name.
func Entry(id int, name string) integration.DirectoryEntry {
	return integration.DirectoryEntry{
		ID: strconv.Itoa(id), Name: name, ShortName: fmt.Sprintf("O%d", id), TypeName: "Customer", StatusName: "Active",
	}
}

// Directory writes directory entries on behalf of a running sync.
func Directory(tb testing.TB, s *store.Store, f orgsync.Fence, entries ...integration.DirectoryEntry) {
	tb.Helper()
	if err := s.WriteDirectory(tb.Context(), f, entries, nil); err != nil {
		tb.Fatalf("write the directory: %v", err)
	}
}

// Live is an IT Glue organization that was read through the account's connection of now, if it has one.
func Live(tb testing.TB, s *store.Store, accountID string, entry integration.DirectoryEntry) mapping.Target {
	tb.Helper()
	in, err := s.Integration(tb.Context(), accountID)
	if err != nil && !errs.Is(err, errs.NotConnected) {
		tb.Fatalf("read the integration: %v", err)
	}
	return mapping.Target{Entry: entry, Connection: &in}
}

// Map maps an organization by hand.
func Map(tb testing.TB, s *store.Store, accountID, organizationID string, target integration.DirectoryEntry) {
	tb.Helper()
	err := s.MapOrganization(
		tb.Context(), accountID, organizationID, Live(tb, s, accountID, target), mapping.OriginManual, event.Actor{TokenName: "setup"},
	)
	if err != nil {
		tb.Fatalf("map an organization: %v", err)
	}
}
