package integration_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/internal/event"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/seal"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

const apiKey = "ITG.CANARY0123456789wxyz"

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// starter notes which syncs are to begin; err is its answer.
type starter struct {
	syncs []string
	err   error
}

func (s *starter) StartSoon(_ context.Context, _, syncID string, _ int) error {
	s.syncs = append(s.syncs, syncID)
	return s.err
}

type bundle struct {
	service   *integration.Service
	store     *store.Store
	accountID string
	by        event.Actor
	starter   *starter
	us, eu    *itgluetest.Listening
}

func newBundle(t *testing.T, s *store.Store) *bundle {
	t.Helper()
	b := &bundle{
		store: s, accountID: storetest.Account(t, s), starter: &starter{}, by: event.Actor{TokenID: storetest.ID(t), TokenName: "test"},
		us: itgluetest.StartTB(t), eu: itgluetest.StartTB(t, itgluetest.WithKey(apiKey)),
	}
	b.eu.Add(itgluetest.Organization{Name: "Acme"}, itgluetest.Organization{Name: "Bolt"})
	path := filepath.Join(t.TempDir(), "keyset.json")
	if err := seal.Create(path); err != nil {
		t.Fatal(err)
	}
	keyset, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	b.service = integration.NewService(integration.Config{
		Store: s, Sealed: s, Keyset: keyset, Starter: b.starter, Now: storetest.Now, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		ITGlue: integration.NewDialer(map[itglue.Region]string{
			itglue.RegionUS: b.us.URL, itglue.RegionEU: b.eu.URL, itglue.RegionAU: "http://127.0.0.1:1",
		}, 0),
	})
	return b
}

func each(t *testing.T, scenario func(t *testing.T, b *bundle)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		scenario(t, newBundle(t, s))
	})
}

func TestConnectStoresTheKeySealedAndBeginsTheInitialSync(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		t.Helper()
		in, err := b.service.Connect(t.Context(), b.accountID, b.by, apiKey, "eu")
		if err != nil {
			t.Fatal(err)
		}
		if in.APIKeyHint != "wxyz" || in.Region != itglue.RegionEU || in.AutoMap != integration.OnConnect {
			t.Errorf("integration %+v", in)
		}
		stored, err := b.store.Integration(t.Context(), b.accountID)
		if err != nil || strings.Contains(string(stored.SealedKey), "CANARY") {
			t.Fatalf("stored %q, %v", stored.SealedKey, err)
		}
		active, err := b.store.ActiveSync(t.Context(), b.accountID)
		if err != nil || active == nil || len(b.starter.syncs) != 1 || b.starter.syncs[0] != active.ID {
			t.Errorf("active %+v, begun %v, %v", active, b.starter.syncs, err)
		}
		client, _, err := b.service.Client(t.Context(), b.accountID)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := client.CountOrganizations(t.Context()); err != nil || n != 2 {
			t.Errorf("the sealed key gives access to %d organizations, %v", n, err)
		}
		if _, err = b.service.Connect(t.Context(), b.accountID, b.by, apiKey, "eu"); !errs.Is(err, errs.AlreadyConnected) {
			t.Errorf("second connect: %v", err)
		}
	})
}

func TestConnectSucceedsWhenTheSyncMustWaitForTheSweeper(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		t.Helper()
		b.starter.err = errors.New("queue away")
		if _, err := b.service.Connect(t.Context(), b.accountID, b.by, apiKey, "eu"); err != nil {
			t.Fatal(err)
		}
		if active, err := b.store.ActiveSync(t.Context(), b.accountID); err != nil || active == nil {
			t.Errorf("the initial sync is lost: %v", err)
		}
	})
}

