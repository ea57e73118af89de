package api_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/organization"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/seal"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// world is the whole program but for the job engine: the API over the real services and a SQLite store, with a simulated IT Glue for
// each region. Syncs wait until the test has them worked.
type world struct {
	*testServer

	db       *store.Store
	glue     map[itglue.Region]*itgluetest.Listening
	accounts *account.Service
	runner   *orgsync.Runner
	queue    *queue
	admin    string
	viewer   string
}

// queue notes the syncs that were asked for.
type queue struct {
	mu      sync.Mutex
	waiting []orgsync.Fence
}

func (q *queue) StartSoon(_ context.Context, accountID, id string, epoch int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, orgsync.Fence{AccountID: accountID, SyncID: id, Epoch: epoch})
	return nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOn(t, storetest.SQLite(t))
}

func newWorldOn(t *testing.T, db *store.Store, change ...func(*api.Dependencies)) *world {
	t.Helper()
	w := newNode(t, db, newKeyset(t), change...)
	w.admin, w.viewer = w.newAccount(t)
	return w
}

// microseconds is the clock as a database keeps it, like that of the program.
func microseconds() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// newNode is a world without accounts of its own.
func newNode(t *testing.T, db *store.Store, keyset *seal.Keyset, change ...func(*api.Dependencies)) *world {
	t.Helper()
	w := &world{
		testServer: &testServer{log: &logBuffer{}},
		glue:       map[itglue.Region]*itgluetest.Listening{},
		accounts:   account.NewService(db, time.Now),
		queue:      &queue{},
	}
	urls := map[itglue.Region]string{}
	for _, region := range itglue.Regions() {
		w.glue[region] = itgluetest.StartTB(t)
		urls[region] = w.glue[region].URL
	}
	w.glue[itglue.RegionEU].AddKey(canary)
	log := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	connections := integration.NewService(integration.Config{
		Store: db, Sealed: db, Keyset: keyset, ITGlue: integration.NewDialer(urls, 1_000_000), Starter: w.queue, Now: microseconds, Logger: log,
	})
	w.runner = orgsync.NewRunner(orgsync.RunnerConfig{Syncs: db, State: db, Releases: db, Connections: connections, Now: microseconds, Logger: log})
	d := api.Dependencies{
		Log: log, Now: microseconds, Ready: db.Ready, Draining: func() bool { return false }, Version: "test",
		Authenticator: w.accounts, Tokens: db, Accounts: db, AccountService: w.accounts, Integrations: db, IntegrationService: connections,
		Organizations: db, OrganizationService: organization.NewService(organization.Config{
			Store: db, Connections: connections, Now: microseconds, Logger: log,
		}),
		Mappings: db, MappingService: mapping.NewService(db, connections),
		Events: db, Streams: hurried{}, Keys: db,
		Syncs: db, SyncService: orgsync.NewService(orgsync.ServiceConfig{
			Syncs: db, Refreshes: db, Releases: db, Reads: db, Connections: connections, Starter: w.queue, Now: microseconds, Logger: log,
		}),
	}
	for _, c := range change {
		c(&d)
	}
	var err error
	if w.Handler, err = api.New(d); err != nil {
		t.Fatal(err)
	}
	w.db = db
	return w
}

