package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/internal/event"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

const (
	organizationJSON = `{"id":"` + orgID + `","name":"Contoso","domain":"contoso.com","emailPlatform":"microsoft_365","mapped":true,` +
		`"createdAt":"2026-01-31T11:00:00Z","updatedAt":"2026-01-31T11:00:00Z"}`
	mappingJSON = `{"organization":{"id":"` + orgID + `","name":"Contoso","domain":"contoso.com"},` +
		`"itglueOrganization":{"id":"42","name":"Contoso Ltd"},"state":"active","syncEnabled":true,"origin":"auto",` +
		`"mappedAt":"2026-01-31T11:00:00Z","lastSyncedAt":"2026-01-31T11:00:00Z","unmatched":null}`
	syncJSON = `{"id":"` + syncID + `","kind":"manual","dueDate":null,"status":"running","progress":{"phase":"applying","done":5,"total":9},` +
		`"counts":{"listed":1,"unchanged":2,"renamed":3,"mapped":4,"unmapped":5,"held":6,"skipped":7},` +
		`"error":{"code":"itglue-timeout","detail":"Slow."},"attempt":1,"createdAt":"2026-01-31T11:00:00Z",` +
		`"startedAt":"2026-01-31T11:00:00Z","finishedAt":null,"requestedBy":{"tokenId":"` + tokenID + `","tokenName":"Nightly","subject":null}}`
	integrationJSON = `{"id":"itglue","status":"connected","region":"eu","apiKeyHint":"9f3c","connectedAt":"2026-01-31T11:00:00Z",` +
		`"dailySync":{"enabled":true,"timeZone":"America/New_York","time":"00:00","nextRunAt":"2026-01-31T11:00:00Z"},` +
		`"autoMap":"on_connect","removalLimitPercent":10,"listedAt":"2026-01-31T11:00:00Z","lastSync":null,"activeSync":null,` +
		`"attention":null,"mappings":{"unmapped":3,"active":2,"paused":1}}`
	oneMapping        = api.Base + "/mappings/" + orgID
	oneSyncPath       = api.Base + "/syncs/" + syncID
	itglueIntegration = api.Base + "/integrations/itglue"
)

