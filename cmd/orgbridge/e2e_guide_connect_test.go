package main

import (
	"net/http"
	"slices"
	"testing"

	"github.com/orgbridge/orgbridge/internal/e2e"
)

func credentials(apiKey, region string) map[string]string {
	return map[string]string{"apiKey": apiKey, "region": region}
}

func (g *guide) nothingWithoutAToken() {
	admin := g.c.Token
	for _, token := range []string{"", "orgb_unknown"} {
		g.c.Token = token
		g.refused("GET", "/integrations", nil, http.StatusUnauthorized, "unauthenticated")
		g.refused("POST", "/integrations/itglue/connect", credentials(e2e.SimKey, "us"), http.StatusUnauthorized, "unauthenticated")
	}
	g.c.Token = admin
}

func (g *guide) onlyAdminsConfigure() {
	t := g.now
	me := e2e.Call[struct {
		Role    string
		Account e2e.ReferenceView
	}](g.c, "GET", "/me", nil, http.StatusOK)
	is(t, "role", me.Role, "admin")
	admin := g.c.Token
	g.c.Token = g.CLI("token", "create", "--account", me.Account.ID, "--role", "viewer", "--name", "reader")
	e2e.Call[any](g.c, "GET", "/integrations/itglue", nil, http.StatusOK)
	g.refused("POST", "/integrations/itglue/connect", credentials(e2e.SimKey, "us"), http.StatusForbidden, "forbidden")
	g.refused("POST", "/integrations/itglue/test", credentials(e2e.SimKey, "us"), http.StatusForbidden, "forbidden")
	g.refused("PATCH", "/integrations/itglue", map[string]string{"apiKey": e2e.SimKey}, http.StatusForbidden, "forbidden")
	g.refused("DELETE", "/integrations/itglue?confirm=true", nil, http.StatusForbidden, "forbidden")
	g.refused("POST", "/syncs", map[string]string{"kind": "manual"}, http.StatusForbidden, "forbidden")
	g.c.Token = admin
}

func (g *guide) integrationsPageOffersITGlue() {
	t := g.now
	is(t, "tile", g.tile(t), e2e.TileView{ID: "itglue", Name: "IT Glue", Status: "not_connected"})
	in := g.integration()
	is(t, "status", in.Status, "not_connected")
	is(t, "organizations not mapped", in.Mappings.Unmapped, len(g.org))
}

func (g *guide) nothingWorksBeforeConnecting() {
	g.refused("GET", "/integrations/itglue/organizations", nil, http.StatusConflict, "not-connected")
	g.refused("POST", "/syncs", map[string]string{"kind": "manual"}, http.StatusConflict, "not-connected")
	choice := map[string]string{"itglueOrganizationId": g.glue["Alpine Dental"]}
	g.refused("PUT", "/mappings/"+g.org["Alpine Dental"], choice, http.StatusConflict, "not-connected")
	g.refused("POST", "/mappings/"+g.org["Alpine Dental"]+"/sync", nil, http.StatusConflict, "not-connected")
}

func (g *guide) wrongKeyIsRefused() {
	t := g.now
	g.refused("POST", "/integrations/itglue/connect", credentials("ITG.wrong", "us"), http.StatusUnprocessableEntity, "itglue-key-rejected")
	is(t, "status", g.integration().Status, "not_connected")
}