// keysetOfAll is that of all worlds: there may be several in a database.
var keysetOfAll = sync.OnceValues(func() (*seal.Keyset, error) {
	dir, err := os.MkdirTemp("", "api-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "keyset")
	if err := seal.Create(path); err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return seal.Load("env:" + base64.StdEncoding.EncodeToString(raw))
})

func newKeyset(t *testing.T) *seal.Keyset {
	t.Helper()
	keyset, err := keysetOfAll()
	if err != nil {
		t.Fatal(err)
	}
	return keyset
}

func loadKeyset(t *testing.T, path string) *seal.Keyset {
	t.Helper()
	keyset, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return keyset
}

// newAccount returns the secrets of an admin and a viewer of a new account.
func (w *world) newAccount(t *testing.T) (admin, viewer string) {
	t.Helper()
	a, err := w.accounts.CreateAccount(t.Context(), "Northwind IT", event.Actor{})
	if err != nil {
		t.Fatal(err)
	}
	_, admin, err = w.accounts.CreateToken(t.Context(), account.NewToken{AccountID: a.ID, Role: account.Admin, Name: "admin"}, event.Actor{})
	if err != nil {
		t.Fatal(err)
	}
	_, viewer, err = w.accounts.CreateToken(t.Context(), account.NewToken{AccountID: a.ID, Role: account.Viewer, Name: "viewer"}, event.Actor{})
	if err != nil {
		t.Fatal(err)
	}
	return admin, viewer
}

// work does the syncs that wait.
func (w *world) work(t *testing.T) {
	t.Helper()
	w.queue.mu.Lock()
	waiting := w.queue.waiting
	w.queue.waiting = nil
	w.queue.mu.Unlock()
	for _, f := range waiting {
		if err := w.runner.Run(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
}

// object is an answer as a client without our types sees it.
type object map[string]any

// at follows names and indexes, as in "items.0.name".
func (o object) at(path string) any {
	var value any = map[string]any(o)
	for name := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

// text is a member that is a string.
func (o object) text(t *testing.T, path string) string {
	t.Helper()
	s, ok := o.at(path).(string)
	if !ok {
		t.Fatalf("%s is %v in %v", path, o.at(path), o)
	}
	return s
}

// call makes a request as the admin and checks the status.
func (w *world) call(t *testing.T, method, path, body string, status int) object {
	t.Helper()
	return w.callAs(t, w.admin, method, path, body, status)
}

func (w *world) callAs(t *testing.T, token, method, path, body string, status int) object {
	t.Helper()
	a := do(t, w, request{method: method, path: api.Base + path, token: token, body: body})
	if a.status != status {
		t.Fatalf("%s %s %s: %d %s, want %d", method, path, body, a.status, a.body, status)
	}
	var o object
	if err := json.Unmarshal([]byte(a.body), &o); err != nil {
		t.Fatalf("%s %s: %v in %s", method, path, err, a.body)
	}
	return o
}

func (w *world) add(t *testing.T, name, domain string) string {
	t.Helper()
	body := fmt.Sprintf(`{"name":%q,"domain":%q,"emailPlatform":"google_workspace"}`, name, domain)
	return w.call(t, "POST", "/organizations", body, 201).text(t, "id")
}

// connect connects the account and works its initial sync.
func (w *world) connect(t *testing.T) {
	t.Helper()
	w.call(t, "POST", "/integrations/itglue/connect", `{"apiKey":"`+canary+`","region":"eu"}`, 201)
	w.work(t)
}

func (o object) want(t *testing.T, wants object) {
	t.Helper()
	for path, want := range wants {
		if n, ok := want.(int); ok {
			want = float64(n)
		}
		if got := o.at(path); got != want {
			t.Errorf("%s is %v, want %v, in %v", path, got, want, o)
		}
	}
}

func TestScenarioConnect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.glue[itglue.RegionEU].Add(itgluetest.Organization{ID: "1", Name: "Contoso"}, itgluetest.Organization{ID: "2", Name: "Fabrikam"})
	contoso := w.add(t, "Contoso", "contoso.com")
	w.add(t, "contoso", "contoso.net")
	w.call(t, "GET", "/integrations/itglue", "", 200).want(t, object{"status": "not_connected", "mappings.unmapped": 2, "region": nil})
	w.call(t, "GET", "/integrations/itglue/organizations", "", 409).want(t, object{"code": "not-connected"})
	w.call(t, "POST", "/syncs", `{"kind":"manual"}`, 409).want(t, object{"code": "not-connected"})

	w.call(t, "POST", "/integrations/itglue/test", `{"apiKey":"`+canary+`","region":"eu"}`, 200).want(t, object{"ok": true, "organizations": 2})
	w.call(t, "POST", "/integrations/itglue/test", `{"apiKey":"`+canary+`","region":"us"}`, 200).
		want(t, object{"ok": false, "code": "itglue-key-rejected", "regionHint": "eu"})
	w.call(t, "POST", "/integrations/itglue/test", `{"apiKey":"ITG.nobody","region":"us"}`, 200).
		want(t, object{"ok": false, "code": "itglue-key-rejected", "regionHint": nil})
	w.call(t, "POST", "/integrations/itglue/connect", `{"apiKey":"`+canary+`","region":"au"}`, 422).
		want(t, object{"code": "itglue-key-rejected", "params.regionHint": "eu"})
	w.call(t, "GET", "/integrations/itglue", "", 200).want(t, object{"status": "not_connected"})

	connected := w.call(t, "POST", "/integrations/itglue/connect", `{"apiKey":"`+canary+`","region":"eu"}`, 201)
	connected.want(t, object{
		"status": "connected", "region": "eu", "apiKeyHint": canary[len(canary)-4:], "activeSync.kind": "initial",
		"activeSync.status": "queued", "activeSync.requestedBy.tokenName": "admin", "lastSync": nil, "listedAt": nil,
	})
	w.call(t, "POST", "/integrations/itglue/connect", `{"apiKey":"`+canary+`","region":"eu"}`, 409).want(t, object{"code": "already-connected"})
	running := w.call(t, "POST", "/syncs", `{"kind":"manual"}`, 200)
	running.want(t, object{"id": connected.text(t, "activeSync.id"), "kind": "initial"})

	w.work(t)
	w.callAs(t, w.viewer, "GET", "/integrations/itglue", "", 200).want(t, object{
		"activeSync": nil, "lastSync.status": "succeeded", "lastSync.counts.mapped": 1, "lastSync.counts.listed": 2,
		"mappings.active": 1, "mappings.unmapped": 1, "attention": nil,
	})
	w.call(t, "GET", "/mappings/"+contoso, "", 200).want(t, object{"state": "active", "origin": "auto", "itglueOrganization.id": "1"})
	w.call(t, "GET", "/mappings/summary", "", 200).want(t, object{"total": 2, "unmatched.no-equal-name": 1})
	w.call(t, "GET", "/syncs/"+running.text(t, "id")+"/changes?status=applied&count=true", "", 200).want(t, object{
		"total": 1, "items.0.action": "map", "items.0.reason": "equal-name", "items.0.organization.id": contoso,
	})
	w.call(t, "GET", "/integrations/itglue/organizations?mapped=false&search=FABRI&count=true", "", 200).want(t, object{
		"total": 1, "items.0.id": "2", "items.0.mappedOrganizationId": nil, "nextCursor": nil,
	})
	if strings.Contains(w.log.String(), canary) {
		t.Error("the log has the key")
	}
}

func TestScenarioMap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	glue := w.glue[itglue.RegionEU]
	glue.Add(itgluetest.Organization{ID: "1", Name: "Contoso Ltd"}, itgluetest.Organization{ID: "2", Name: "Fabrikam Ltd"})
	contoso, fabrikam := w.add(t, "Contoso", "contoso.com"), w.add(t, "Fabrikam", "fabrikam.com")
	w.call(t, "PUT", "/mappings/"+contoso, `{"itglueOrganizationId":"1"}`, 409).want(t, object{"code": "not-connected"})
	w.connect(t)
	w.call(t, "PATCH", "/mappings/"+contoso, `{"syncEnabled":true}`, 409).want(t, object{"code": "not-mapped"})
	w.call(t, "POST", "/mappings/"+contoso+"/sync", "", 409).want(t, object{"code": "not-mapped"})
	w.call(t, "PUT", "/mappings/"+contoso, `{"itglueOrganizationId":"99"}`, 422).want(t, object{"errors.0.pointer": "/itglueOrganizationId"})

	w.call(t, "PUT", "/mappings/"+contoso, `{"itglueOrganizationId":"1"}`, 200).
		want(t, object{"state": "active", "origin": "manual", "organization.name": "Contoso", "itglueOrganization.name": "Contoso Ltd"})
	w.call(t, "PUT", "/mappings/"+fabrikam, `{"itglueOrganizationId":"1"}`, 409).want(t, object{
		"code": "itglue-organization-already-mapped", "params.organizationId": contoso, "params.organizationName": "Contoso",
	})
	w.call(t, "GET", "/organizations/"+contoso, "", 200).want(t, object{"mapped": true, "name": "Contoso"})
	w.call(t, "PATCH", "/mappings/"+contoso, `{"syncEnabled":false}`, 200).want(t, object{"state": "paused", "syncEnabled": false})
	w.call(t, "POST", "/syncs", `{"kind":"manual"}`, 202)
	w.work(t)
	w.call(t, "GET", "/mappings/"+contoso, "", 200).want(t, object{"state": "paused", "organization.name": "Contoso"})

	w.call(t, "POST", "/mappings/"+contoso+"/sync", "", 200).want(t, object{"state": "paused", "organization.name": "Contoso Ltd"})
	glue.Delete("1")
	w.call(t, "POST", "/mappings/"+contoso+"/sync", "", 200).
		want(t, object{"state": "unmapped", "itglueOrganization": nil, "unmatched.code": "deleted-in-itglue"})

	w.call(t, "PUT", "/mappings/"+fabrikam, `{"itglueOrganizationId":"2"}`, 200)
	w.call(t, "DELETE", "/mappings/"+fabrikam, "", 200).want(t, object{"state": "unmapped", "unmatched.code": "unmapped-by-person"})
	w.call(t, "DELETE", "/mappings/"+fabrikam, "", 200).want(t, object{"state": "unmapped"})
	w.call(t, "GET", "/mappings?unmatched=unmapped-by-person", "", 200).want(t, object{"items.0.organization.id": fabrikam, "items.1": nil})

	late := glue.Add(itgluetest.Organization{Name: "Later than the listing"})[0]
	w.call(t, "PUT", "/mappings/"+fabrikam, `{"itglueOrganizationId":"`+late+`"}`, 200).want(t, object{"itglueOrganization.id": late})
}

func TestScenarioSync(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	glue := w.glue[itglue.RegionEU]
	glue.Add(itgluetest.Organization{ID: "1", Name: "Contoso"})
	contoso := w.add(t, "Contoso", "contoso.com")
	w.connect(t)
	glue.Rename("1", "Contoso Ltd")

	preview := w.call(t, "POST", "/syncs", `{"kind":"preview"}`, 202).text(t, "id")
	w.work(t)
	w.call(t, "GET", "/syncs/"+preview, "", 200).want(t, object{"status": "succeeded", "counts.renamed": 1, "progress.phase": "applying"})
	w.call(t, "GET", "/syncs/"+preview+"/changes", "", 200).want(t, object{
		"items.0.action": "rename", "items.0.status": "planned", "items.0.before": "Contoso", "items.0.after": "Contoso Ltd",
	})
	w.call(t, "GET", "/organizations/"+contoso, "", 200).want(t, object{"name": "Contoso"})

	manual := w.call(t, "POST", "/syncs", `{"kind":"manual"}`, 202).text(t, "id")
	w.work(t)
	w.call(t, "GET", "/organizations/"+contoso, "", 200).want(t, object{"name": "Contoso Ltd"})
	w.call(t, "GET", "/syncs?count=true", "", 200).want(t, object{"total": 3, "items.0.id": manual, "items.1.id": preview, "items.2.kind": "initial"})

	glue.RevokeKey(canary)
	w.call(t, "POST", "/mappings/"+contoso+"/sync", "", 422).want(t, object{"code": "itglue-key-rejected"})
	w.call(t, "POST", "/syncs", `{"kind":"manual"}`, 202)
	w.work(t)
	w.call(t, "GET", "/integrations/itglue", "", 200).want(t, object{
		"status": "attention", "attention.code": "credentials-rejected", "mappings.active": 1,
	})
	tiles := do(t, w, request{method: "GET", path: api.Base + "/integrations", token: w.viewer})
	if !strings.Contains(tiles.body, `"status":"attention"`) {
		t.Errorf("the tiles are %s", tiles.body)
	}
}

func TestScenarioOrganizations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.call(t, "POST", "/organizations", `{"name":"Bücher","domain":"BÜCHER.de.","emailPlatform":"google_workspace"}`, 201).
		want(t, object{"name": "Bücher", "domain": "xn--bcher-kva.de", "mapped": false})
	w.call(t, "POST", "/organizations", `{"name":"Other","domain":"xn--bcher-kva.de","emailPlatform":"google_workspace"}`, 409).
		want(t, object{"code": "domain-taken"})
	for _, domain := range []string{"com", "co.uk", "github.io", "localhost", "127.0.0.1", "https://a.com", "a@b.com", "a..com", "-a.com"} {
		w.call(t, "POST", "/organizations", fmt.Sprintf(`{"name":" ","domain":%q,"emailPlatform":"google_workspace"}`, domain), 422).
			want(t, object{"errors.0.pointer": "/name", "errors.1.pointer": "/domain"})
	}
	for i := range 7 {
		w.add(t, fmt.Sprintf("Customer %d", i), fmt.Sprintf("customer%d.com", i))
	}
	var forward, backward []string
	for _, walk := range []struct {
		sort string
		into *[]string
	}{{"name", &forward}, {"-name", &backward}} {
		query := "?search=CUSTOMER&limit=3&count=true&sort=" + walk.sort
		for next := ""; ; {
			rows := w.callAs(t, w.viewer, "GET", "/organizations"+query+next, "", 200)
			rows.want(t, object{"total": 7})
			for i := 0; rows.at(fmt.Sprintf("items.%d", i)) != nil; i++ {
				*walk.into = append(*walk.into, rows.text(t, fmt.Sprintf("items.%d.name", i)))
			}
			if rows["nextCursor"] == nil {
				break
			}
			next = "&cursor=" + url.QueryEscape(rows.text(t, "nextCursor"))
		}
	}
	slices.Reverse(backward)
	if len(forward) != 7 || !slices.Equal(forward, backward) {
		t.Errorf("%v and %v", forward, backward)
	}
}

// TestScenarioOtherAccounts walks over everything of one account with the token of another.
func TestAPI1ScenarioOtherAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.glue[itglue.RegionEU].Add(itgluetest.Organization{ID: "1", Name: "Contoso"})
	contoso := w.add(t, "Contoso", "contoso.com")
	w.connect(t)
	syncs := w.call(t, "GET", "/syncs", "", 200)
	stranger, _ := w.newAccount(t)
	w.callAs(t, stranger, "POST", "/integrations/itglue/connect", `{"apiKey":"`+canary+`","region":"eu"}`, 201)
	w.work(t)
	for _, r := range api.Routes() {
		path := strings.NewReplacer(":organizationId", contoso, ":syncId", syncs.text(t, "items.0.id")).Replace(r.Path)
		if path == r.Path {
			continue
		}
		a := do(t, w, request{method: r.Method, path: path, token: stranger, body: bodyOf(r)})
		wantProblem(t, a, 404, "not-found")
		never := strings.NewReplacer(":organizationId", noID, ":syncId", noID).Replace(r.Path)
		b := do(t, w, request{method: r.Method, path: never, token: stranger, body: bodyOf(r)})
		p, q := a.problem(t), b.problem(t)
		p.Instance, p.RequestID, q.Instance, q.RequestID = "", "", "", ""
		if fmt.Sprint(p) != fmt.Sprint(q) {
			t.Errorf("%s %s: %+v differs from %+v", r.Method, r.Path, p, q)
		}
	}
	for _, list := range []string{"/organizations", "/mappings"} {
		w.callAs(t, stranger, "GET", list+"?count=true", "", 200).want(t, object{"total": 0, "items.0": nil})
	}
	w.callAs(t, stranger, "GET", "/syncs?count=true", "", 200).want(t, object{"total": 1})
	w.callAs(t, stranger, "GET", "/integrations/itglue/organizations", "", 200).want(t, object{"items.0.mappedOrganizationId": nil})
	w.callAs(t, stranger, "GET", "/integrations/itglue", "", 200).want(t, object{"mappings.active": 0, "mappings.unmapped": 0})
	w.callAs(t, stranger, "POST", "/organizations", `{"name":"Contoso","domain":"contoso.com","emailPlatform":"google_workspace"}`, 201)
	w.call(t, "GET", "/mappings/"+contoso, "", 200).want(t, object{"state": "active", "organization.name": "Contoso"})
}

// TestAClosedDatabase is the unforeseen in earnest.
func TestAClosedDatabase(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	s := newServer(t, func(d *api.Dependencies) { d.Organizations, d.Ready = db, db.Ready })
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	a := do(t, s, request{method: "GET", path: organizations, token: "viewer"})
	if a.status != 500 && a.status != 503 || strings.Contains(a.body, "sql") {
		t.Errorf("%d %s", a.status, a.body)
	}
	wantProblem(t, do(t, s, request{method: "GET", path: "/readyz"}), 503, "unavailable")
}
