package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// badDomains are those of every way to be none.
func badDomains() []string {
	return []string{
		"-a.com", "a-.com", "a..com", ".com", ".", "a_b.com", strings.Repeat("a", 64) + ".com", strings.Repeat("abcdefg.", 31) + "ab.com",
		"xn--a.com", "xn--bcher-kva1ü.de", "localhost", "intranet", "127.0.0.1", "[::1]", "::1", "0x7f.1", "2130706433", "1.2.3", "com", "co.uk",
		"github.io", "onmicrosoft.com", "https://a.com", "a.com/", "a.com:443", "mail@a.com", "user:password@a.com", " a.com", "a.com ", "a b.com",
		"a.com..", "a\tb.com", "a,b.com", "*.a.com", "a\u200b.com", "😀.com", "a.com\u202e", "a%00.com", "１２７.0.0.1",
	}
}

func TestScenarioBadDomains(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.connect(t)
	glue := w.glue[itglue.RegionEU].Add(itgluetest.Organization{Name: "Contoso"})[0]
	for _, domain := range badDomains() {
		for _, with := range []string{"", `,"itglueOrganizationId":"` + glue + `"`} {
			body := fmt.Sprintf(`{"name":"Contoso","domain":%s,"emailPlatform":"google_workspace"%s}`, quoted(t, domain), with)
			a := do(t, w, request{method: "POST", path: organizations, token: w.admin, body: body})
			wantProblem(t, a, 422, "validation-failed")
			if got := a.faults(t); len(got) != 1 || got[0] != "/domain domain-invalid" {
				t.Errorf("%q: %q", domain, got)
			}
		}
		item := fmt.Sprintf(`{"itglueOrganizationId":%q,"domain":%s,"emailPlatform":"google_workspace"}`, glue, quoted(t, domain))
		w.call(t, "POST", "/organizations/import", itemsJSON(item), 200).
			want(t, object{"items.0.status": "failed", "items.0.error.code": "domain-invalid", "items.0.organization": nil, "items.1": nil})
	}
	w.call(t, "GET", "/organizations?count=true", "", 200).want(t, object{"total": 0})
}

func TestScenarioTheSameDomain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.connect(t)
	for i, forms := range [][]string{{"Example.COM.", "example.com"}, {"bücher.de", "xn--bcher-kva.de"}, {"xn--strae-oqa.de", "STRAßE.de"}} {
		w.add(t, "First", forms[0])
		glue := w.glue[itglue.RegionEU].Add(itgluetest.Organization{Name: fmt.Sprintf("Glue %d", i), Domains: []string{forms[1]}})[0]
		for _, body := range []string{
			`{"name":"Second","domain":"` + forms[1] + `","emailPlatform":"google_workspace"}`,
			`{"itglueOrganizationId":"` + glue + `","domain":"` + forms[1] + `","emailPlatform":"google_workspace"}`,
		} {
			w.call(t, "POST", "/organizations", body, 409).want(t, object{"code": "domain-taken"})
		}
		for _, item := range []string{
			`{"itglueOrganizationId":"` + glue + `","domain":"` + forms[1] + `","emailPlatform":"google_workspace"}`,
			`{"itglueOrganizationId":"` + glue + `","emailPlatform":"google_workspace"}`,
		} {
			w.call(t, "POST", "/organizations/import", itemsJSON(item), 200).want(t, object{"items.0.error.code": "domain-taken"})
		}
	}
}

