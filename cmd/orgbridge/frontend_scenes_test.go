package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

func (f *frontend) signingIn() {
	f.show("me", "GET", "/me", nil, http.StatusOK)
	admin := f.c.Token
	f.c.Token = "orgb_expired"
	f.show("unauthenticated", "GET", "/integrations", nil, http.StatusUnauthorized)
	f.c.Token = f.viewer
	f.show("forbidden", "POST", "/syncs", map[string]string{"kind": "manual"}, http.StatusForbidden)
	f.c.Token = admin
	f.show("validation-failed", "POST", "/organizations",
		map[string]string{"name": "", "domain": "com", "emailPlatform": "microsoft_365", "phone": "555"}, http.StatusUnprocessableEntity)
	f.show("not-found", "GET", "/organizations/0198c5d0-0000-7000-8000-000000000000", nil, http.StatusNotFound)
}

// people adds the organizations of the story. Their ids are the first that the document shows.
func (f *frontend) people() {
	f.T.Helper()
	for _, name := range []string{
		"Alpine Dental", "Bayside Legal", "Cedar architects", "Delta Foods", "Demo", "Summit Partners",
	} {
		f.org[name] = f.c.AddOrganization(name, strings.ToLower(strings.ReplaceAll(name, " ", "-"))+".example.com")
	}
	customer := func(id, name string, domains ...string) itgluetest.Organization {
		return itgluetest.Organization{ID: id, Name: name, TypeName: "Customer", StatusName: "Active", Domains: domains}
	}
	f.glue.Add(
		itgluetest.Organization{ID: "4000", Name: "Lighthouse IT Services", StatusName: "Active", Primary: true},
		customer("4001", "Alpine Dental", "alpine-dental.example.com"),
		customer("4002", "Bayside Legal", "bayside-legal.example.com"),
		customer("4003", "Cedar Architects", "cedar-architects.example.com"),
		customer("4004", "Delta Foods", "delta-foods.example.com"),
		customer("4005", "Sandbox Graphus"),
		customer("4006", "Summit Partners"),
		customer("4007", "Summit Partners"),
		customer("4008", "Juniper Accounting", "juniper.onmicrosoft.com", "Juniper.example.com"),
		customer("4009", "Kestrel Aviation", "kestrel.example.com", "kestrel-air.example.com"),
		customer("4010", "Meridian Freight", "meridian.example.com"),
	)
	for i := range 1200 { // more than one page of a listing
		f.glue.Add(customer(strconv.Itoa(5000+i), fmt.Sprintf("Practice %04d", i+1)))
	}
}

func (f *frontend) integrationsPage() {
	f.people()
	f.show("tiles-before", "GET", "/integrations", nil, http.StatusOK)
	f.show("integration-before", "GET", "/integrations/itglue", nil, http.StatusOK)
}

func (f *frontend) connectDialogue() {
	f.show("test-key", "POST", "/integrations/itglue/test", credentials(e2e.SimKey, "us"), http.StatusOK)
	f.show("test-other-region", "POST", "/integrations/itglue/test", credentials(europeanKey, "us"), http.StatusOK)
	f.show("connect-other-region", "POST", "/integrations/itglue/connect", credentials(europeanKey, "us"), http.StatusUnprocessableEntity)
	f.show("connect", "POST", "/integrations/itglue/connect", credentials(e2e.SimKey, "us"), http.StatusCreated)
	f.show("already-connected", "POST", "/integrations/itglue/connect", credentials(e2e.SimKey, "us"), http.StatusConflict)
}

// followingASync lets the sync that connecting has queued begin, and end.
func (f *frontend) followingASync() {
	initial := f.integration().ActiveSync.ID
	release := f.hold()
	f.restart()
	e2e.Eventually(f.T, e2e.Patience, "the first page", func() bool { return f.c.Sync(initial).Progress.Done == 1000 })
	f.show("sync-running", "GET", "/syncs/"+initial, nil, http.StatusOK)
	f.show("sync-second", "POST", "/syncs", map[string]string{"kind": "manual"}, http.StatusOK)
	followed := f.follow("sync-followed", "/syncs/"+initial+"/events", "")
	release()
	followed("ended")
	f.show("sync-succeeded", "GET", "/syncs/"+initial, nil, http.StatusOK)
	f.show("sync-changes", "GET", "/syncs/"+initial+"/changes?limit=2", nil, http.StatusOK)
}

