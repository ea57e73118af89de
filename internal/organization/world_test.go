package organization_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/organization"
	"github.com/orgbridge/orgbridge/internal/page"
	"github.com/orgbridge/orgbridge/internal/seal"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

const (
	apiKey      = "ITG.CANARY0123456789wxyz"
	domainCalls = "/organizations/*/relationships/domains"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// world is one account with a simulated IT Glue.
type world struct {
	t           *testing.T
	store       *brittle
	itglue      *itgluetest.Listening
	connections *integration.Service
	service     *organization.Service
	accountID   string
	by          event.Actor
	log         *logText
}

// brittle is a store some of whose methods can be made to fail.
type brittle struct {
	*store.Store

	fail func(method string, o organization.Organization) error
}

func (b *brittle) ImportOrganization(
	ctx context.Context, accountID string, o organization.Organization, from organization.Source, by event.Actor,
) error {
	if b.fail != nil {
		if err := b.fail("ImportOrganization", o); err != nil {
			return err
		}
	}
	return b.Store.ImportOrganization(ctx, accountID, o, from, by)
}

func (b *brittle) DomainHolders(ctx context.Context, accountID string, domains []string) (map[string]string, error) {
	if b.fail != nil {
		if err := b.fail("DomainHolders", organization.Organization{}); err != nil {
			return nil, err
		}
	}
	return b.Store.DomainHolders(ctx, accountID, domains)
}

func (b *brittle) AlreadyMapped(ctx context.Context, accountID string, ids []string) (map[string]*errs.Error, error) {
	if b.fail != nil {
		if err := b.fail("AlreadyMapped", organization.Organization{}); err != nil {
			return nil, err
		}
	}
	return b.Store.AlreadyMapped(ctx, accountID, ids)
}

type logText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

type noStarter struct{}

func (noStarter) StartSoon(context.Context, string, string, int) error { return nil }

// eachWorld runs a scenario on both databases.
func eachWorld(t *testing.T, scenario func(w *world)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		scenario(newWorld(t, s))
	})
}

// oneWorld is for what does not depend on the database.
func oneWorld(t *testing.T) *world {
	t.Helper()
	return newWorld(t, storetest.SQLite(t))
}

func newWorld(t *testing.T, s *store.Store) *world {
	t.Helper()
	w := &world{
		t: t, store: &brittle{Store: s}, itglue: itgluetest.StartTB(t, itgluetest.WithKey(apiKey)), accountID: storetest.Account(t, s),
		by: event.Actor{TokenID: storetest.ID(t), TokenName: "test"}, log: &logText{},
	}
	path := filepath.Join(t.TempDir(), "keyset.json")
	w.ok(seal.Create(path))
	keyset, err := seal.Load(path)
	w.ok(err)
	logger := slog.New(slog.NewTextHandler(w.log, nil))
	w.connections = integration.NewService(integration.Config{
		Store: s, Sealed: s, Keyset: keyset, Starter: noStarter{}, Now: storetest.Now, Logger: logger,
		ITGlue: integration.NewDialer(map[itglue.Region]string{itglue.RegionUS: w.itglue.URL}, 0),
	})
	w.service = organization.NewService(organization.Config{
		Store: w.store, Connections: w.connections, Now: storetest.Now, Logger: logger,
	})
	return w
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) wantCode(err error, code errs.Code) {
	w.t.Helper()
	if errs.CodeOf(err) != code {
		w.t.Fatalf("got %v, want %s", err, code)
	}
}

func (w *world) connect() {
	w.t.Helper()
	_, err := w.connections.Connect(w.t.Context(), w.accountID, w.by, apiKey, "us")
	w.ok(err)
}

// theirs adds an IT Glue organization and returns its id.
func (w *world) theirs(name string, domains ...string) string {
	return w.itglue.Add(itgluetest.Organization{Name: name, Domains: domains})[0]
}

func (w *world) create(n organization.New) (organization.Organization, error) {
	w.t.Helper()
	if n.EmailPlatform == "" {
		n.EmailPlatform = organization.Microsoft365
	}
	return w.service.Create(w.t.Context(), w.accountID, n, w.by)
}

// items are those of an import: an id alone, or an id and a domain with a blank between them.
func items(texts ...string) []organization.Item {
	all := make([]organization.Item, len(texts))
	for i, text := range texts {
		id, domain, given := strings.Cut(text, " ")
		all[i] = organization.Item{ITGlueID: id, EmailPlatform: organization.GoogleWorkspace}
		if given {
			all[i].Domain = &domain
		}
	}
	return all
}

func (w *world) imported(all []organization.Item) []organization.Outcome {
	w.t.Helper()
	outcomes, err := w.service.Import(w.t.Context(), w.accountID, all, w.by)
	w.ok(err)
	if len(outcomes) != len(all) {
		w.t.Fatalf("%d outcomes of %d items", len(outcomes), len(all))
	}
	for i, o := range outcomes {
		if o.ITGlueID != all[i].ITGlueID || (o.Failure == nil) != (o.Organization.ID != "") {
			w.t.Errorf("item %d is %+v and came to %+v", i, all[i], o)
		}
	}
	return outcomes
}

// want checks what became of the items: a domain, or a code.
func (w *world) want(outcomes []organization.Outcome, wants ...string) {
	w.t.Helper()
	if got := told(outcomes); !slices.Equal(got, wants) {
		w.t.Errorf("got %q, want %q", got, wants)
	}
}

func told(outcomes []organization.Outcome) []string {
	all := make([]string, len(outcomes))
	for i, o := range outcomes {
		switch {
		case o.Failure == nil:
			all[i] = o.Organization.Domain
		case len(o.Failure.Fields) > 0:
			all[i] = o.Failure.Fields[0].Code
		default:
			all[i] = string(o.Failure.Code)
		}
	}
	return all
}

// stored are the account's organizations by name, as "name domain".
func (w *world) stored() []string {
	w.t.Helper()
	var all []string
	f := organization.Filter{Limit: 200}
	for {
		rows, err := w.store.Organizations(w.t.Context(), w.accountID, f)
		w.ok(err)
		for _, o := range rows.Items {
			all = append(all, fmt.Sprintf("%s %s", o.Name, o.Domain))
		}
		if f.After = rows.Next; f.After == (*page.Position)(nil) {
			return all
		}
	}
}

// callsTo counts the requests that IT Glue got for a path.
func (w *world) callsTo(suffix string) (n int) {
	for _, call := range w.itglue.Calls() {
		if strings.HasSuffix(call.Path, suffix) {
			n++
		}
	}
	return n
}
