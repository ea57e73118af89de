package main

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/internal/e2e"
)

// TestDemoShowsTheGuide follows the guide with nothing but what the demo prints: its sample data has every case.
func TestDemoShowsTheGuide(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("this test needs %s: %v", tool, err)
		}
	}
	out, stop := startRun(t, nil, "demo", "--addr", "127.0.0.1:0")
	printed := map[string]string{}
	e2e.Eventually(t, e2e.Patience, "the last line", func() bool {
		for line := range strings.Lines(out.String()) {
			what, command, _ := strings.Cut(strings.TrimSpace(line), ":")
			printed[what] = strings.TrimSpace(command)
		}
		return strings.HasSuffix(out.String(), "/delete\n")
	})
	c := e2e.Client{T: t, Base: printed["Address"] + "/api/v1", Token: printed["Token"]}
	c.Ended(e2e.Call[e2e.IntegrationView](c, "POST", "/integrations/itglue/connect", credentials(demoKey, "us"), http.StatusCreated).ActiveSync.ID)

	rows := map[string]e2e.RowView{}
	for _, row := range e2e.All[e2e.RowView](c, "/mappings") {
		rows[row.Organization.Name] = row
	}
	checkRow(t, rows["Alpine Dental Group"], "active", "auto", demoRenamed, "")
	checkRow(t, rows["Northwind traders"], "unmapped", "", "", "no-equal-name")
	checkRow(t, rows["Summit Partners"], "unmapped", "", "", "ambiguous")
	checkRow(t, rows["Riverside Bakery"], "unmapped", "", "", "ambiguous")
	checkRow(t, rows["Demo"], "unmapped", "", "", "no-equal-name")

	type item map[string]string
	names := []string{"Juniper", "Kestrel", "Larkspur", "Orchard", "Evergreen+Storage", "Pinewood", "Meridian"}
	items := make([]item, len(names))
	for i, name := range names {
		found := e2e.Call[e2e.ListView[e2e.ReferenceView]](c, "GET", "/integrations/itglue/organizations?mapped=false&search="+name, nil, http.StatusOK).Items
		if len(found) != 1 {
			t.Fatalf("%s is there %d times", name, len(found))
		}
		items[i] = item{"itglueOrganizationId": found[0].ID, "emailPlatform": "microsoft_365"}
	}
	results := e2e.Call[e2e.ListView[importView]](c, "POST", "/organizations/import", map[string]any{"items": items}, http.StatusOK).Items
	codes := make([]string, len(results))
	for i := range results {
		codes[i] = results[i].Error.Code
	}
	are(t, "what came of the import", codes, "", "domain-required", "domain-required", "", "domain-taken", "domain-required", "domain-required")
	is(t, "first of the domains to choose from", results[2].Error.Candidates[0].Domain, "larkspur.example.com")
	is(t, "last of them is the provider's", results[2].Error.Candidates[1].ProviderDefault, true)

	paste(t, printed["rename"])
	paste(t, printed["delete"])
	run, _ := c.RunSync("manual")
	is(t, "renamed", run.Counts.Renamed, 1)
	is(t, "unmapped", run.Counts.Unmapped, 1)
	checkRow(t, c.Row(rows["Bayside Legal LLP"].Organization.ID), "unmapped", "", "", "deleted-in-itglue")
	checkName(t, c, rows["Alpine Dental Group"].Organization.ID, "Alpine Dental Partners")
	if listed := paste(t, printed["list"]); strings.Contains(listed, "Bayside") || !strings.Contains(listed, "Alpine Dental Partners") {
		t.Errorf("IT Glue has %s", listed)
	}
	is(t, "exit code", stop(), exitOK)
}
