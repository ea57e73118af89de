package main

import (
	"net/http"

	"github.com/orgbridge/orgbridge/internal/e2e"
)

type domainView struct {
	Name, Domain    string
	ProviderDefault bool
	OrganizationID  string
}

// importView is what came of one item.
type importView struct {
	Status       string
	Organization e2e.OrganizationView
	Error        struct {
		Code       string
		Candidates []domainView
	}
}

// addFromITGlue is the body of "Add from IT Glue", without a name: that is IT Glue's.
func (g *guide) addFromITGlue(name, domain string) map[string]string {
	return map[string]string{"itglueOrganizationId": g.glue[name], "domain": domain, "emailPlatform": "microsoft_365"}
}

func (g *guide) domainsAreOffered() {
	t := g.now
	path := "/integrations/itglue/organizations/" + g.glue["Juniper Accounting"] + "/domains"
	offered := e2e.Call[e2e.ListView[domainView]](g.c, "GET", path, nil, http.StatusOK).Items
	if len(offered) != 2 {
		t.Fatalf("offered: %+v", offered)
	}
	is(t, "first", offered[0], domainView{Name: "Juniper.example.com", Domain: "juniper.example.com"})
	is(t, "last", offered[1], domainView{Name: "juniper.onmicrosoft.com", Domain: "juniper.onmicrosoft.com", ProviderDefault: true})
	path = "/integrations/itglue/organizations/" + g.glue["Meridian Freight"] + "/domains"
	is(t, "domains of one without any", len(e2e.Call[e2e.ListView[domainView]](g.c, "GET", path, nil, http.StatusOK).Items), 0)
	g.refused("GET", "/integrations/itglue/organizations/999/domains", nil, http.StatusNotFound, "not-found")
}

func (g *guide) addingTakesNameAndDomain() {
	t := g.now
	added := e2e.Call[e2e.OrganizationView](g.c, "POST", "/organizations", g.addFromITGlue("Juniper Accounting", "Juniper.example.com"), http.StatusCreated)
	g.org["Juniper Accounting"] = added.ID
	is(t, "added", added, e2e.OrganizationView{ID: added.ID, Name: "Juniper Accounting", Domain: "juniper.example.com"})
	is(t, "fact", g.newest("organization.created").Organization, e2e.ReferenceView{ID: added.ID, Name: "Juniper Accounting"})
}

func (g *guide) addingMapsAtOnce() {
	t := g.now
	checkRow(t, g.c.Row(g.org["Juniper Accounting"]), "active", "import", g.glue["Juniper Accounting"], "")
	is(t, "fact", g.newest("mapping.mapped").Organization.ID, g.org["Juniper Accounting"])
	run, _ := g.c.RunSync("manual")
	is(t, "renamed or unmapped by the next sync", run.Counts.Renamed+run.Counts.Unmapped, 0)
	checkRow(t, g.c.Row(g.org["Juniper Accounting"]), "active", "import", g.glue["Juniper Accounting"], "")
}

func (g *guide) addedIsOfferedNoMore() {
	t := g.now
	are(t, "offered", g.dropDown("juniper"))
	problem := g.refused("POST", "/organizations", g.addFromITGlue("Juniper Accounting", "juniper-two.example.com"),
		http.StatusConflict, "itglue-organization-already-mapped")
	is(t, "holder", problem.Params["organizationName"], any("Juniper Accounting"))
}

func (g *guide) noneFreesForAdding() {
	t := g.now
	checkRow(t, e2e.Call[e2e.RowView](g.c, "DELETE", "/mappings/"+g.org["Juniper Accounting"], nil, http.StatusOK), "unmapped", "", "", "unmapped-by-person")
	are(t, "offered again", g.dropDown("juniper"), "Juniper Accounting")
	row := g.selectITGlue(g.org["Juniper Accounting"], g.glue["Juniper Accounting"])
	checkRow(t, row, "active", "manual", g.glue["Juniper Accounting"], "")
}

func (g *guide) domainMayBeEntered() {
	t := g.now
	added := e2e.Call[e2e.OrganizationView](g.c, "POST", "/organizations", g.addFromITGlue("Meridian Freight", "Meridian-Freight.example.com"), http.StatusCreated)
	g.org["Meridian Freight"] = added.ID
	is(t, "domain", added.Domain, "meridian-freight.example.com")
}

