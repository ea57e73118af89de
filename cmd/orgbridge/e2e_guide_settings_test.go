package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/jobs"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// secondKey is a further key of the same IT Glue account.
const secondKey = "ITG.e2e0000000000000000000000000two2"

func (g *guide) change(body any) e2e.IntegrationView {
	g.c.T.Helper()
	return e2e.Call[e2e.IntegrationView](g.c, "PATCH", "/integrations/itglue", body, http.StatusOK)
}

func daily(settings map[string]any) map[string]any { return map[string]any{"dailySync": settings} }

func (g *guide) settingsShowTheIntegration() {
	t := g.now
	in := g.integration()
	is(t, "region", in.Region, "us")
	is(t, "hint of the key", in.APIKeyHint, e2e.SimKey[len(e2e.SimKey)-4:])
	is(t, "last sync", in.LastSync.Status, "succeeded")
	is(t, "daily sync", in.DailySync.Enabled, true)
}

func (g *guide) dailySyncIsAtMidnightInNewYork() {
	t := g.now
	daily := g.integration().DailySync
	is(t, "time zone", daily.TimeZone, "America/New_York")
	zone, err := time.LoadLocation(daily.TimeZone)
	if err != nil {
		t.Fatal(err)
	}
	is(t, "time of day", daily.NextRunAt.In(zone).Format(time.TimeOnly), "00:00:00")
	is(t, "within a day", daily.NextRunAt.After(time.Now()) && daily.NextRunAt.Before(time.Now().Add(26*time.Hour)), true)
}

func (g *guide) pausingTheDailySyncIsNotified() {
	t := g.now
	in := g.change(daily(map[string]any{"enabled": false}))
	is(t, "enabled", in.DailySync.Enabled, false)
	is(t, "next run", in.DailySync.NextRunAt, nil)
	is(t, "actor", g.newest("daily-sync.paused").Actor.TokenName, "e2e")
}

func (g *guide) pausedDailySyncLeavesTheRest() {
	t := g.now
	g.Rename(g.glue["Juniper Accounting"], "Juniper Accountants")
	run, _ := g.c.RunSync("manual")
	is(t, "renamed by a manual sync", run.Counts.Renamed, 1)
	g.Rename(g.glue["Juniper Accounting"], "Juniper Accounting")
	is(t, "name after a refresh", g.refresh(g.org["Juniper Accounting"]).Organization.Name, "Juniper Accounting")
}

func (g *guide) keyIsCheckedBeforeItIsTaken() {
	t := g.now
	g.refused("PATCH", "/integrations/itglue", map[string]any{"apiKey": "ITG.wrong", "autoMap": "off"},
		http.StatusUnprocessableEntity, "itglue-key-rejected")
	problem := g.refused("PATCH", "/integrations/itglue", map[string]any{"apiKey": europeanKey}, http.StatusUnprocessableEntity, "itglue-key-rejected")
	is(t, "hint", problem.Params["regionHint"], any("eu"))
	in := g.integration()
	is(t, "hint of the key", in.APIKeyHint, e2e.SimKey[len(e2e.SimKey)-4:])
	is(t, "auto-map", in.AutoMap, "on_connect")
	g.refresh(g.org["Demo"]) // the old key is in force
}

// newKeyIsTaken makes another key in IT Glue, changes over to it, and revokes the old one.
func (g *guide) newKeyIsTaken() {
	t := g.now
	e2e.Call[any](g.Sim, "POST", "/_sim/keys", map[string]string{"key": secondKey}, http.StatusNoContent)
	is(t, "hint of the key", g.change(map[string]any{"apiKey": secondKey}).APIKeyHint, "two2")
	e2e.Call[any](g.Sim, "POST", "/_sim/keys/revoke", map[string]string{"key": e2e.SimKey}, http.StatusNoContent)
	g.refresh(g.org["Demo"])
	changed := g.newest("integration.changed")
	is(t, "hint before", changed.Before["apiKeyHint"], any(e2e.SimKey[len(e2e.SimKey)-4:]))
	is(t, "hint after", changed.After["apiKeyHint"], any("two2"))
	tested := e2e.Call[e2e.TestView](g.c, "POST", "/integrations/itglue/test", credentials(e2e.SimKey, "us"), http.StatusOK)
	is(t, "the revoked key", tested, e2e.TestView{Code: "itglue-key-rejected"})
}

