package api_test

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/organization"
)

const (
	importPath  = organizations + "/import"
	domainsPath = api.Base + "/integrations/itglue/organizations/42/domains"
	domainsJSON = `[{"name":"Contoso.com","domain":"contoso.com","providerDefault":false,"problem":null,"organizationId":"` + orgID + `"},` +
		`{"name":"c.onmicrosoft.com","domain":"c.onmicrosoft.com","providerDefault":true,"problem":null,"organizationId":null},` +
		`{"name":"intranet","domain":null,"providerDefault":false,"problem":"The domain must be better.","organizationId":null}]`
)

// itemsJSON is the body of an import.
func itemsJSON(items ...string) string { return `{"items":[` + strings.Join(items, ",") + `]}` }

func TestAnswersOfImports(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.fake.imported = []organization.Outcome{
		{ITGlueID: "42", Organization: contoso()},
		{ITGlueID: "43", Failure: errs.New(errs.DomainRequired, "Which?"), Candidates: offers()},
		{ITGlueID: "44", Failure: errs.New(errs.DomainRequired, "Which?")},
		{ITGlueID: "45", Failure: errs.New(errs.AlreadyMapped, "Taken.").With("organizationId", orgID)},
		{ITGlueID: "46", Failure: errs.Invalid(errs.Field{Pointer: "/domain", Code: "domain-invalid", Detail: "No."})},
	}
	failed := func(id, more string) string {
		return `{"itglueOrganizationId":"` + id + `","status":"failed","organization":null,"error":{` + more + `}}`
	}
	for path, want := range map[string]string{
		importPath: `{"items":[{"itglueOrganizationId":"42","status":"imported","organization":` + organizationJSON + `,"error":null},` +
			failed("43", `"code":"domain-required","detail":"Which?","candidates":`+domainsJSON) + `,` +
			failed("44", `"code":"domain-required","detail":"Which?","candidates":[]`) + `,` +
			failed("45", `"code":"itglue-organization-already-mapped","detail":"Taken.","params":{"organizationId":"`+orgID+`"}`) + `,` +
			failed("46", `"code":"domain-invalid","detail":"No."`) + `]}`,
		domainsPath: `{"items":` + domainsJSON + `}`,
	} {
		r := request{method: "GET", path: path, token: "viewer"}
		if path == importPath {
			r = request{method: "POST", path: path, token: "admin", body: itemsJSON(`{"itglueOrganizationId":"42","emailPlatform":"microsoft_365"}`)}
		}
		if a := do(t, s, r); a.status != http.StatusOK || !sameJSON(t, a.body, want) {
			t.Errorf("%s: got %d %s, want %s", path, a.status, a.body, want)
		}
	}
	gone := do(t, s, request{method: "DELETE", path: organizations + "/" + orgID, token: "admin"})
	if gone.status != http.StatusNoContent || gone.body != "" {
		t.Errorf("delete: %d %s", gone.status, gone.body)
	}
}

func TestWritesOfOrganizationsReachTheServices(t *testing.T) {
	t.Parallel()
	by, one := event.Actor{TokenID: tokenID, TokenName: "Nightly"}, organizations+"/"+orgID
	google := organization.GoogleWorkspace
	for _, c := range []struct {
		r      request
		method string
		args   []any
	}{
		{
			request{method: "POST", path: organizations, body: `{"domain":"a.com","emailPlatform":"google_workspace","itglueOrganizationId":"42"}`},
			"Create", []any{accountA, organization.New{ITGlueID: "42", Domain: "a.com", EmailPlatform: google}, by},
		},
		{
			request{
				method: "POST", path: organizations,
				body: `{"name":"A","domain":"a.com","emailPlatform":"google_workspace","itglueOrganizationId":"42"}`,
			},
			"Create", []any{accountA, organization.New{ITGlueID: "42", Name: "A", Domain: "a.com", EmailPlatform: google}, by},
		},
		{
			request{method: "POST", path: importPath, body: itemsJSON(
				`{"itglueOrganizationId":"42","emailPlatform":"microsoft_365"}`,
				`{"itglueOrganizationId":"43","domain":"","emailPlatform":"google_workspace"}`)},
			"Import", []any{accountA, []organization.Item{
				{ITGlueID: "42", EmailPlatform: organization.Microsoft365}, {ITGlueID: "43", Domain: new(""), EmailPlatform: google},
			}, by},
		},
		{request{method: "PATCH", path: one, body: `{}`}, "Update", []any{accountA, orgID, organization.Change{}, by}},
		{
			request{method: "PATCH", path: one, body: `{"name":" A ","emailPlatform":"google_workspace"}`},
			"Update", []any{accountA, orgID, organization.Change{Name: new(" A "), EmailPlatform: &google}, by},
		},
		{request{method: "DELETE", path: one}, "DeleteOrganization", []any{accountA, orgID, by}},
		{request{method: "GET", path: domainsPath}, "Domains", []any{accountA, "42"}},
	} {
		s := newServer(t)
		c.r.token = "admin"
		a := do(t, s, c.r)
		if a.status >= 300 || !slices.Equal(s.fake.called(), []string{c.method}) || !reflect.DeepEqual(s.fake.args, c.args) {
			t.Errorf("%s %s: %d after %s%v", c.r.method, c.r.path, a.status, s.fake.called(), s.fake.args)
		}
	}
}

