package main

import (
	"net/http"
	"strings"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
)

func (g *guide) previewChangesNothing() {
	t := g.now
	g.Rename(g.glue["Alpine Dental"], "Alpine Dental Group")
	_, changes := g.c.RunSync("preview")
	if change := changes["Alpine Dental"]; change.Action != "rename" || change.Status != "planned" || change.After != "Alpine Dental Group" {
		t.Errorf("preview: %+v", changes)
	}
	checkName(t, g.c, g.org["Alpine Dental"], "Alpine Dental")
}

func (g *guide) manualSyncRenames() {
	t := g.now
	run, changes := g.c.RunSync("manual")
	is(t, "renamed", run.Counts.Renamed, 1)
	is(t, "mapped", run.Counts.Mapped, 0)
	is(t, "unmapped", run.Counts.Unmapped, 0)
	is(t, "change", changes["Alpine Dental"].Status, "applied")
	checkName(t, g.c, g.org["Alpine Dental"], "Alpine Dental Group")
	is(t, "name in the IT Glue column", g.c.Row(g.org["Alpine Dental"]).ITGlueOrganization.Name, "Alpine Dental Group")
	renamed := g.newest("organization.renamed")
	is(t, "sync that renamed", renamed.SyncID, run.ID)
	is(t, "name before", renamed.Before["name"], any("Alpine Dental"))
}

func (g *guide) pausedIsLeftOut() {
	t := g.now
	delta := g.org["Delta Foods"]
	checkRow(t, g.toggle(delta, false), "paused", "auto", g.glue["Delta Foods"], "")
	is(t, "fact", g.newest("mapping.paused").Organization.ID, delta)
	g.Rename(g.glue["Delta Foods"], "Delta Foods International")
	run, changes := g.c.RunSync("manual")
	is(t, "renamed", run.Counts.Renamed, 0)
	checkName(t, g.c, delta, "Delta Foods")
	if !hasChange(changes, e2e.ChangeView{Action: "skip", Reason: "paused"}) {
		t.Errorf("the paused mapping is not told of: %+v", changes)
	}
}

func (g *guide) refreshOverwritesAlsoWhenPaused() {
	t := g.now
	delta := g.org["Delta Foods"]
	row := g.refresh(delta)
	checkRow(t, row, "paused", "auto", g.glue["Delta Foods"], "")
	is(t, "name", row.Organization.Name, "Delta Foods International")
	checkName(t, g.c, delta, "Delta Foods International")
	checkRow(t, g.toggle(delta, true), "active", "auto", g.glue["Delta Foods"], "")
}

// workGoesOnWhileItSyncs works on the mapping page while a sync waits for IT Glue. The sync is asked for twice, and runs once.
func (g *guide) workGoesOnWhileItSyncs() {
	t := g.now
	g.Slow(1, 2*time.Second)
	manual := map[string]string{"kind": "manual"}
	started := e2e.Call[e2e.SyncView](g.c, "POST", "/syncs", manual, http.StatusAccepted)
	e2e.Eventually(t, e2e.Patience, "the sync to run", func() bool { return g.c.Sync(started.ID).Status == "running" })
	is(t, "sync under way", g.integration().ActiveSync.ID, started.ID)
	is(t, "sync that a second request gets", e2e.Call[e2e.SyncView](g.c, "POST", "/syncs", manual, http.StatusOK).ID, started.ID)
	g.toggle(g.org["Evergreen Logistics"], false)
	is(t, "state meanwhile", g.c.Row(g.org["Evergreen Logistics"]).State, "paused")
	is(t, "status meanwhile", g.c.Sync(started.ID).Status, "running")
	g.Fast()
	g.c.Ended(started.ID)
	g.toggle(g.org["Evergreen Logistics"], true)
}

func (g *guide) deletedIsUnmappedBySync() {
	t := g.now
	alpine := g.org["Alpine Dental"]
	g.Remove(g.glue["Alpine Dental"])
	run, changes := g.c.RunSync("manual")
	is(t, "unmapped", run.Counts.Unmapped, 1)
	if !hasChange(changes, e2e.ChangeView{Action: "unmap", Status: "applied", Reason: "deleted-in-itglue"}) {
		t.Errorf("changes: %+v", changes)
	}
	checkRow(t, g.c.Row(alpine), "unmapped", "", "", "deleted-in-itglue")
	checkName(t, g.c, alpine, "Alpine Dental Group")
	unmapped := g.newest("mapping.unmapped")
	is(t, "organization unmapped", unmapped.Organization.ID, alpine)
	is(t, "reason", unmapped.Detail, "deleted-in-itglue")
	is(t, "sync that unmapped", unmapped.SyncID, run.ID)
}

func (g *guide) deletedIsUnmappedByRefresh() {
	t := g.now
	evergreen := g.org["Evergreen Logistics"]
	g.Remove(g.glue["Evergreen Logistics"])
	checkRow(t, g.refresh(evergreen), "unmapped", "", "", "deleted-in-itglue")
	is(t, "reason", g.newest("mapping.unmapped").Detail, "deleted-in-itglue")
	g.refused("POST", "/mappings/"+evergreen+"/sync", nil, http.StatusConflict, "not-mapped")
}

