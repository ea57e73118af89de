package store_test

import (
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/event"

	"github.com/google/go-cmp/cmp"

	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/organization"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

const noSuchID = "01890000-0000-7000-8000-000000000000"

func wantCode(t *testing.T, err error, code errs.Code) {
	t.Helper()
	if got := errs.CodeOf(err); got != code {
		t.Fatalf("got %q (%v), want %q", got, err, code)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("mismatch (-want, +got):\n%s", diff)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		later := storetest.Now().Add(time.Hour)
		admin := account.Token{
			ID: storetest.ID(t), AccountID: storetest.Account(t, s), Role: account.Admin, Name: "script", Hint: "ob_1", SecretHash: []byte{1, 0, 2},
			CreatedAt: storetest.Now(), ExpiresAt: &later, RevokedAt: &later,
		}
		operator := account.Token{ID: storetest.ID(t), Role: account.Operator, SecretHash: []byte{3}, CreatedAt: storetest.Now()}
		ok(t, s.CreateToken(ctx, admin, event.Actor{}))
		ok(t, s.CreateToken(ctx, operator, event.Actor{}))

		got, err := s.TokenBySecretHash(ctx, admin.SecretHash)
		ok(t, err)
		same(t, got, admin)
		got, err = s.TokenBySecretHash(ctx, operator.SecretHash)
		ok(t, err)
		same(t, got, operator)
		_, err = s.TokenBySecretHash(ctx, []byte{9})
		wantCode(t, err, errs.NotFound)

		ok(t, s.TouchToken(ctx, admin.ID, later, time.Minute))
		ok(t, s.TouchToken(ctx, admin.ID, later.Add(-time.Minute), time.Minute))
		got, err = s.TokenBySecretHash(ctx, admin.SecretHash)
		ok(t, err)
		same(t, got.LastUsedAt, &later)

		wantCode(t, s.CreateToken(ctx, admin, event.Actor{}), errs.Conflict)
		admin.AccountID, admin.ID, admin.SecretHash = noSuchID, storetest.ID(t), []byte{4}
		wantCode(t, s.CreateToken(ctx, admin, event.Actor{}), errs.NotFound)
	})
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		want := account.Account{ID: storetest.ID(t), Name: "Contoso", CreatedAt: storetest.Now()}
		ok(t, s.CreateAccount(t.Context(), want, event.Actor{}))
		got, err := s.Account(t.Context(), want.ID)
		ok(t, err)
		same(t, got, want)
		wantCode(t, s.CreateAccount(t.Context(), want, event.Actor{}), errs.Conflict)
		for _, id := range []string{noSuchID, "", "x", "{" + want.ID + "}"} {
			_, err = s.Account(t.Context(), id)
			wantCode(t, err, errs.NotFound)
		}
	})
}

func TestConnectTwiceIsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		_, err := s.Integration(t.Context(), id)
		wantCode(t, err, errs.NotConnected)
		in := integration.Integration{
			AccountID: id, ID: storetest.ID(t), Region: itglue.RegionEU, SealedKey: []byte{0, 1}, APIKeyHint: "abcd",
			ConnectedAt: storetest.Now(), AutoMap: integration.EverySync, RemovalLimitPercent: 20,
		}
		first := integration.InitialSync{ID: storetest.ID(t), By: event.Actor{TokenID: storetest.ID(t), TokenName: "me"}}
		ok(t, s.Connect(t.Context(), id, in, first))

		got, err := s.Integration(t.Context(), id)
		ok(t, err)
		same(t, got, in)
		active, err := s.ActiveSync(t.Context(), id)
		ok(t, err)
		same(t, active, &orgsync.Sync{
			ID: first.ID, AccountID: id, IntegrationID: in.ID, Kind: orgsync.Initial, Status: orgsync.Queued, Epoch: 1,
			RequestedBy: first.By, CreatedAt: in.ConnectedAt,
		})

		in.ID, first.ID = storetest.ID(t), storetest.ID(t)
		wantCode(t, s.Connect(t.Context(), id, in, first), errs.AlreadyConnected)
		ok(t, s.Connect(t.Context(), storetest.Account(t, s), in, first))
	})
}

func TestAPI1OneAccountNeverSeesAnother(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		a, b := storetest.Account(t, s), storetest.Account(t, s)
		f := storetest.Running(t, s, a)
		storetest.Directory(t, s, f, storetest.Entry(1, "Contoso"))
		org := storetest.Organization(t, s, a, "Contoso")
		storetest.Map(t, s, a, org, storetest.Entry(1, "Contoso"))
		storetest.Connected(t, s, b)

		_, err := s.Organization(ctx, b, org)
		wantCode(t, err, errs.NotFound)
		_, err = s.Mapping(ctx, b, org)
		wantCode(t, err, errs.NotFound)
		_, err = s.OrganizationState(ctx, b, org)
		wantCode(t, err, errs.NotFound)
		_, err = s.DirectoryEntry(ctx, b, "1")
		wantCode(t, err, errs.NotFound)
		_, err = s.Sync(ctx, b, f.SyncID)
		wantCode(t, err, errs.NotFound)
		_, err = s.SyncChanges(ctx, b, f.SyncID, orgsync.ChangeFilter{})
		wantCode(t, err, errs.NotFound)
		_, err = s.CountSyncChanges(ctx, b, f.SyncID, orgsync.ChangeFilter{})
		wantCode(t, err, errs.NotFound)
		wantCode(t, s.UnmapByPerson(ctx, b, org, event.Actor{}), errs.NotFound)
		wantCode(t, s.SetSyncEnabled(ctx, b, org, false, event.Actor{}), errs.NotFound)
		wantCode(t, s.MapOrganization(ctx, b, org, storetest.Live(t, s, b, storetest.Entry(2, "x")), mapping.OriginManual, event.Actor{}), errs.NotFound)
		foreign := orgsync.Fence{AccountID: b, SyncID: f.SyncID, Epoch: f.Epoch}
		for name, write := range fencedWrites(s, foreign) {
			if err := write(t); !errs.Is(err, errs.Fenced) {
				t.Errorf("%s with another account: got %v, want fenced", name, err)
			}
		}
		assertEmpty(t, s, b)

		row, err := s.Mapping(ctx, a, org)
		ok(t, err)
		if row.State != mapping.Active || row.ITGlueID != "1" {
			t.Fatalf("account A's mapping was changed: %+v", row)
		}
	})
}

func assertEmpty(t *testing.T, s *store.Store, accountID string) {
	t.Helper()
	ctx := t.Context()
	organizations, err := s.Organizations(ctx, accountID, organization.Filter{})
	ok(t, err)
	mappings, err := s.Mappings(ctx, accountID, mapping.Filter{})
	ok(t, err)
	rows, err := s.DirectoryRows(ctx, accountID, integration.DirectoryFilter{})
	ok(t, err)
	directory, err := s.Directory(ctx, accountID)
	ok(t, err)
	states, _, err := s.OrganizationStates(ctx, accountID)
	ok(t, err)
	summary, err := s.MappingSummary(ctx, accountID)
	ok(t, err)
	syncs, err := s.CountSyncs(ctx, accountID, orgsync.Filter{})
	ok(t, err)
	n := len(organizations.Items) + len(mappings.Items) + len(rows.Items) + len(directory) + len(states) + summary.Total()
	if n != 0 || syncs != 1 {
		t.Fatalf("sees %d foreign rows and %d syncs", n, syncs)
	}
}