func TestRulesOfOrganizationBodies(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	create, change := request{method: "POST", path: organizations}, request{method: "PATCH", path: organizations + "/" + orgID}
	several := request{method: "POST", path: importPath}
	const rest = `"domain":"a.com","emailPlatform":"microsoft_365"`
	const item = `{"itglueOrganizationId":"42","emailPlatform":"microsoft_365"}`
	long := strings.Repeat("é", 256)
	for _, c := range []struct {
		r    request
		body string
		want []string
	}{
		{create, `{` + rest + `}`, []string{"/name required"}},
		{create, `{"name":"",` + rest + `}`, []string{"/name required"}},
		{create, `{"itglueOrganizationId":"42","name":"",` + rest + `}`, []string{"/name required"}},
		{create, `{"itglueOrganizationId":"42","name":null,` + rest + `}`, []string{"/name wrong-type"}},
		{create, `{"itglueOrganizationId":"42","name":" ",` + rest + `}`, []string{"/name name-blank"}},
		{create, `{"itglueOrganizationId":"42","name":"a\ufffd",` + rest + `}`, []string{"/name name-not-legal"}},
		{create, `{"itglueOrganizationId":"42","name":"a\u0000",` + rest + `}`, []string{"/name invalid"}},
		{create, `{"itglueOrganizationId":"42","name":"` + long + `",` + rest + `}`, []string{"/name too-long"}},
		{create, `{"itglueOrganizationId":"42"}`, []string{"/domain required", "/emailPlatform required"}},
		{create, `{"itglueOrganizationId":"","name":"a",` + rest + `}`, []string{"/itglueOrganizationId invalid"}},
		{create, `{"itglueOrganizationId":42,"name":"a",` + rest + `}`, []string{"/itglueOrganizationId wrong-type"}},
		{create, `{"itglueOrganizationId":null,"name":"a",` + rest + `}`, []string{"/itglueOrganizationId wrong-type"}},
		{create, `{"itglueOrganizationId":"-1","name":"a",` + rest + `}`, []string{"/itglueOrganizationId invalid"}},
		{create, `{"itglueOrganizationId":"007","name":"a",` + rest + `}`, []string{"/itglueOrganizationId invalid"}},
		{create, `{"itglueOrganizationId":"1 OR 1=1","name":"a",` + rest + `}`, []string{"/itglueOrganizationId invalid"}},

		{change, `{"name":""}`, []string{"/name required"}},
		{change, `{"name":"\t "}`, []string{"/name name-blank"}},
		{change, `{"name":null}`, []string{"/name wrong-type"}},
		{change, `{"name":["a"]}`, []string{"/name wrong-type"}},
		{change, `{"name":"a\u0000b"}`, []string{"/name invalid"}},
		{change, `{"name":"a\ufffd"}`, []string{"/name name-not-legal"}},
		{change, `{"name":"` + long + `"}`, []string{"/name too-long"}},
		{change, `{"emailPlatform":""}`, []string{"/emailPlatform not-one-of"}},
		{change, `{"emailPlatform":"Microsoft_365"}`, []string{"/emailPlatform not-one-of"}},
		{change, `{"emailPlatform":null}`, []string{"/emailPlatform wrong-type"}},
		{change, `{"itglueOrganizationId":"42","id":"` + noID + `"}`, []string{"/itglueOrganizationId unknown-field", "/id unknown-field"}},
		{change, `[]`, []string{" wrong-type"}},

		{several, `{}`, []string{"/items required"}},
		{several, `[` + item + `]`, []string{" wrong-type"}},
		{several, `{"items":[]}`, []string{"/items out-of-range"}},
		{several, `{"items":null}`, []string{"/items wrong-type"}},
		{several, `{"items":` + item + `}`, []string{"/items wrong-type"}},
		{several, `{"items":[` + item + `],"force":true}`, []string{"/force unknown-field"}},
		{several, itemsJSON(slices.Repeat([]string{item}, 201)...), []string{"/items too-long"}},
		{several, itemsJSON(item, `null`, `"42"`, item), []string{"/items/1 wrong-type", "/items/2 wrong-type"}},
		{
			several, itemsJSON(item, `{}`, `{"itglueOrganizationId":"x","emailPlatform":"smtp","name":"A"}`, `{"itglueOrganizationId":7,"domain":null,"emailPlatform":1}`),
			[]string{
				"/items/2/name unknown-field", "/items/3/itglueOrganizationId wrong-type", "/items/3/domain wrong-type",
				"/items/3/emailPlatform wrong-type", "/items/1/itglueOrganizationId required", "/items/1/emailPlatform required",
				"/items/2/itglueOrganizationId invalid", "/items/2/emailPlatform not-one-of",
			},
		},
		{several, itemsJSON(`{"itglueOrganizationId":"042","domain":"a\u0000.com","emailPlatform":"microsoft_365"}`), []string{
			"/items/0/domain invalid", "/items/0/itglueOrganizationId invalid",
		}},
	} {
		c.r.token, c.r.body = "admin", c.body
		if got := do(t, s, c.r).faults(t); !slices.Equal(got, c.want) {
			t.Errorf("%s %s: %q, want %q", c.r.method, c.body, got, c.want)
		}
	}
	if calls := s.fake.called(); len(calls) > 0 {
		t.Errorf("calls: %v", calls)
	}
}