func (g *guide) regionIsOneOfThreeAndHinted() {
	t := g.now
	g.refused("POST", "/integrations/itglue/connect", credentials(e2e.SimKey, "mars"), http.StatusUnprocessableEntity, "validation-failed")
	g.refused("POST", "/integrations/itglue/connect", credentials(e2e.SimKey, "au"), http.StatusBadGateway, "itglue-unavailable") // nobody is there
	problem := g.refused("POST", "/integrations/itglue/connect", credentials(e2e.SimKey, "eu"), http.StatusUnprocessableEntity, "itglue-key-rejected")
	is(t, "hint", problem.Params["regionHint"], any("us"))
	tested := e2e.Call[e2e.TestView](g.c, "POST", "/integrations/itglue/test", credentials(europeanKey, "us"), http.StatusOK)
	is(t, "test in the wrong region", tested, e2e.TestView{Code: "itglue-key-rejected", RegionHint: "eu"})
	tested = e2e.Call[e2e.TestView](g.c, "POST", "/integrations/itglue/test", credentials(e2e.SimKey, "us"), http.StatusOK)
	is(t, "test", tested, e2e.TestView{OK: true, Organizations: len(g.glue) + 2})
	is(t, "status", g.integration().Status, "not_connected")
}

func (g *guide) connectingTakesKeyAndRegion() {
	t := g.now
	initial := g.c.Ended(g.c.Connect().ID)
	is(t, "kind", initial.Kind, "initial")
	is(t, "listed", initial.Counts.Listed, len(g.glue)+2)
	is(t, "mapped", initial.Counts.Mapped, 4)
	in := g.integration()
	is(t, "region", in.Region, "us")
	is(t, "hint of the key", in.APIKeyHint, e2e.SimKey[len(e2e.SimKey)-4:])
	g.refused("POST", "/integrations/itglue/connect", credentials(e2e.SimKey, "us"), http.StatusConflict, "already-connected")
}

func (g *guide) connectingIsNotified() {
	t := g.now
	connected := g.newest("integration.connected")
	is(t, "actor", connected.Actor.TokenName, "e2e")
	is(t, "region", connected.After["region"], any("us"))
	is(t, "initial sync", g.newest("sync.succeeded").SyncID, g.integration().LastSync.ID)
}

func (g *guide) tileShowsConnected() {
	t := g.now
	is(t, "tile", g.tile(t), e2e.TileView{ID: "itglue", Name: "IT Glue", Status: "connected"})
	is(t, "status", g.integration().Status, "connected")
}

func (g *guide) tile(t *testing.T) e2e.TileView {
	t.Helper()
	tiles := e2e.Call[[]e2e.TileView](g.c, "GET", "/integrations", nil, http.StatusOK)
	if len(tiles) != 1 {
		t.Fatalf("%d tiles", len(tiles))
	}
	return tiles[0]
}

func (g *guide) equalNamesAreMapped() {
	t := g.now
	for _, name := range []string{"Alpine Dental", "Bayside Legal", "Delta Foods", "Evergreen Logistics"} {
		checkRow(t, g.c.Row(g.org[name]), "active", "auto", g.glue[name], "")
		is(t, "name in the IT Glue column", g.c.Row(g.org[name]).ITGlueOrganization.Name, name)
		if facts := g.history(g.org[name]); !slices.Contains(facts, "mapping.mapped") {
			t.Errorf("%s: %q", name, facts)
		}
	}
}

func (g *guide) othersShowNone() {
	t := g.now
	checkRow(t, g.c.Row(g.org["Demo"]), "unmapped", "", "", "no-equal-name")
	checkRow(t, g.c.Row(g.org["Twin Peaks"]), "unmapped", "", "", "ambiguous")
	is(t, "rows", len(e2e.All[e2e.RowView](g.c, "/mappings")), len(g.org))
	found := e2e.Call[e2e.ListView[e2e.RowView]](g.c, "GET", "/mappings?search=dEM", nil, http.StatusOK).Items
	is(t, "rows found by a text", len(found) == 1 && found[0].Organization.Name == "Demo", true)
	summary := e2e.Call[struct{ Unmapped, Active, Paused, Total int }](g.c, "GET", "/mappings/summary", nil, http.StatusOK)
	is(t, "unmapped", summary.Unmapped, 3)
	is(t, "active", summary.Active, 4)
}

func (g *guide) caseCounts() {
	t := g.now
	checkRow(t, g.c.Row(g.org["Cedar architects"]), "unmapped", "", "", "no-equal-name")
}