func TestScenarioAddFromITGlue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.glue[itglue.RegionEU].Add(
		itgluetest.Organization{ID: "1", Name: "Contoso", Domains: []string{"contoso.onmicrosoft.com", "Contoso.com"}},
		itgluetest.Organization{ID: "2", Name: "Fabrikam", Domains: []string{"fabrikam.com"}}, itgluetest.Organization{ID: "3", Name: " "},
	)
	const free, domains = "/integrations/itglue/organizations?mapped=false&count=true", "/integrations/itglue/organizations/1/domains"
	body := `{"itglueOrganizationId":"1","domain":"contoso.com","emailPlatform":"microsoft_365"}`
	item := `{"itglueOrganizationId":"2","emailPlatform":"microsoft_365"}`
	for _, r := range []struct{ method, path, body string }{
		{"GET", domains, ""}, {"POST", "/organizations", body}, {"POST", "/organizations/import", itemsJSON(item)},
	} {
		w.call(t, r.method, r.path, r.body, 409).want(t, object{"code": "not-connected"})
	}
	w.connect(t)
	w.callAs(t, w.viewer, "GET", free, "", 200).want(t, object{"total": 3})
	w.callAs(t, w.viewer, "GET", domains, "", 200).want(t, object{
		"items.0.name": "Contoso.com", "items.0.domain": "contoso.com", "items.0.providerDefault": false, "items.0.organizationId": nil,
		"items.1.domain": "contoso.onmicrosoft.com", "items.1.providerDefault": true, "items.2": nil,
	})
	w.call(t, "GET", "/integrations/itglue/organizations/4242/domains", "", 404).want(t, object{"code": "not-found"})
	w.callAs(t, w.viewer, "POST", "/organizations", body, 403)

	contoso := w.call(t, "POST", "/organizations", body, 201)
	contoso.want(t, object{"name": "Contoso", "domain": "contoso.com", "mapped": true})
	id := contoso.text(t, "id")
	w.call(t, "GET", "/mappings/"+id, "", 200).want(t, object{"state": "active", "origin": "import", "itglueOrganization.id": "1"})
	w.call(t, "GET", domains, "", 200).want(t, object{"items.0.organizationId": id})
	w.call(t, "GET", free, "", 200).want(t, object{"total": 2})
	w.call(t, "POST", "/organizations", strings.Replace(body, "contoso.com", "contoso.net", 1), 409).want(t, object{
		"code": "itglue-organization-already-mapped", "params.organizationId": id, "params.organizationName": "Contoso",
	})
	w.call(t, "POST", "/organizations", strings.Replace(body, `"1"`, `"4242"`, 1), 422).
		want(t, object{"errors.0.pointer": "/itglueOrganizationId", "errors.0.code": "unknown"})
	w.call(t, "POST", "/organizations", strings.Replace(body, `"1"`, `"3"`, 1), 422).
		want(t, object{"errors.0.pointer": "/name", "errors.0.code": "name-blank"})
	w.call(t, "POST", "/organizations/import", itemsJSON(item, item, strings.Replace(item, `"2"`, `"4242"`, 1)), 200).want(t, object{
		"items.0.status": "imported", "items.0.organization.name": "Fabrikam", "items.0.error": nil,
		"items.1.status": "failed", "items.1.error.code": "itglue-organization-already-mapped", "items.1.organization": nil,
		"items.1.error.params.organizationName": "Fabrikam", "items.2.error.code": "not-found", "items.3": nil,
	})

	// The next sync leaves all of it in place.
	w.call(t, "POST", "/syncs", `{"kind":"manual"}`, 202)
	w.work(t)
	w.call(t, "GET", "/integrations/itglue", "", 200).want(t, object{"mappings.active": 2, "lastSync.counts.unchanged": 2})

	w.glue[itglue.RegionEU].RevokeKey(canary)
	w.call(t, "GET", domains, "", 422).want(t, object{"code": "itglue-key-rejected"})
	w.call(t, "POST", "/organizations/import", itemsJSON(item), 422).want(t, object{"code": "itglue-key-rejected"})
	if strings.Contains(w.log.String(), canary) {
		t.Error("the log has the key")
	}
}

func TestScenarioChangeAndDelete(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.glue[itglue.RegionEU].Add(itgluetest.Organization{ID: "1", Name: "Contoso"})
	contoso := w.add(t, "Contoso", "contoso.com")
	w.connect(t)
	one := "/organizations/" + contoso
	before := w.call(t, "GET", one, "", 200)
	w.call(t, "PATCH", one, `{}`, 200).want(t, before)
	w.call(t, "PATCH", one, `{"name":"Contoso","emailPlatform":"google_workspace"}`, 200).want(t, before)
	w.call(t, "PATCH", one, `{"name":"Mine","emailPlatform":"microsoft_365"}`, 200).
		want(t, object{"name": "Mine", "emailPlatform": "microsoft_365", "domain": "contoso.com", "mapped": true})
	w.call(t, "PATCH", one, `{"domain":"contoso.com"}`, 422).want(t, object{"code": "domain-immutable"})
	w.callAs(t, w.viewer, "PATCH", one, `{"name":"X"}`, 403)
	w.callAs(t, w.viewer, "DELETE", one, "", 403)
	w.call(t, "GET", "/events?organizationId="+contoso+"&count=true", "", 200).want(t, object{
		"total": 4, "items.0.type": "organization.changed", "items.0.before.emailPlatform": "google_workspace",
		"items.1.type": "organization.renamed", "items.1.before.name": "Contoso", "items.1.after.name": "Mine",
		"items.1.actor.tokenName": "admin",
	})
	w.call(t, "POST", "/syncs", `{"kind":"manual"}`, 202)
	w.work(t)
	w.call(t, "GET", one, "", 200).want(t, object{"name": "Contoso", "emailPlatform": "microsoft_365"})

	if a := do(t, w, request{method: "DELETE", path: api.Base + one, token: w.admin}); a.status != http.StatusNoContent {
		t.Fatalf("%d %s", a.status, a.body)
	}
	w.call(t, "GET", one, "", 404)
	w.call(t, "GET", "/mappings/"+contoso, "", 404)
	w.call(t, "PATCH", one, `{"name":"X"}`, 404)
	w.call(t, "DELETE", one, "", 404)
	w.call(t, "GET", "/integrations/itglue/organizations?mapped=false", "", 200).want(t, object{"items.0.id": "1"})
	w.call(t, "GET", "/events?organizationId="+contoso, "", 200).want(t, object{
		"items.0.type": "organization.deleted", "items.0.before.domain": "contoso.com", "items.0.after": nil,
		"items.1.type": "mapping.unmapped", "items.1.itglueOrganization.id": "1",
	})
	w.call(t, "POST", "/syncs", `{"kind":"manual"}`, 202)
	w.work(t)
	w.call(t, "GET", "/mappings/summary", "", 200).want(t, object{"total": 0})
}

func quoted(t *testing.T, s string) string {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