func TestTwoHundredItemsAreNotTooMany(t *testing.T) {
	t.Parallel()
	items := make([]string, 200)
	for i := range items {
		items[i] = fmt.Sprintf(`{"itglueOrganizationId":"%d","domain":"d%d.com","emailPlatform":"microsoft_365"}`, i+1, i)
	}
	s := newServer(t)
	a := do(t, s, request{method: "POST", path: importPath, token: "admin", body: itemsJSON(items...)})
	if got, ok := s.fake.argFromEnd(1).([]organization.Item); a.status != http.StatusOK || !ok || len(got) != 200 || *got[199].Domain != "d199.com" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestADomainNeverChangesWhateverIsAskedFor(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, body := range []string{
		`{"domain":"contoso.com"}`, `{"domain":"other.com"}`, `{"domain":null}`, `{"domain":""}`, `{"domain":7}`, `{"domain":["x"]}`,
		`{"domain":{}}`, `{"name":"Fine","domain":"other.com"}`, `{"name":7,"domain":"other.com"}`, `{"domain":"a","more":1}`,
	} {
		a := do(t, s, request{method: "PATCH", path: organizations + "/" + orgID, token: "admin", body: body})
		wantProblem(t, a, 422, "domain-immutable")
	}
	for body, want := range map[string]string{`{"Domain":"a"}`: "/Domain unknown-field", `{"domain ":"a"}`: "/domain  unknown-field"} {
		a := do(t, s, request{method: "PATCH", path: organizations + "/" + orgID, token: "admin", body: body})
		if got := a.faults(t); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q", body, got)
		}
	}
	if calls := s.fake.called(); len(calls) > 0 {
		t.Errorf("calls: %v", calls)
	}
}

func TestIdsThatCannotBeAreNotFound(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	odd := []string{
		"0", "-1", "007", "1%20OR%201=1", "1=0)%20OR%20(id=2", "1;drop", "%2531", "1%00", "%2e%2e%2f", "a%2Fb", "%D9%A1%D9%A2",
		"123456789012345678901", "%7B42%7D", "4242x", "import",
	}
	for _, id := range odd {
		a := do(t, s, request{method: "GET", path: api.Base + "/integrations/itglue/organizations/" + id + "/domains", token: "viewer"})
		wantProblem(t, a, 404, "not-found")
	}
	for _, id := range append(odd, strings.ToUpper(noID), "%7B"+noID+"%7D", "42") {
		for _, r := range []request{
			{method: "GET"}, {method: "DELETE"}, {method: "PATCH", body: `{"name":"A"}`}, {method: "PATCH", body: `{"domain":"a.com"}`},
		} {
			r.path, r.token = organizations+"/"+id, "admin"
			wantProblem(t, do(t, s, r), 404, "not-found")
		}
	}
	if calls := s.fake.called(); len(calls) > 0 {
		t.Errorf("calls: %v", calls)
	}
	wantProblem(t, do(t, s, request{method: "DELETE", path: organizations + "/" + noID, token: "admin"}), 404, "not-found")
	wantProblem(t, do(t, s, request{method: "PATCH", path: organizations + "/" + noID, token: "admin", body: `{"name":"A"}`}), 404, "not-found")
}