func (g *guide) dropDownOffersUnmappedOnly() {
	t := g.now
	are(t, "offered", g.dropDown(""), "Cedar Architects", "Juniper Accounting", "Kestrel Aviation", "Meridian Freight", "Orchard Veterinary",
		"Sandbox Graphus", "Twin Peaks", "Twin Peaks", "Unrelated")
	are(t, "offered for a text in other case", g.dropDown("sANDBOX"), "Sandbox Graphus")
	are(t, "offered for a mapped one", g.dropDown("alpine"))
}

func (g *guide) mappingIsOneToOne() {
	t := g.now
	taken := map[string]string{"itglueOrganizationId": g.glue["Alpine Dental"]}
	problem := g.refused("PUT", "/mappings/"+g.org["Demo"], taken, http.StatusConflict, "itglue-organization-already-mapped")
	is(t, "holder", problem.Params["organizationId"], any(g.org["Alpine Dental"]))
	checkRow(t, g.c.Row(g.org["Demo"]), "unmapped", "", "", "no-equal-name")
	checkRow(t, g.c.Row(g.org["Alpine Dental"]), "active", "auto", g.glue["Alpine Dental"], "")
}

func (g *guide) selectingMapsAndSwitchesOn() {
	t := g.now
	for organization, itglue := range map[string]string{"Demo": "Sandbox Graphus", "Cedar architects": "Cedar Architects"} {
		row := g.selectITGlue(g.org[organization], g.glue[itglue])
		checkRow(t, row, "active", "manual", g.glue[itglue], "")
		is(t, "name before any sync", row.Organization.Name, organization)
	}
	mapped := g.newest("mapping.mapped")
	is(t, "actor", mapped.Actor.TokenName, "e2e")
	are(t, "offered afterwards", g.dropDown("sandbox"))
}

func (g *guide) refreshShowsTheMapping() {
	t := g.now
	row := g.refresh(g.org["Demo"])
	checkRow(t, row, "active", "manual", g.glue["Sandbox Graphus"], "")
	is(t, "name", row.Organization.Name, "Sandbox Graphus")
	checkName(t, g.c, g.org["Demo"], "Sandbox Graphus")
	renamed := g.newest("organization.renamed")
	is(t, "name before", renamed.Before["name"], any("Demo"))
	is(t, "name after", renamed.After["name"], any("Sandbox Graphus"))
}

func (g *guide) existingMappingIsChanged() {
	t := g.now
	bayside := g.org["Bayside Legal"]
	checkRow(t, g.selectITGlue(bayside, g.glue["Unrelated"]), "active", "manual", g.glue["Unrelated"], "")
	are(t, "offered instead", g.dropDown("bayside"), "Bayside Legal")
	checkRow(t, g.selectITGlue(bayside, g.glue["Bayside Legal"]), "active", "manual", g.glue["Bayside Legal"], "")
	checkName(t, g.c, bayside, "Bayside Legal")
}

func (g *guide) noneUnmaps() {
	t := g.now
	bayside := g.org["Bayside Legal"]
	row := e2e.Call[e2e.RowView](g.c, "DELETE", "/mappings/"+bayside, nil, http.StatusOK)
	checkRow(t, row, "unmapped", "", "", "unmapped-by-person")
	are(t, "offered again", g.dropDown("bayside"), "Bayside Legal")
	is(t, "actor", g.newest("mapping.unmapped").Actor.TokenName, "e2e")
	g.Rename(g.glue["Bayside Legal"], "Bayside Legal LLP")
	g.c.RunSync("manual")
	checkName(t, g.c, bayside, "Bayside Legal")
	g.Rename(g.glue["Bayside Legal"], "Bayside Legal")
	g.c.RunSync("manual")
	checkRow(t, g.c.Row(bayside), "unmapped", "", "", "unmapped-by-person") // equal names, and yet not mapped again
}