// regionIsChanged moves to the European data center, where first there is another IT Glue account and then this one, and back.
func (g *guide) regionIsChanged() {
	t := g.now
	european := map[string]any{"apiKey": europeanKey, "region": "eu"}
	problem := g.refused("PATCH", "/integrations/itglue", european, http.StatusConflict, "different-itglue-account")
	is(t, "found there", problem.Params["found"], any(0.0))
	is(t, "mapped", problem.Params["mapped"], any(float64(g.integration().Mappings.Active)))
	is(t, "region", g.integration().Region, "us")

	for _, o := range e2e.Call[[]map[string]any](g.Sim, "GET", "/_sim/organizations", nil, http.StatusOK) {
		e2e.Call[any](g.europe, "POST", "/_sim/organizations", o, http.StatusCreated)
	}
	is(t, "region", g.change(european).Region, "eu")
	e2e.Call[any](g.europe, "POST", "/_sim/organizations/"+g.glue["Sandbox Graphus"]+"/rename", map[string]string{"name": "Sandbox EU"}, http.StatusNoContent)
	is(t, "name read in the new region", g.refresh(g.org["Demo"]).Organization.Name, "Sandbox EU")

	is(t, "region", g.change(map[string]any{"apiKey": secondKey, "region": "us"}).Region, "us")
	is(t, "name read in the old region", g.refresh(g.org["Demo"]).Organization.Name, "Sandbox Graphus")
}

func (g *guide) revokedKeyKeepsMappings() {
	t := g.now
	before := g.integration().Mappings
	e2e.Call[any](g.Sim, "POST", "/_sim/keys/revoke", map[string]string{"key": secondKey}, http.StatusNoContent)
	failed := e2e.Call[e2e.SyncView](g.c, "POST", "/syncs", map[string]string{"kind": "manual"}, http.StatusAccepted)
	e2e.Eventually(t, e2e.Patience, "the sync to fail", func() bool { return g.c.Sync(failed.ID).Status == "failed" })
	in := g.integration()
	is(t, "attention", *in.Attention, e2e.AttentionView{Code: "credentials-rejected"})
	is(t, "tile", g.tile(t).Status, "attention")
	is(t, "mappings", in.Mappings, before)
	g.refused("POST", "/mappings/"+g.org["Demo"]+"/sync", nil, http.StatusUnprocessableEntity, "itglue-key-rejected")
	is(t, "reason told", g.newest("integration.credentials-rejected").Detail != "", true)
}

func (g *guide) newKeyRecovers() {
	t := g.now
	e2e.Call[any](g.Sim, "POST", "/_sim/keys", map[string]string{"key": e2e.SimKey}, http.StatusNoContent)
	is(t, "status", g.change(map[string]any{"apiKey": e2e.SimKey}).Status, "connected")
	g.newest("integration.credentials-accepted")
	g.c.RunSync("manual")
	is(t, "tile", g.tile(t).Status, "connected")
}

// nightFalls has the daily sync of the account planned for a minute ago.
func (g *guide) nightFalls(t *testing.T) {
	t.Helper()
	due := time.Now().UTC().Add(-time.Minute).Truncate(time.Minute)
	g.change(daily(map[string]any{"timeZone": "UTC", "time": due.Format("15:04")}))
	db := storetest.Open(t, g.Database, store.Options{})
	storetest.Exec(t, db, "UPDATE integrations SET next_run_date = $1, next_run_at = $2", due.Format(time.DateOnly), due.Format("2006-01-02 15:04:05-07:00"))
}

func (g *guide) dailySyncs() []e2e.SyncView {
	g.c.T.Helper()
	return e2e.Call[e2e.ListView[e2e.SyncView]](g.c, "GET", "/syncs?kind=daily", nil, http.StatusOK).Items
}

func (g *guide) pausedNightIsQuiet() {
	t := g.now
	g.nightFalls(t)
	restarted := time.Now()
	g.restart()
	g.c.RunSync("manual")
	e2e.Eventually(t, e2e.Patience, "two sweeps", func() bool { return time.Since(restarted) > 2*jobs.DefaultSweepInterval })
	is(t, "daily syncs", len(g.dailySyncs()), 0)
}