func (f *frontend) mappingPage() {
	f.show("tiles", "GET", "/integrations", nil, http.StatusOK)
	f.show("summary", "GET", "/mappings/summary", nil, http.StatusOK)
	cursor := f.show("mappings", "GET", "/mappings?limit=3&count=true", nil, http.StatusOK).NextCursor
	f.show("mappings-next", "GET", "/mappings?limit=3&count=true&cursor="+cursor, nil, http.StatusOK)
	f.show("drop-down", "GET", "/integrations/itglue/organizations?mapped=false&search=sand&limit=20", nil, http.StatusOK)

	f.show("map", "PUT", "/mappings/"+f.org["Demo"], selection("4005"), http.StatusOK)
	f.show("map-taken", "PUT", "/mappings/"+f.org["Summit Partners"], selection("4001"), http.StatusConflict)
	f.show("map-unknown", "PUT", "/mappings/"+f.org["Summit Partners"], selection("999"), http.StatusUnprocessableEntity)
	f.show("refresh", "POST", "/mappings/"+f.org["Demo"]+"/sync", nil, http.StatusOK)
	f.show("toggle-off", "PATCH", "/mappings/"+f.org["Delta Foods"], map[string]bool{"syncEnabled": false}, http.StatusOK)
	f.show("pick-none", "DELETE", "/mappings/"+f.org["Bayside Legal"], nil, http.StatusOK)
	f.show("refresh-none", "POST", "/mappings/"+f.org["Bayside Legal"]+"/sync", nil, http.StatusConflict)
}

func selection(itglueID string) map[string]string {
	return map[string]string{"itglueOrganizationId": itglueID}
}

func (f *frontend) addOrganizationPage() {
	f.show("organizations", "GET", "/organizations?limit=2&count=true", nil, http.StatusOK)
	f.show("add", "POST", "/organizations", map[string]string{
		"name": "Quantum Florists", "domain": "Quantum-Florists.example.com", "emailPlatform": "google_workspace",
	}, http.StatusCreated)
	f.show("add-taken", "POST", "/organizations", map[string]string{
		"name": "Quantum", "domain": "quantum-florists.example.com", "emailPlatform": "google_workspace",
	}, http.StatusConflict)
}

func (f *frontend) addFromITGlue() {
	f.show("choose", "GET", "/integrations/itglue/organizations?mapped=false&search=juniper", nil, http.StatusOK)
	f.show("domains", "GET", "/integrations/itglue/organizations/4008/domains", nil, http.StatusOK)
	juniper := imported{ITGlueOrganizationID: "4008", Domain: "juniper.example.com", EmailPlatform: "microsoft_365"}
	f.org["Juniper Accounting"] = f.show("add-from-itglue", "POST", "/organizations", juniper, http.StatusCreated).ID
	f.show("added-row", "GET", "/mappings/"+f.org["Juniper Accounting"], nil, http.StatusOK)
	f.show("add-already-mapped", "POST", "/organizations", juniper, http.StatusConflict)
	f.show("import", "POST", "/organizations/import", map[string]any{"items": []imported{
		{ITGlueOrganizationID: "4010", EmailPlatform: "microsoft_365"},
		{ITGlueOrganizationID: "4009", EmailPlatform: "google_workspace"},
	}}, http.StatusOK)
	f.show("change-organization", "PATCH", "/organizations/"+f.org["Juniper Accounting"],
		map[string]string{"emailPlatform": "google_workspace"}, http.StatusOK)
	f.show("domain-immutable", "PATCH", "/organizations/"+f.org["Juniper Accounting"],
		map[string]string{"domain": "juniper.example.org"}, http.StatusUnprocessableEntity)
	f.show("delete-organization", "DELETE", "/organizations/"+f.org["Juniper Accounting"], nil, http.StatusNoContent)
}

type imported struct {
	ITGlueOrganizationID string `json:"itglueOrganizationId"`
	Domain               string `json:"domain,omitempty"`
	EmailPlatform        string `json:"emailPlatform"`
}

func (f *frontend) manualSync() {
	f.glue.Rename("4001", "Alpine Dental Group")
	preview := f.show("preview", "POST", "/syncs", map[string]string{"kind": "preview"}, http.StatusAccepted).ID
	f.c.Ended(preview)
	f.show("preview-changes", "GET", "/syncs/"+preview+"/changes?status=planned", nil, http.StatusOK)
	manual := f.show("manual", "POST", "/syncs", map[string]string{"kind": "manual"}, http.StatusAccepted).ID
	f.c.Ended(manual)
	f.show("manual-changes", "GET", "/syncs/"+manual+"/changes?status=applied", nil, http.StatusOK)
	f.show("history", "GET", "/syncs?limit=1", nil, http.StatusOK)
}

func (f *frontend) deletedOrganization() {
	f.glue.Delete("4005")
	f.show("refresh-deleted", "POST", "/mappings/"+f.org["Demo"]+"/sync", nil, http.StatusOK)
}

