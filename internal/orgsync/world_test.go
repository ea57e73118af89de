package orgsync_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/event"

	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/organization"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/page"
	"github.com/orgbridge/orgbridge/internal/seal"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

const apiKey = "ITG.CANARY0123456789"

// world is an account with everything around it: a real store and a simulated IT Glue. Syncs run when the test says so.
type world struct {
	t             *testing.T
	store         *store.Store
	itglue        *itgluetest.Listening
	accountID     string
	token         event.Actor
	integrations  *integration.Service
	organizations *organization.Service
	mappings      *mapping.Service
	syncs         *orgsync.Service
	runner        *orgsync.Runner
	nights        *orgsync.Nights
	dial          func() *integration.Dialer // the one of the last redial, anew
}

// started ignores what is to begin soon: the test begins it.
type started struct{}

func (started) StartSoon(context.Context, string, string, int) error { return nil }

// eachWorld runs a scenario on both databases.
func eachWorld(t *testing.T, scenario func(w *world)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		scenario(newWorld(t, s, storetest.Now))
	})
}

// keyset is that of all worlds: there may be several in a database.
var keyset = sync.OnceValues(func() (*seal.Keyset, error) {
	dir, err := os.MkdirTemp("", "orgsync-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "keyset.json")
	if err := seal.Create(path); err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return seal.Load("env:" + base64.StdEncoding.EncodeToString(raw))
})

func newWorld(t *testing.T, s *store.Store, now func() time.Time) *world {
	t.Helper()
	w := &world{t: t, store: s, itglue: itgluetest.StartTB(t, itgluetest.WithKey(apiKey)), accountID: storetest.Account(t, s)}
	w.token = event.Actor{TokenID: storetest.ID(t), TokenName: "test"}
	keyset, err := keyset()
	w.ok(err)
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	w.integrations = integration.NewService(integration.Config{
		Store: s, Sealed: s, Keyset: keyset, Starter: started{}, Now: now, Logger: logger,
		ITGlue: integration.NewDialer(map[itglue.Region]string{
			itglue.RegionUS: w.itglue.URL, itglue.RegionEU: "http://127.0.0.1:1", itglue.RegionAU: "http://127.0.0.1:1",
		}, 0),
	})
	w.organizations = organization.NewService(organization.Config{Store: s, Connections: w.integrations, Now: now})
	w.mappings = mapping.NewService(s, w.integrations)
	w.syncs = orgsync.NewService(orgsync.ServiceConfig{
		Syncs: s, Refreshes: s, Releases: s, Reads: s, Connections: w.integrations, Starter: started{}, Now: now, Logger: logger,
	})
	w.runner = orgsync.NewRunner(orgsync.RunnerConfig{
		Syncs: s, State: s, Releases: s, Connections: w.integrations, Now: now, Logger: logger, Lease: time.Minute,
	})
	w.nights = orgsync.NewNights(s, logger)
	return w
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// theirs adds IT Glue organizations and returns their ids.
func (w *world) theirs(names ...string) []string {
	organizations := make([]itgluetest.Organization, len(names))
	for i, name := range names {
		organizations[i].Name = name
	}
	return w.itglue.Add(organizations...)
}

// ours adds organizations and returns their ids.
func (w *world) ours(names ...string) []string {
	w.t.Helper()
	ids := make([]string, len(names))
	for i, name := range names {
		o, err := w.organizations.Create(w.t.Context(), w.accountID, organization.New{
			Name: name, Domain: fmt.Sprintf("d%s.example.com", storetest.ID(w.t)), EmailPlatform: organization.Microsoft365,
		}, w.token)
		w.ok(err)
		ids[i] = o.ID
	}
	return ids
}

// connect connects and runs the initial sync.
func (w *world) connect() orgsync.Sync {
	w.t.Helper()
	_, err := w.integrations.Connect(w.t.Context(), w.accountID, w.token, apiKey, "us")
	w.ok(err)
	active, err := w.store.ActiveSync(w.t.Context(), w.accountID)
	w.ok(err)
	return w.run(*active)
}

func (w *world) sync(kind orgsync.Kind) orgsync.Sync {
	w.t.Helper()
	return w.run(w.start(kind))
}

func (w *world) start(kind orgsync.Kind) orgsync.Sync {
	w.t.Helper()
	s, _, err := w.syncs.Start(w.t.Context(), w.accountID, kind, w.token)
	w.ok(err)
	return s
}

func (w *world) run(s orgsync.Sync) orgsync.Sync {
	w.t.Helper()
	w.ok(w.runner.Run(w.t.Context(), fence(s)))
	return w.read(s)
}

func (w *world) read(s orgsync.Sync) orgsync.Sync {
	w.t.Helper()
	read, err := w.store.Sync(w.t.Context(), w.accountID, s.ID)
	w.ok(err)
	return read
}

func fence(s orgsync.Sync) orgsync.Fence {
	return orgsync.Fence{AccountID: s.AccountID, SyncID: s.ID, Epoch: s.Epoch}
}

func (w *world) row(organizationID string) mapping.Row {
	w.t.Helper()
	row, err := w.store.Mapping(w.t.Context(), w.accountID, organizationID)
	w.ok(err)
	return row
}

func (w *world) changes(s orgsync.Sync) []string {
	w.t.Helper()
	found, err := w.store.SyncChanges(w.t.Context(), w.accountID, s.ID, orgsync.ChangeFilter{Limit: 200})
	w.ok(err)
	return describe(found)
}

func describe(found page.Page[orgsync.Change]) []string {
	lines := make([]string, 0, len(found.Items))
	for _, c := range found.Items {
		lines = append(lines, fmt.Sprintf("%s %s %s %s", c.OrganizationName, c.Action, c.Status, c.Reason))
	}
	return lines
}

// expect compares a sync's end and changes.
func (w *world) expect(s orgsync.Sync, status orgsync.Status, changes ...string) {
	w.t.Helper()
	if s.Status != status {
		w.t.Fatalf("the sync is %s (%+v), want %s", s.Status, s.Failure, status)
	}
	got := w.changes(s)
	if len(got) != len(changes) {
		w.t.Fatalf("changes %q, want %q", got, changes)
	}
	for i := range got {
		if got[i] != changes[i] {
			w.t.Errorf("change %d is %q, want %q", i+1, got[i], changes[i])
		}
	}
}

// expectRow compares an organization's name, its IT Glue organization and state.
func (w *world) expectRow(organizationID, name, itglueID string, state mapping.State) {
	w.t.Helper()
	if r := w.row(organizationID); r.OrganizationName != name || r.ITGlueID != itglueID || r.State != state {
		w.t.Errorf("row %+v, want %q mapped to %q, %s", r, name, itglueID, state)
	}
}