func TestSealedKeyOpensForItsOwnAccountOnly(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		t.Helper()
		if _, err := b.service.Connect(t.Context(), b.accountID, b.by, apiKey, "eu"); err != nil {
			t.Fatal(err)
		}
		other := storetest.Account(t, b.store)
		storetest.Connect(t, b.store, other)
		storetest.Exec(t, b.store,
			"UPDATE integrations SET sealed_key = (SELECT sealed_key FROM integrations WHERE account_id = $1) WHERE account_id = $2", b.accountID, other)
		b.eu.ResetCalls()
		_, _, err := b.service.Client(t.Context(), other)
		if err == nil || strings.Contains(err.Error(), apiKey) || b.eu.CallCount() > 0 {
			t.Errorf("another account's key was opened: %v, %d calls", err, b.eu.CallCount())
		}
	})
}

func TestFailedConnectStoresNothing(t *testing.T) {
	t.Parallel()
	unavailable := itgluetest.Fault{Kind: itgluetest.FaultStatus, Status: http.StatusBadGateway, Style: itgluetest.BodyHTML}
	for name, c := range map[string]struct {
		region string
		key    string
		fault  *itgluetest.Fault
		want   errs.Code
		hint   any
	}{
		"WrongKey":       {region: "eu", key: "ITG.CANARYwrong", want: errs.ITGlueKeyRejected},
		"WrongRegion":    {region: "us", key: apiKey, want: errs.ITGlueKeyRejected, hint: "eu"},
		"Unreachable":    {region: "au", key: apiKey, want: errs.ITGlueUnavailable},
		"Down":           {region: "eu", key: apiKey, fault: &unavailable, want: errs.ITGlueUnavailable},
		"Rubbish":        {region: "eu", key: apiKey, fault: &itgluetest.Fault{Kind: itgluetest.FaultHTML}, want: errs.ITGlueBadAnswer},
		"Redirect":       {region: "eu", key: apiKey, fault: &itgluetest.Fault{Kind: itgluetest.FaultRedirect, Location: "http://127.0.0.1:1/"}, want: errs.ITGlueBadAnswer},
		"RateLimited":    {region: "eu", key: apiKey, fault: new(itgluetest.RateLimited("60")), want: errs.ITGlueRateLimited},
		"UnknownRegion":  {region: "http://127.0.0.1:1", key: apiKey, want: errs.ValidationFailed},
		"KeyWithNewline": {region: "eu", key: "ITG.CANARY\nX-Evil: 1", want: errs.ValidationFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, b *bundle) {
				t.Helper()
				if c.fault != nil {
					b.eu.Inject(*c.fault)
				}
				_, err := b.service.Connect(t.Context(), b.accountID, b.by, c.key, c.region)
				failed, ok := errors.AsType[*errs.Error](err)
				if !ok || failed.Code != c.want || failed.Params["regionHint"] != c.hint {
					t.Fatalf("error %v, params %v", err, failed)
				}
				if strings.Contains(err.Error(), "CANARY") {
					t.Errorf("the error tells the key: %v", err)
				}
				if _, err := b.store.Integration(t.Context(), b.accountID); !errs.Is(err, errs.NotConnected) {
					t.Errorf("an integration was stored: %v", err)
				}
				if len(b.starter.syncs) > 0 {
					t.Error("a sync was begun")
				}
			})
		})
	}
}

func TestTestTellsWhatIsWrongAndStoresNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		t.Helper()
		for _, c := range []struct {
			key, region string
			want        integration.TestResult
		}{
			{apiKey, "eu", integration.TestResult{OK: true, Organizations: 2}},
			{apiKey, "us", integration.TestResult{Code: errs.ITGlueKeyRejected, RegionHint: "eu"}},
			{"ITG.other", "us", integration.TestResult{Code: errs.ITGlueKeyRejected}},
			{apiKey, "au", integration.TestResult{Code: errs.ITGlueUnavailable}},
		} {
			got, err := b.service.Test(t.Context(), c.key, c.region)
			c.want.Detail = got.Detail
			if err != nil || got != c.want || (got.Detail == "") != got.OK {
				t.Errorf("%s in %s: %+v, %v; want %+v", c.key, c.region, got, err, c.want)
			}
		}
		if _, err := b.store.Integration(t.Context(), b.accountID); !errs.Is(err, errs.NotConnected) {
			t.Errorf("an integration was stored: %v", err)
		}
	})
}