// overnightSyncRenames is the night after Delta Foods was paused and two were renamed in IT Glue.
func (g *guide) overnightSyncRenames() {
	t := g.now
	g.toggle(g.org["Delta Foods"], false)
	g.Rename(g.glue["Delta Foods"], "Delta Foods Worldwide")
	g.Rename(g.glue["Juniper Accounting"], "Juniper Advisers")
	g.nightFalls(t)
	e2e.Eventually(t, e2e.Patience, "the end of a daily sync", func() bool {
		syncs := g.dailySyncs()
		return len(syncs) == 1 && syncs[0].Status == "succeeded"
	})
	checkName(t, g.c, g.org["Juniper Accounting"], "Juniper Advisers")
	renamed := g.newest("organization.renamed")
	is(t, "sync that renamed", renamed.SyncID, g.dailySyncs()[0].ID)
	is(t, "actor", renamed.Actor.TokenName, "")
	is(t, "next run is a day later", g.integration().DailySync.NextRunAt.After(time.Now().Add(23*time.Hour)), true)
}

func (g *guide) pausedIsLeftOutOvernight() {
	t := g.now
	checkName(t, g.c, g.org["Delta Foods"], "Delta Foods International")
	changes := e2e.Call[e2e.ListView[e2e.ChangeView]](g.c, "GET", "/syncs/"+g.dailySyncs()[0].ID+"/changes?action=skip", nil, http.StatusOK).Items
	is(t, "told of", len(changes) == 1 && changes[0].Reason == "paused" && changes[0].Organization.ID == g.org["Delta Foods"], true)
	g.toggle(g.org["Delta Foods"], true)
}

func (g *guide) dailySyncIsResumed() {
	t := g.now
	in := g.change(daily(map[string]any{"enabled": true}))
	is(t, "enabled", in.DailySync.Enabled, true)
	is(t, "within a day", in.DailySync.NextRunAt.After(time.Now()) && in.DailySync.NextRunAt.Before(time.Now().Add(26*time.Hour)), true)
	is(t, "actor", g.newest("daily-sync.resumed").Actor.TokenName, "e2e")
}

func (g *guide) deactivatingAsksForConfirmation() {
	t := g.now
	before := g.integration().Mappings
	problem := g.refused("DELETE", "/integrations/itglue", nil, http.StatusConflict, "confirmation-required")
	is(t, "mappings that would be lost", problem.Params["mappings"], any(float64(before.Active+before.Paused)))
	is(t, "mappings", g.integration().Mappings, before)
}

func (g *guide) deactivatingLosesAllMappings() {
	t := g.now
	before := g.integration().Mappings
	removed := e2e.Call[struct{ MappingsRemoved int }](g.c, "DELETE", "/integrations/itglue?confirm=true", nil, http.StatusOK)
	is(t, "mappings removed", removed.MappingsRemoved, before.Active+before.Paused)
	for _, row := range e2e.All[e2e.RowView](g.c, "/mappings") {
		checkRow(t, row, "unmapped", "", "", "")
	}
	is(t, "organizations", len(e2e.All[e2e.OrganizationView](g.c, "/organizations")), len(g.org))
	is(t, "tile", g.tile(t).Status, "not_connected")
	is(t, "actor", g.newest("integration.deactivated").Actor.TokenName, "e2e")
}

func (g *guide) nothingWorksAfterDeactivating() {
	t := g.now
	calls := g.Calls().Count
	g.nothingWorksBeforeConnecting()
	g.refused("GET", "/integrations/itglue/organizations/"+g.glue["Kestrel Aviation"]+"/domains", nil, http.StatusConflict, "not-connected")
	g.refused("POST", "/organizations", g.addFromITGlue("Kestrel Aviation", "kestrel.example.com"), http.StatusConflict, "not-connected")
	g.refused("POST", "/organizations/import", map[string]any{"items": []map[string]string{g.addFromITGlue("Kestrel Aviation", "kestrel.example.com")}},
		http.StatusConflict, "not-connected")
	g.refused("PATCH", "/integrations/itglue", map[string]any{"apiKey": e2e.SimKey}, http.StatusConflict, "not-connected")
	g.refused("DELETE", "/integrations/itglue?confirm=true", nil, http.StatusConflict, "not-connected")
	is(t, "calls to IT Glue", g.Calls().Count, calls)
}

// reconnectingStartsClean has an initial sync map also what a person had unmapped under the connection before.
func (g *guide) reconnectingStartsClean() {
	t := g.now
	initial := g.c.Ended(g.c.Connect().ID)
	is(t, "kind", initial.Kind, "initial")
	checkRow(t, g.c.Row(g.org["Bayside Legal"]), "active", "auto", g.glue["Bayside Legal"], "")
	checkRow(t, g.c.Row(g.org["Demo"]), "active", "auto", g.glue["Sandbox Graphus"], "") // which bears IT Glue's name since
	in := g.integration()
	is(t, "status", in.Status, "connected")
	is(t, "daily sync", in.DailySync.TimeZone, "America/New_York")
}