func (f *frontend) settings() {
	const path = "/integrations/itglue"
	f.show("settings", "GET", path, nil, http.StatusOK)
	f.show("change-key-refused", "PATCH", path, map[string]string{"apiKey": "ITG.mistyped"}, http.StatusUnprocessableEntity)
	f.show("change-different-account", "PATCH", path, credentials(europeanKey, "eu"), http.StatusConflict)
	f.glue.AddKey(secondKey)
	f.show("change-key", "PATCH", path, map[string]string{"apiKey": secondKey}, http.StatusOK)
	f.show("pause-daily", "PATCH", path, daily(map[string]any{"enabled": false}), http.StatusOK)
	f.show("resume-daily", "PATCH", path, daily(map[string]any{"enabled": true, "timeZone": "Europe/Berlin", "time": "01:30"}), http.StatusOK)
	f.show("bad-daily", "PATCH", path, daily(map[string]any{"timeZone": "Berlin", "time": "1:30"}), http.StatusUnprocessableEntity)
	f.show("other-settings", "PATCH", path, map[string]any{"autoMap": "every_sync", "removalLimitPercent": 5}, http.StatusOK)
}

func (f *frontend) deactivating() {
	f.show("deactivate-ask", "DELETE", "/integrations/itglue", nil, http.StatusConflict)
	f.show("deactivate", "DELETE", "/integrations/itglue?confirm=true", nil, http.StatusOK)
	f.show("not-connected", "POST", "/syncs", map[string]string{"kind": "manual"}, http.StatusConflict)
	f.show("mappings-after", "GET", "/mappings?limit=1", nil, http.StatusOK)
}

// cancelling stops a sync that waits for IT Glue.
func (f *frontend) cancelling() {
	release := f.hold()
	defer release()
	id := e2e.Call[e2e.SyncView](f.c, "POST", "/syncs", map[string]string{"kind": "manual"}, http.StatusAccepted).ID
	e2e.Eventually(f.T, e2e.Patience, "the first page", func() bool { return f.c.Sync(id).Progress.Done == 1000 })
	f.show("cancel", "POST", "/syncs/"+id+"/cancel", nil, http.StatusOK)
}

// heldRemovals deletes more in IT Glue than one sync may unmap. Somebody is late with the decision, then decides one way, then the other.
func (f *frontend) heldRemovals() {
	for name, itglueID := range map[string]string{"Bayside Legal": "4002", "Cedar architects": "4003"} {
		f.selectITGlue(f.org[name], itglueID)
	}
	f.toggle(f.org["Delta Foods"], true)
	f.glue.Delete("4002")
	f.glue.Delete("4003")

	late := f.heldSync().ID
	f.show("attention-held", "GET", "/integrations/itglue", nil, http.StatusOK)
	f.show("held-changes", "GET", "/syncs/"+late+"/changes?status=held", nil, http.StatusOK)
	f.toggle(f.org["Bayside Legal"], false)
	f.show("held-set-changed", "POST", "/syncs/"+late+"/release", nil, http.StatusPreconditionFailed)

	f.toggle(f.org["Bayside Legal"], true)
	kept := f.heldSync().ID
	f.show("reject", "POST", "/syncs/"+kept+"/reject", nil, http.StatusOK)
	f.show("not-held", "POST", "/syncs/"+kept+"/release", nil, http.StatusConflict)

	gone := f.heldSync().ID
	f.show("release", "POST", "/syncs/"+gone+"/release", nil, http.StatusAccepted)
	f.c.Ended(gone)
	f.show("released-changes", "GET", "/syncs/"+gone+"/changes?action=unmap", nil, http.StatusOK)
}

// rejectedKey revokes the key and lets a sync find out.
func (f *frontend) rejectedKey() {
	f.glue.RevokeKey(secondKey)
	rejected := e2e.Call[e2e.SyncView](f.c, "POST", "/syncs", map[string]string{"kind": "manual"}, http.StatusAccepted).ID
	e2e.Eventually(f.T, e2e.Patience, "the end of the sync", func() bool { return f.c.Sync(rejected).Status == "failed" })
	f.show("sync-failed", "GET", "/syncs/"+rejected, nil, http.StatusOK)
	f.show("attention", "GET", "/integrations/itglue", nil, http.StatusOK)
	f.show("refresh-rejected", "POST", "/mappings/"+f.org["Alpine Dental"]+"/sync", nil, http.StatusUnprocessableEntity)
	f.glue.AddKey(secondKey)
	f.c.RunSync("manual")
}

func (f *frontend) notifications() {
	newest := f.show("events", "GET", "/events?limit=3", nil, http.StatusOK).Items[0].Sequence
	f.follow("events-followed", "/events/stream", strconv.Itoa(newest-1))("")
	f.show("events-of-organization", "GET", "/events?organizationId="+f.org["Alpine Dental"]+"&type=organization.renamed", nil, http.StatusOK)
}

func (f *frontend) tokens() {
	made := f.show("token-created", "POST", "/tokens",
		map[string]string{"name": "Nightly report", "role": "viewer", "expiresAt": "2099-12-31T00:00:00Z"}, http.StatusCreated)
	f.show("tokens", "GET", "/tokens?limit=1", nil, http.StatusOK)
	f.show("token-revoked", "DELETE", "/tokens/"+made.ID, nil, http.StatusNoContent)
}