func (g *guide) syncIsCancelled() {
	t := g.now
	g.Slow(1, 2*time.Second)
	started := e2e.Call[e2e.SyncView](g.c, "POST", "/syncs", map[string]string{"kind": "manual"}, http.StatusAccepted)
	cancelled := e2e.Call[e2e.SyncView](g.c, "POST", "/syncs/"+started.ID+"/cancel", nil, http.StatusOK)
	is(t, "status", cancelled.Status, "cancelled")
	g.Fast()
	g.c.RunSync("manual") // there is room for the next one at once
	is(t, "status in the end", g.c.Sync(started.ID).Status, "cancelled")
}

// manyDeletedAreHeld deletes two of the three that are mapped.
func (g *guide) manyDeletedAreHeld() {
	t := g.now
	g.Remove(g.glue["Cedar Architects"])
	g.Remove(g.glue["Delta Foods"])
	held := g.heldSync()
	is(t, "held", held.Counts.Held, 2)
	is(t, "unmapped", held.Counts.Unmapped, 0)
	checkRow(t, g.c.Row(g.org["Cedar architects"]), "active", "manual", g.glue["Cedar Architects"], "")
	in := g.integration()
	is(t, "status", in.Status, "attention")
	is(t, "attention", *in.Attention, e2e.AttentionView{Code: "removals-held", SyncID: held.ID})
	is(t, "tile", g.tile(t).Status, "attention")
	is(t, "fact", g.newest("sync.held").SyncID, held.ID)
}

func (g *guide) rejectedStayMapped() {
	t := g.now
	held := g.integration().Attention.SyncID
	rejected := e2e.Call[e2e.SyncView](g.c, "POST", "/syncs/"+held+"/reject", nil, http.StatusOK)
	is(t, "status", rejected.Status, "succeeded")
	checkRow(t, g.c.Row(g.org["Cedar architects"]), "active", "manual", g.glue["Cedar Architects"], "")
	is(t, "tile", g.tile(t).Status, "connected")
	is(t, "fact", g.newest("removals.rejected").SyncID, held)
	g.refused("POST", "/syncs/"+held+"/release", nil, http.StatusConflict, "not-held")
}

func (g *guide) releasedAreUnmapped() {
	t := g.now
	held := g.heldSync()
	e2e.Call[e2e.SyncView](g.c, "POST", "/syncs/"+held.ID+"/release", nil, http.StatusAccepted)
	is(t, "unmapped", g.c.Ended(held.ID).Counts.Unmapped, 2)
	checkRow(t, g.c.Row(g.org["Cedar architects"]), "unmapped", "", "", "deleted-in-itglue")
	checkRow(t, g.c.Row(g.org["Delta Foods"]), "unmapped", "", "", "deleted-in-itglue")
	checkRow(t, g.c.Row(g.org["Demo"]), "active", "manual", g.glue["Sandbox Graphus"], "")
	is(t, "actor", g.newest("removals.released").Actor.TokenName, "e2e")
}

// onlyOrganizationsAndDomainsAreRead looks at all that IT Glue was ever asked: no passwords, and nothing but questions.
func (g *guide) onlyOrganizationsAndDomainsAreRead() {
	t := g.now
	log := e2e.Call[struct {
		Count int
		Calls []struct{ Method, Path string }
	}](g.Sim, "GET", "/_sim/calls", nil, http.StatusOK)
	if log.Count == 0 || len(log.Calls) != log.Count {
		t.Errorf("%d of %d calls are known", len(log.Calls), log.Count)
	}
	for _, c := range log.Calls {
		if c.Method != http.MethodGet || c.Path != "/organizations" && !strings.HasPrefix(c.Path, "/organizations/") {
			t.Errorf("IT Glue was asked %s %s", c.Method, c.Path)
		}
	}
}

// keyIsNeverShown reads everything that there is to read.
func (g *guide) keyIsNeverShown() {
	t := g.now
	var shown strings.Builder
	shown.WriteString(g.server.Out.String())
	for _, path := range []string{"/me", "/integrations", "/integrations/itglue", "/mappings", "/organizations", "/syncs", "/events?limit=200"} {
		_, text := g.c.Do("GET", path, nil)
		shown.Write(text)
	}
	for _, key := range []string{e2e.SimKey, secondKey, europeanKey} {
		if strings.Contains(shown.String(), key) {
			t.Errorf("the key %s is shown", key)
		}
	}
}

func (g *guide) everythingOutlivesARestart() {
	t := g.now
	_, before := g.c.Do("GET", "/mappings", nil)
	g.restart()
	_, after := g.c.Do("GET", "/mappings", nil)
	is(t, "mappings", string(after), string(before))
	out := g.CLI("healthcheck", "--addr", strings.TrimPrefix(g.server.Address, "http://"))
	is(t, "health", out, "ready")
}
