package main

import (
	"net/http"
	"testing"
)

// TestEverything walks through the product as a person does, from an empty database to a deleted customer.
func TestEverything(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, s *site) {
		t.Helper()
		token := s.newAccount()
		first := s.serve()
		c := first.client(token)

		// Before the connection.
		alpine := c.addOrganization("Alpine Dental", "alpine.example.com")
		bayside := c.addOrganization("Bayside Legal", "bayside.example.com")
		cedar := c.addOrganization("Cedar architects", "cedar.example.com")
		delta := c.addOrganization("Delta Foods", "delta.example.com")
		twin := c.addOrganization("Twin Peaks", "twin.example.com")
		glue := map[string]string{}
		for _, name := range []string{"Alpine Dental", "Bayside Legal", "Cedar Architects", "Delta Foods", "Unrelated"} {
			glue[name] = s.add(name)
		}
		s.add("Twin Peaks")
		s.add("Twin Peaks")
		if in := call[integrationView](c, "GET", "/integrations/itglue", nil, http.StatusOK); in.Status != "not_connected" {
			t.Errorf("status %q before connecting", in.Status)
		}

		// A wrong key, then the right one: the initial sync maps equal names and nothing else.
		wrong := map[string]string{"apiKey": "ITG.wrong", "region": "us"}
		if p := call[problemView](c, "POST", "/integrations/itglue/connect", wrong, http.StatusUnprocessableEntity); p.Code != "itglue-key-rejected" {
			t.Errorf("code %q for a wrong key", p.Code)
		}
		if run := c.ended(c.connect().ID); run.Kind != "initial" || run.Counts.Mapped != 3 || run.Counts.Listed != 7 {
			t.Errorf("initial sync: %+v", run)
		}
		checkRow(t, c.row(alpine), "active", "auto", glue["Alpine Dental"], "")
		checkRow(t, c.row(bayside), "active", "auto", glue["Bayside Legal"], "")
		checkRow(t, c.row(cedar), "unmapped", "", "", "no-equal-name")
		checkRow(t, c.row(delta), "active", "auto", glue["Delta Foods"], "")
		checkRow(t, c.row(twin), "unmapped", "", "", "ambiguous")
		if rows := all[rowView](c, "/mappings"); len(rows) != 5 {
			t.Errorf("%d rows are listed", len(rows))
		}

		// A person maps, unmaps and pauses.
		taken := map[string]string{"itglueOrganizationId": glue["Alpine Dental"]}
		if p := call[problemView](c, "PUT", "/mappings/"+cedar, taken, http.StatusConflict); p.Code != "itglue-organization-already-mapped" {
			t.Errorf("code %q for a taken IT Glue organization", p.Code)
		}
		call[rowView](c, "PUT", "/mappings/"+cedar, map[string]string{"itglueOrganizationId": glue["Cedar Architects"]}, http.StatusOK)
		checkRow(t, c.row(cedar), "active", "manual", glue["Cedar Architects"], "")
		if name := c.row(cedar).Organization.Name; name != "Cedar architects" {
			t.Errorf("mapping changed the name to %q", name)
		}
		call[any](c, "DELETE", "/mappings/"+bayside, nil, http.StatusOK, http.StatusNoContent)
		checkRow(t, c.row(bayside), "unmapped", "", "", "unmapped-by-person")
		call[rowView](c, "PATCH", "/mappings/"+delta, map[string]bool{"syncEnabled": false}, http.StatusOK)
		checkRow(t, c.row(delta), "paused", "auto", glue["Delta Foods"], "")

		// Names change in IT Glue: first only as a preview, then for good, except for what is paused.
		s.rename(glue["Alpine Dental"], "Alpine Dental Group")
		s.rename(glue["Delta Foods"], "Delta Foods International")
		_, changes := c.runSync("preview")
		if change := changes["Alpine Dental"]; change.Action != "rename" || change.Status != "planned" {
			t.Errorf("preview: %+v", changes)
		}
		if name := c.row(alpine).Organization.Name; name != "Alpine Dental" {
			t.Errorf("the preview changed the name to %q", name)
		}
		run, changes := c.runSync("manual")
		if run.Counts.Renamed != 2 || run.Counts.Mapped != 0 || run.Counts.Unmapped != 0 {
			t.Errorf("manual sync: %+v", run)
		}
		checkName(t, c, alpine, "Alpine Dental Group")
		checkName(t, c, cedar, "Cedar Architects")
		checkName(t, c, delta, "Delta Foods")
		if !hasChange(changes, changeView{Action: "skip", Reason: "paused"}) {
			t.Errorf("the paused mapping is not told of: %+v", changes)
		}
		checkRow(t, c.row(bayside), "unmapped", "", "", "unmapped-by-person")

		// The refresh of one organization works while it is paused.
		refreshed := call[rowView](c, "POST", "/mappings/"+delta+"/sync", nil, http.StatusOK)
		if refreshed.Organization.Name != "Delta Foods International" || refreshed.State != "paused" {
			t.Errorf("after the refresh: %+v", refreshed)
		}

		// Gone from IT Glue: the mapping goes, the organization stays.
		s.remove(glue["Alpine Dental"])
		run, changes = c.runSync("manual")
		if run.Counts.Unmapped != 1 || !hasChange(changes, changeView{Action: "unmap", Status: "applied", Reason: "deleted-in-itglue"}) {
			t.Errorf("sync after a deletion: %+v %+v", run, changes)
		}
		checkRow(t, c.row(alpine), "unmapped", "", "", "deleted-in-itglue")
		checkName(t, c, alpine, "Alpine Dental Group")
		checkRow(t, c.row(cedar), "active", "manual", glue["Cedar Architects"], "")

		// All of it is still there after a restart.
		terminated(t, first)
		second := s.serve()
		c = second.client(token)
		checkRow(t, c.row(cedar), "active", "manual", glue["Cedar Architects"], "")
		if run, _ := c.runSync("manual"); run.Counts.Unchanged != 1 {
			t.Errorf("sync after the restart: %+v", run)
		}
		if out := s.cli("healthcheck", "--addr", second.address[len("http://"):]); out != "ready" {
			t.Errorf("healthcheck says %q", out)
		}
		terminated(t, second)
	})
}

func checkRow(t *testing.T, row rowView, state, origin, itglueID, unmatched string) {
	t.Helper()
	gotID, gotCode := "", ""
	if row.ITGlueOrganization != nil {
		gotID = row.ITGlueOrganization.ID
	}
	if row.Unmatched != nil {
		gotCode = row.Unmatched.Code
	}
	if row.State != state || row.Origin != origin || gotID != itglueID || gotCode != unmatched || row.SyncEnabled != (state == "active") {
		t.Errorf("%s is %s (%s) to %q, sync %v, reason %q; expected %s (%s) to %q, reason %q",
			row.Organization.Name, row.State, row.Origin, gotID, row.SyncEnabled, gotCode, state, origin, itglueID, unmatched)
	}
}

func checkName(t *testing.T, c client, organizationID, name string) {
	t.Helper()
	if got := call[organizationView](c, "GET", "/organizations/"+organizationID, nil, http.StatusOK); got.Name != name {
		t.Errorf("the name is %q instead of %q", got.Name, name)
	}
}

// hasChange compares the fields that want gives.
func hasChange(changes map[string]changeView, want changeView) bool {
	for _, c := range changes {
		if c.Action == want.Action && c.Reason == want.Reason && (want.Status == "" || c.Status == want.Status) {
			return true
		}
	}
	return false
}
