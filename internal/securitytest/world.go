package securitytest

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/faulttest"
)

// canaryKey is the IT Glue key of the other account.
const canaryKey = "ITG.canary0000000000000000000kanarie"

// World is a server with two accounts: ours, which attacks, and the other one, whose data is all marked.
type World struct {
	t      testing.TB
	site   *e2e.Site
	server *e2e.Server
	db     *faulttest.Database

	otherID       string
	admin, viewer e2e.Client // ours
	other         e2e.Client
	own, foreign  ids
	canaries      []string
}

// ids are an account's ids by what they are the id of.
type ids struct {
	organizations, deleted, syncs, itglue, others []string
	cursors                                       []string
	tags                                          []string
	keys                                          []string // for idempotency
}

func (i ids) all() []string {
	return slices.Concat(i.organizations, i.deleted, i.syncs, i.itglue, i.others)
}

// account makes an account with tokens of the roles, and returns its id and the tokens.
func account(s *e2e.Site, name string, roles ...string) (id string, tokens []string) {
	s.T.Helper()
	id = s.CLI("account", "create", name)
	for _, role := range roles {
		tokens = append(tokens, s.CLI("token", "create", "--account", id, "--role", role, "--name", name+" "+role))
	}
	return id, tokens
}

// NewWorld fills both accounts: ours with 3 organizations, the other with so many more.
func NewWorld(tb testing.TB, site *e2e.Site, size int) *World {
	tb.Helper()
	eu := e2e.Simulator(tb, canaryKey)
	site = site.With("ORGBRIDGE_ITGLUE_EU_URL="+eu.Base, "ORGBRIDGE_REQUESTS_PER_MINUTE=0")
	w := &World{t: tb, site: site}
	_, tokens := account(site, "Ours", "admin", "viewer")
	otherID, others := account(site, "CANARY account", "admin")
	w.otherID = otherID
	w.server = site.Serve()
	w.admin, w.viewer, w.other = w.server.Client(tokens[0]), w.server.Client(tokens[1]), w.server.Client(others[0])
	w.db = faulttest.OpenDatabase(tb, site.Database)

	for i := range 5 {
		site.Add(fmt.Sprintf("Ours %d", i))
	}
	there := *site
	there.Sim = eu
	for i := range 5 + size {
		there.Add(fmt.Sprintf("CANARY customer %d", i), fmt.Sprintf("canary-%d.example.org", i))
	}
	w.own = w.fill(w.admin, "Ours", "ours", 4, map[string]string{"apiKey": e2e.SimKey, "region": "us"})
	w.foreign = w.fill(w.other, "CANARY customer", "canary", size, map[string]string{"apiKey": canaryKey, "region": "eu"})
	w.foreign.itglue = slices.DeleteFunc(w.foreign.itglue, func(id string) bool { return slices.Contains(w.own.itglue, id) })
	w.foreign.others = append(w.foreign.others, otherID)
	texts, err := w.db.Texts(tb.Context(), "SELECT id FROM tokens WHERE account_id = $1", otherID)
	if err != nil {
		tb.Fatal(err)
	}
	w.foreign.others = append(w.foreign.others, texts...)
	w.canaries = slices.Concat([]string{"CANARY", "canary-", canaryKey, `"arie"`, otherID}, w.foreign.organizations, w.foreign.syncs, texts)
	return w
}

func (w *World) fill(c e2e.Client, name, domain string, n int, connect map[string]string) (i ids) {
	w.t.Helper()
	for k := range n {
		i.organizations = append(i.organizations, c.AddOrganization(fmt.Sprintf("%s %d", name, k), fmt.Sprintf("%s-%d.example.org", domain, k)))
	}
	e2e.Call[e2e.IntegrationView](c, "POST", "/integrations/itglue/connect", connect, 201)
	e2e.Eventually(w.t, e2e.Patience, "the end of the initial sync", func() bool {
		return e2e.Call[e2e.IntegrationView](c, "GET", "/integrations/itglue", nil, 200).ActiveSync == nil
	})
	c.RunSync("preview")
	for _, s := range e2e.All[e2e.SyncView](c, "/syncs") {
		i.syncs = append(i.syncs, s.ID)
	}
	for _, o := range e2e.All[e2e.ReferenceView](c, "/integrations/itglue/organizations") {
		i.itglue = append(i.itglue, o.ID)
	}
	key := Unique("key-")
	more := map[string]string{"name": name + " more", "domain": domain + "-more.example.org", "emailPlatform": "microsoft_365"}
	e2e.Call[e2e.OrganizationView](c.WithHeader("Idempotency-Key", key), "POST", "/organizations", more, 201)
	i.keys = []string{key}
	last := i.organizations[n-1]
	e2e.Call[any](c, "DELETE", "/organizations/"+last, nil, 204)
	i.deleted, i.organizations = []string{last}, i.organizations[:n-1]
	for _, list := range []string{"/organizations", "/mappings", "/syncs", "/events", "/integrations/itglue/organizations", "/syncs/" + i.syncs[0] + "/changes"} {
		if cursor := e2e.Call[e2e.ListView[any]](c, "GET", list+"?limit=1", nil, 200).NextCursor; cursor != "" {
			i.cursors = append(i.cursors, cursor)
		}
	}
	for _, one := range []string{"/organizations/" + i.organizations[0], "/mappings/" + i.organizations[0], "/integrations/itglue", "/syncs/" + i.syncs[0]} {
		got, err := c.Try(w.t.Context(), "GET", one, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		i.tags = append(i.tags, got.Header.Get("ETag"))
	}
	return i
}

// Snapshot is the other account's data, one text a row.
func (w *World) Snapshot() []string {
	w.t.Helper()
	tables := []string{"integrations", "directory", "organizations", "mappings", "syncs", "sync_changes", "events", "tokens", "idempotency_keys"}
	all := make([]string, 0, 200)
	for _, table := range tables {
		rows, err := w.db.QueryContext(w.t.Context(), "SELECT * FROM "+table+" WHERE account_id = $1", w.otherID) //nolint:unqueryvet // whatever there is
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, w.texts(table, rows)...)
	}
	slices.Sort(all)
	return all
}

func (w *World) texts(table string, rows *sql.Rows) (all []string) {
	w.t.Helper()
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		w.t.Fatal(err)
	}
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			w.t.Fatal(err)
		}
		var text strings.Builder
		text.WriteString(table)
		for i, column := range columns {
			if column != "last_used_at" {
				_, _ = fmt.Fprintf(&text, " %s=%v", column, values[i])
			}
		}
		all = append(all, text.String())
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return all
}

// searchFor fails the test when an answer to us has anything of the other account in it that the request had not.
func (w *World) searchFor(a attempt, got e2e.Answer) {
	w.t.Helper()
	sent := a.String()
	text := fmt.Sprint(got.Header) + string(got.Body)
	for _, canary := range w.canaries {
		if strings.Contains(text, canary) && !strings.Contains(sent, canary) {
			w.t.Errorf("%s: the answer tells %q of the other account: %d %s", sent, canary, got.Status, got.Body)
		}
	}
}

// send makes an attempt.
func (w *World) send(a attempt) e2e.Answer {
	w.t.Helper()
	c := a.as
	for name, value := range a.header {
		c = c.WithHeader(name, value)
	}
	got, err := c.Try(context.WithoutCancel(w.t.Context()), a.method, a.path, a.body)
	if err != nil {
		w.t.Fatalf("%s: %v", a, err)
	}
	return got
}