func (g *guide) domainNeverChanges() {
	t := g.now
	path := "/organizations/" + g.org["Meridian Freight"]
	g.refused("PATCH", path, map[string]string{"domain": "other.example.com"}, http.StatusUnprocessableEntity, "domain-immutable")
	g.refused("POST", "/organizations", map[string]string{
		"name": "Another", "domain": "MERIDIAN-freight.example.com.", "emailPlatform": "google_workspace",
	}, http.StatusConflict, "domain-taken")
	is(t, "domain", e2e.Call[e2e.OrganizationView](g.c, "GET", path, nil, http.StatusOK).Domain, "meridian-freight.example.com")
}

func (g *guide) allInformationIsRequired() {
	t := g.now
	for pointer, body := range map[string]map[string]string{
		"/domain":        {"itglueOrganizationId": g.glue["Kestrel Aviation"], "emailPlatform": "microsoft_365"},
		"/emailPlatform": {"itglueOrganizationId": g.glue["Kestrel Aviation"], "domain": "kestrel.example.com"},
		"/name":          {"domain": "kestrel.example.com", "emailPlatform": "microsoft_365"},
	} {
		problem := g.refused("POST", "/organizations", body, http.StatusUnprocessableEntity, "validation-failed")
		if len(problem.Errors) != 1 || problem.Errors[0].Pointer != pointer || problem.Errors[0].Code != "required" {
			t.Errorf("without %s: %+v", pointer, problem.Errors)
		}
	}
	are(t, "offered still", g.dropDown("kestrel"), "Kestrel Aviation")
}

// moreAreAdded repeats the process for one, and takes the rest in one go: two of three know their domain.
func (g *guide) moreAreAdded() {
	t := g.now
	type item struct {
		ITGlueOrganizationID string `json:"itglueOrganizationId"`
		Domain               string `json:"domain,omitempty"`
		EmailPlatform        string `json:"emailPlatform"`
	}
	items := []item{
		{g.glue["Orchard Veterinary"], "", "microsoft_365"},
		{g.glue["Kestrel Aviation"], "", "microsoft_365"},
		{g.glue["Unrelated"], "unrelated.example.com", "google_workspace"},
	}
	results := e2e.Call[e2e.ListView[importView]](g.c, "POST", "/organizations/import", map[string]any{"items": items}, http.StatusOK).Items
	if len(results) != len(items) {
		t.Fatalf("results: %+v", results)
	}
	is(t, "domain of the only one that IT Glue has", results[0].Organization.Domain, "orchard.example.com")
	is(t, "one with several", results[1].Error.Code, "domain-required")
	is(t, "candidates", len(results[1].Error.Candidates), 2)
	is(t, "one with a given domain", results[2].Status, "imported")
	for i, name := range []string{"Orchard Veterinary", "", "Unrelated"} {
		if name != "" {
			g.org[name] = results[i].Organization.ID
			checkRow(t, g.c.Row(g.org[name]), "active", "import", g.glue[name], "")
		}
	}
	added := e2e.Call[e2e.OrganizationView](g.c, "POST", "/organizations", g.addFromITGlue("Kestrel Aviation", "kestrel.example.com"), http.StatusCreated)
	checkRow(t, g.c.Row(added.ID), "active", "import", g.glue["Kestrel Aviation"], "")
	g.org["Kestrel Aviation"] = added.ID
}

// removingFreesTheCounterpart deletes an organization here, which is no business of IT Glue's.
func (g *guide) removingFreesTheCounterpart() {
	t := g.now
	path := "/organizations/" + g.org["Kestrel Aviation"]
	is(t, "platform", e2e.Call[struct{ EmailPlatform string }](g.c, "PATCH", path, map[string]string{"emailPlatform": "google_workspace"}, http.StatusOK).EmailPlatform,
		"google_workspace")
	e2e.Call[any](g.c, "DELETE", path, nil, http.StatusNoContent)
	g.refused("GET", path, nil, http.StatusNotFound, "not-found")
	are(t, "offered again", g.dropDown("kestrel"), "Kestrel Aviation")
	is(t, "fact", g.newest("organization.deleted").Organization.Name, "Kestrel Aviation")
	delete(g.org, "Kestrel Aviation")
}