// TestAnswers fixes the wire format: the exact JSON of each kind of answer.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		r      request
		status int
		want   string
	}{
		{"me", request{method: "GET", path: api.Base + "/me", token: "viewer"}, 200, `{"account":{"id":"` + accountA +
			`","name":"Northwind","createdAt":"2026-01-31T11:00:00Z"},"role":"viewer","token":{"id":"` + tokenID + `","name":"Nightly","hint":"ob_4fJk","expiresAt":null},"subject":null}`},
		{"me as operator", request{method: "GET", path: api.Base + "/me", token: "operator"}, 200,
			`{"account":null,"role":"operator","token":{"id":"` + tokenID + `","name":"Nightly","hint":"ob_4fJk","expiresAt":null},"subject":null}`},
		{"integrations", request{method: "GET", path: api.Base + "/integrations", token: "viewer"}, 200,
			`[{"id":"itglue","name":"IT Glue","status":"connected"}]`},
		{"integration", request{method: "GET", path: api.Base + "/integrations/itglue", token: "viewer"}, 200, integrationJSON},
		{"connect", request{method: "POST", path: connect, token: "admin", body: `{"apiKey":"k","region":"eu"}`}, 201, integrationJSON},
		{"test", request{method: "POST", path: api.Base + "/integrations/itglue/test", token: "admin", body: `{"apiKey":"k","region":"eu"}`},
			200, `{"ok":true,"organizations":123}`},
		{"change", request{method: "PATCH", path: itglueIntegration, token: "admin", body: `{}`}, 200, integrationJSON},
		{"deactivate", request{method: "DELETE", path: itglueIntegration + "?confirm=true", token: "admin"}, 200, `{"mappingsRemoved":95}`},
		{"directory", request{method: "GET", path: api.Base + "/integrations/itglue/organizations?count=true", token: "viewer"}, 200,
			`{"items":[{"id":"42","name":"Contoso Ltd","shortName":"CTS","typeName":"Customer","statusName":"Active","primary":false,` +
				`"mappedOrganizationId":null},{"id":"43","name":"Us","shortName":"","typeName":"","statusName":"","primary":true,` +
				`"mappedOrganizationId":"` + orgID + `"}],"nextCursor":null,"total":2,"listedAt":"2026-01-31T11:00:00Z"}`},
		{"organizations", request{method: "GET", path: organizations, token: "viewer"}, 200,
			`{"items":[` + organizationJSON + `],"nextCursor":null}`},
		{"organization", request{method: "GET", path: organizations + "/" + orgID, token: "viewer"}, 200, organizationJSON},
		{"mappings", request{method: "GET", path: api.Base + "/mappings?count=true", token: "viewer"}, 200,
			`{"items":[` + mappingJSON + `],"nextCursor":null,"total":1}`},
		{"mapping", request{method: "GET", path: oneMapping, token: "viewer"}, 200, mappingJSON},
		{"mapping summary", request{method: "GET", path: api.Base + "/mappings/summary", token: "viewer"}, 200,
			`{"total":6,"unmapped":3,"active":2,"paused":1,"unmatched":{"ambiguous":2,"deleted-in-itglue":0,` +
				`"itglue-organization-already-mapped":0,"no-equal-name":0,"not-auto-mapped":0,"unmapped-by-person":0}}`},
		{"syncs", request{method: "GET", path: api.Base + "/syncs", token: "viewer"}, 200, `{"items":[` + syncJSON + `],"nextCursor":null}`},
		{"sync", request{method: "GET", path: api.Base + "/syncs/" + syncID, token: "viewer"}, 200, syncJSON},
		{"start", request{method: "POST", path: api.Base + "/syncs", token: "admin", body: `{"kind":"preview"}`}, 202, syncJSON},
		{"cancel", request{method: "POST", path: oneSyncPath + "/cancel", token: "admin"}, 200, syncJSON},
		{"release", request{method: "POST", path: oneSyncPath + "/release", token: "admin"}, 202, syncJSON},
		{"reject", request{method: "POST", path: oneSyncPath + "/reject", token: "admin"}, 200, syncJSON},
		{"events", request{method: "GET", path: api.Base + "/events?count=true", token: "viewer"}, 200,
			`{"items":[{"id":"` + oneEvent().ID() + `","sequence":7,"type":"organization.renamed","at":"2026-01-31T11:00:00Z",` +
				`"actor":{"tokenId":"` + tokenID + `","tokenName":"Nightly","subject":null},"syncId":"` + syncID + `","organization":{"id":"` + orgID +
				`","name":"Contoso"},"itglueOrganization":{"id":"42","name":"Contoso Ltd"},"before":{"name":"Contoso"},` +
				`"after":{"name":"Contoso Ltd"},"detail":"renamed-in-itglue"}],"nextCursor":null,"total":1}`},
		{"changes", request{method: "GET", path: api.Base + "/syncs/" + syncID + "/changes?count=true", token: "viewer"}, 200,
			`{"items":[{"seq":1,"action":"rename","status":"applied","reason":"renamed-in-itglue","organization":{"id":"` + orgID +
				`","name":"Contoso"},"itglueOrganization":{"id":"42","name":"Contoso Ltd"},"before":"Contoso","after":"Contoso Ltd"},` +
				`{"seq":2,"action":"skip","status":"refused","reason":"ambiguous","organization":{"id":"` + orgID +
				`","name":"Contoso"},"itglueOrganization":null,"before":null,"after":null}],"nextCursor":null,"total":2}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			a := do(t, s, c.r)
			if a.status != c.status || !sameJSON(t, a.body, c.want) {
				t.Errorf("got %d %s, want %d %s", a.status, a.body, c.status, c.want)
			}
			if got := a.header.Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type is %q", got)
			}
		})
	}
}

// sameJSON compares two texts but for white space.
func sameJSON(t *testing.T, got, want string) bool {
	t.Helper()
	var a, b bytes.Buffer
	for buf, text := range map[*bytes.Buffer]string{&a: got, &b: want} {
		if err := json.Compact(buf, []byte(text)); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	return bytes.Equal(bytes.TrimSpace(a.Bytes()), b.Bytes())
}

func TestLocations(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	start := request{method: "POST", path: api.Base + "/syncs", token: "admin", body: `{"kind":"manual"}`}
	for _, c := range []struct {
		r       request
		running bool
		status  int
		want    string
	}{
		{r: start, status: 202, want: "/api/v1/syncs/" + syncID},
		{r: start, running: true, status: 200, want: "/api/v1/syncs/" + syncID},
		{r: request{method: "POST", path: oneSyncPath + "/release", token: "admin"}, status: 202, want: oneSyncPath},
		{r: request{method: "POST", path: connect, token: "admin", body: `{"apiKey":"k","region":"eu"}`}, status: 201, want: "/api/v1/integrations/itglue"},
	} {
		s.fake.start = !c.running
		if a := do(t, s, c.r); a.status != c.status || a.header.Get("Location") != c.want {
			t.Errorf("%s %s: %d with Location %q", c.r.method, c.r.path, a.status, a.header.Get("Location"))
		}
	}
}

func TestAnAccountThatIsNotConnected(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.fake.hook = func(_ context.Context, method string) error {
		if method == "Integration" {
			return errs.New(errs.NotConnected, "Not connected.")
		}
		return nil
	}
	a := do(t, s, request{method: "GET", path: api.Base + "/integrations/itglue", token: "viewer"})
	want := `{"id":"itglue","status":"not_connected","region":null,"apiKeyHint":null,"connectedAt":null,"dailySync":null,"autoMap":null,` +
		`"removalLimitPercent":null,"listedAt":null,"lastSync":null,"activeSync":null,"attention":null,` +
		`"mappings":{"unmapped":3,"active":2,"paused":1}}`
	if a.status != http.StatusOK || !sameJSON(t, a.body, want) {
		t.Errorf("the integration is %d %s", a.status, a.body)
	}
	a = do(t, s, request{method: "GET", path: api.Base + "/integrations", token: "viewer"})
	if want := `[{"id":"itglue","name":"IT Glue","status":"not_connected"}]`; !sameJSON(t, a.body, want) {
		t.Errorf("the tiles are %s", a.body)
	}
	a = do(t, s, request{method: "GET", path: api.Base + "/integrations/itglue/organizations", token: "viewer"})
	wantProblem(t, a, 409, "not-connected")
}

func TestAnIntegrationThatNeedsAttention(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	sync := oneSync()
	sync.Failure, sync.RequestedBy, sync.Progress.Phase = nil, event.Actor{}, ""
	sync.Kind, sync.DueDate = orgsync.Daily, "2026-01-31"
	s.fake.active = &sync
	s.fake.in.Attention = &integration.Attention{Code: integration.CredentialsRejected, Detail: "Refused.", Since: noon()}
	a := do(t, s, request{method: "GET", path: api.Base + "/integrations/itglue", token: "viewer"})
	for _, want := range []string{
		`"status":"attention"`, `"attention":{"code":"credentials-rejected","detail":"Refused.","since":"2026-01-31T11:00:00Z","syncId":null}`,
		`"activeSync":{"id":"` + syncID + `"`, `"progress":{"phase":null,`, `"error":null`, `"requestedBy":null`,
		`"kind":"daily","dueDate":"2026-01-31"`,
	} {
		if !strings.Contains(a.body, want) {
			t.Errorf("no %s in %s", want, a.body)
		}
	}
}

func TestAnIntegrationWithHeldRemovals(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	held := oneSync()
	held.Status, held.FinishedAt, held.Counts.Held = orgsync.Held, held.StartedAt, 40
	s.fake.in.HeldSyncID, s.fake.last = syncID, &held
	wantIn := func(texts ...string) {
		t.Helper()
		a := do(t, s, request{method: "GET", path: api.Base + "/integrations/itglue", token: "viewer"})
		for _, want := range texts {
			if !strings.Contains(a.body, want) {
				t.Errorf("no %s in %s", want, a.body)
			}
		}
	}
	wantIn(`"status":"attention"`, `"attention":{"code":"removals-held","detail":"Removals of mappings that wait for a decision: 40.",`+
		`"since":"2026-01-31T11:00:00Z","syncId":"`+syncID+`"}`)
	a := do(t, s, request{method: "GET", path: api.Base + "/integrations", token: "viewer"})
	if want := `[{"id":"itglue","name":"IT Glue","status":"attention"}]`; !sameJSON(t, a.body, want) {
		t.Errorf("the tiles are %s", a.body)
	}
	s.fake.last = nil // a later one failed: the sync that waits is read by its id, and it is running by now
	wantIn(`"status":"connected"`, `"attention":null`)
	s.fake.last = &held
	s.fake.in.Attention = &integration.Attention{Code: integration.CredentialsRejected, Detail: "Refused.", Since: noon()}
	wantIn(`"status":"attention"`, `"attention":{"code":"credentials-rejected",`, `"syncId":null`)
}

func TestAnOrganizationThatIsNotMapped(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.fake.row = mapping.Row{
		OrganizationID: orgID, OrganizationName: "Contoso", OrganizationDomain: "contoso.com", State: mapping.Unmapped,
		Unmatched: mapping.Ambiguous, Candidates: []mapping.Candidate{{ID: "42", Name: "Contoso"}, {ID: "43", Name: "Contoso", Mapped: true}},
	}
	row := `{"organization":{"id":"` + orgID + `","name":"Contoso","domain":"contoso.com"},"itglueOrganization":null,"state":"unmapped",` +
		`"syncEnabled":false,"origin":null,"mappedAt":null,"lastSyncedAt":null,"unmatched":%s}`
	a := do(t, s, request{method: "GET", path: oneMapping, token: "viewer"})
	want := fmt.Sprintf(row, `{"code":"ambiguous","candidates":[{"id":"42","name":"Contoso","mapped":false},{"id":"43","name":"Contoso","mapped":true}]}`)
	if !sameJSON(t, a.body, want) {
		t.Errorf("got %s", a.body)
	}
	s.fake.row.Unmatched, s.fake.row.Candidates = mapping.DeletedInITGlue, nil
	a = do(t, s, request{method: "POST", path: oneMapping + "/sync", token: "admin"})
	if want := fmt.Sprintf(row, `{"code":"deleted-in-itglue","candidates":[]}`); a.status != 200 || !sameJSON(t, a.body, want) {
		t.Errorf("got %d %s", a.status, a.body)
	}
}

func TestAKeyThatIsRefusedIsATestResult(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.fake.test = integration.TestResult{Code: errs.ITGlueKeyRejected, Detail: "Refused.", RegionHint: "eu"}
	a := do(t, s, request{method: "POST", path: api.Base + "/integrations/itglue/test", token: "admin", body: `{"apiKey":"k","region":"us"}`})
	if want := `{"ok":false,"code":"itglue-key-rejected","detail":"Refused.","regionHint":"eu"}`; a.status != 200 || !sameJSON(t, a.body, want) {
		t.Errorf("got %d %s", a.status, a.body)
	}
}

// TestWritesReachTheServices says what each write asks of its service: always for the token's own account.
func TestWritesReachTheServices(t *testing.T) {
	t.Parallel()
	by := event.Actor{TokenID: tokenID, TokenName: "Nightly"}
	for _, c := range []struct {
		r      request
		method string
		args   []any
	}{
		{request{method: "POST", path: connect, body: `{"apiKey":"k","region":"au"}`}, "Connect", []any{accountA, by, "k", "au"}},
		{
			request{method: "POST", path: api.Base + "/integrations/itglue/test", body: `{"apiKey":"k","region":"us"}`},
			"Test", []any{"k", "us"},
		},
		{request{method: "PATCH", path: itglueIntegration, body: `{}`}, "Change", []any{accountA, integration.Change{}, by}},
		{
			request{method: "PATCH", path: itglueIntegration, body: `{"apiKey":"k","region":"au","autoMap":"off","removalLimitPercent":0,` +
				`"force":true,"dailySync":{"enabled":false,"timeZone":"UTC","time":"23:59"}}`}, "Change",
			[]any{accountA, integration.Change{
				APIKey: new("k"), Region: new("au"), AutoMap: new(integration.Off), RemovalLimitPercent: new(0), Force: true,
				Daily: integration.DailyChange{Enabled: new(false), TimeZone: new("UTC"), Time: new("23:59")},
			}, by},
		},
		{request{method: "DELETE", path: itglueIntegration}, "Deactivate", []any{accountA, false, by}},
		{request{method: "DELETE", path: itglueIntegration + "?confirm=false"}, "Deactivate", []any{accountA, false, by}},
		{request{method: "DELETE", path: itglueIntegration + "?confirm=true"}, "Deactivate", []any{accountA, true, by}},
		{request{method: "PUT", path: oneMapping, body: `{"itglueOrganizationId":"42"}`}, "Map", []any{accountA, orgID, "42", by}},
		{request{method: "PATCH", path: oneMapping, body: `{"syncEnabled":false}`}, "SetSyncEnabled", []any{accountA, orgID, false, by}},
		{request{method: "PATCH", path: oneMapping, body: `{"syncEnabled":true}`}, "SetSyncEnabled", []any{accountA, orgID, true, by}},
		{request{method: "DELETE", path: oneMapping}, "Unmap", []any{accountA, orgID, by}},
		{request{method: "POST", path: oneMapping + "/sync"}, "Refresh", []any{accountA, orgID, by}},
		{request{method: "POST", path: api.Base + "/syncs", body: `{"kind":"preview"}`}, "Start", []any{accountA, by, orgsync.Preview}},
		{request{method: "POST", path: oneSyncPath + "/cancel"}, "CancelSync", []any{accountA, syncID, by}},
		{request{method: "POST", path: oneSyncPath + "/release"}, "Release", []any{accountA, syncID, by}},
		{request{method: "POST", path: oneSyncPath + "/reject"}, "RejectRemovals", []any{accountA, syncID, by}},
	} {
		s := newServer(t)
		c.r.token = "admin"
		a := do(t, s, c.r)
		if a.status >= 300 || s.fake.called()[0] != c.method || !reflect.DeepEqual(s.fake.args[:len(c.args)], c.args) {
			t.Errorf("%s %s: %d after %s%v", c.r.method, c.r.path, a.status, s.fake.called()[0], s.fake.args)
		}
	}
}

func TestRulesOfOtherBodies(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	put, patch := request{method: "PUT", path: oneMapping}, request{method: "PATCH", path: oneMapping}
	start := request{method: "POST", path: api.Base + "/syncs"}
	for _, c := range []struct {
		r    request
		body string
		want string
	}{
		{put, `{}`, "/itglueOrganizationId required"},
		{put, `{"itglueOrganizationId":42}`, "/itglueOrganizationId wrong-type"},
		{put, `{"itglueOrganizationId":null}`, "/itglueOrganizationId wrong-type"},
		{put, `{"itglueOrganizationId":"-1"}`, "/itglueOrganizationId invalid"},
		{put, `{"itglueOrganizationId":"../1"}`, "/itglueOrganizationId invalid"},
		{put, `{"itglueOrganizationId":"١٢"}`, "/itglueOrganizationId invalid"},
		{put, `{"itglueOrganizationId":"123456789012345678901"}`, "/itglueOrganizationId invalid"},
		{put, `{"itglueOrganizationId":"0"}`, "/itglueOrganizationId invalid"},
		{put, `{"itglueOrganizationId":"042"}`, "/itglueOrganizationId invalid"},
		{patch, `{}`, "/syncEnabled required"},
		{patch, `{"syncEnabled":null}`, "/syncEnabled wrong-type"},
		{patch, `{"syncEnabled":"true"}`, "/syncEnabled wrong-type"},
		{patch, `{"syncEnabled":0}`, "/syncEnabled wrong-type"},
		{start, `{"kind":"initial"}`, "/kind not-one-of"},
		{start, `{"kind":"organization"}`, "/kind not-one-of"},
		{start, `{"kind":1}`, "/kind wrong-type"},
	} {
		c.r.token, c.r.body = "admin", c.body
		if got := do(t, s, c.r).faults(t); !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s %s: %q, want %q", c.r.method, c.body, got, c.want)
		}
	}
}

// TestFailuresOfEveryCall has each call behind each route fail in turn: none may be swallowed.
func TestFailuresOfEveryCall(t *testing.T) {
	t.Parallel()
	for _, r := range api.Routes() {
		path := pathWithIDs(r.Path)
		if _, isList := lists()[path]; isList && r.Method == http.MethodGet {
			path += "?count=true"
		}
		good := request{method: r.Method, path: path, token: tokenFor(r), body: bodyOf(r)}
		s := newServer(t)
		do(t, s, good)
		for _, failing := range s.fake.called() {
			s.fake.hook = func(_ context.Context, method string) error {
				if method == failing {
					return errs.New(errs.Unavailable, "Away.")
				}
				return nil
			}
			a := do(t, s, good)
			if a.status != http.StatusServiceUnavailable {
				t.Errorf("%s %s without %s: %d %s", r.Method, path, failing, a.status, a.body)
			}
		}
	}
}
