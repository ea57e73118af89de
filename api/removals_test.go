package api_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// heldWorld has five mappings of which a sync holds the removal of four. It returns the sync's id.
func heldWorld(t *testing.T) (w *world, syncID string) {
	t.Helper()
	w = newWorld(t)
	syncID = w.hold(t)
	return w, syncID
}

// hold has the account connected, with five mappings of which a sync holds the removal of four, and returns the sync's id.
func (w *world) hold(t *testing.T) (syncID string) {
	t.Helper()
	for i := range 5 {
		w.glue[itglue.RegionEU].Add(itgluetest.Organization{ID: strconv.Itoa(i + 1), Name: fmt.Sprintf("Customer %d", i)})
		w.add(t, fmt.Sprintf("Customer %d", i), fmt.Sprintf("customer%d.com", i))
	}
	w.connect(t)
	for i := range 4 {
		w.glue[itglue.RegionEU].Delete(strconv.Itoa(i + 1))
	}
	return w.syncNow(t)
}

// syncNow does a manual sync and returns its id.
func (w *world) syncNow(t *testing.T) string {
	t.Helper()
	id := w.call(t, "POST", "/syncs", `{"kind":"manual"}`, 202).text(t, "id")
	w.work(t)
	return id
}

func TestScenarioRelease(t *testing.T) {
	t.Parallel()
	w, held := heldWorld(t)
	w.call(t, "GET", "/integrations/itglue", "", 200).want(t, object{
		"status": "attention", "attention.code": "removals-held", "attention.syncId": held, "lastSync.counts.held": 4, "mappings.active": 5,
	})
	w.call(t, "GET", "/syncs/"+held+"/changes?status=held&count=true", "", 200).want(t, object{"total": 4, "items.0.action": "unmap"})
	w.call(t, "POST", "/syncs/"+held+"/release", "", 202).want(t, object{
		"id": held, "status": "queued", "finishedAt": nil, "error": nil, "counts.held": 4, "progress.phase": nil,
	})
	w.call(t, "GET", "/integrations/itglue", "", 200).want(t, object{"status": "connected", "attention": nil, "activeSync.id": held})
	w.call(t, "POST", "/syncs/"+held+"/release", "", 409).want(t, object{"code": "not-held"})
	w.call(t, "POST", "/syncs/"+held+"/reject", "", 409).want(t, object{"code": "not-held"})
	w.work(t)
	w.call(t, "GET", "/syncs/"+held, "", 200).want(t, object{
		"status": "succeeded", "counts.unmapped": 4, "counts.held": 0, "progress.phase": "confirming", "progress.done": 4, "progress.total": 4,
	})
	w.call(t, "GET", "/mappings/summary", "", 200).want(t, object{"active": 1, "unmatched.deleted-in-itglue": 4})
	w.call(t, "GET", "/integrations/itglue", "", 200).want(t, object{"status": "connected", "attention": nil, "lastSync.id": held})
	w.call(t, "GET", "/events?type=removals.released&count=true", "", 200).want(t, object{
		"total": 1, "items.0.syncId": held, "items.0.actor.tokenName": "admin", "items.0.after.removals": 4,
	})
	w.call(t, "GET", "/events?type=mapping.unmapped&count=true", "", 200).want(t, object{"total": 4, "items.0.syncId": held})
	w.call(t, "POST", "/syncs/"+held+"/reject", "", 409).want(t, object{"code": "not-held"})
}

func TestScenarioReject(t *testing.T) {
	t.Parallel()
	w, held := heldWorld(t)
	w.call(t, "POST", "/syncs/"+held+"/reject", "", 200).want(t, object{"status": "succeeded", "counts.held": 0, "counts.skipped": 4})
	w.call(t, "GET", "/syncs/"+held+"/changes?status=refused&count=true", "", 200).want(t, object{"total": 4, "items.0.reason": "rejected-by-person"})
	w.call(t, "GET", "/integrations/itglue", "", 200).want(t, object{"status": "connected", "attention": nil, "mappings.active": 5})
	w.call(t, "GET", "/events?type=removals.rejected&count=true", "", 200).want(t, object{"total": 1, "items.0.actor.tokenName": "admin"})
	w.call(t, "POST", "/syncs/"+held+"/release", "", 409).want(t, object{"code": "not-held"})
	again := w.syncNow(t)
	w.call(t, "GET", "/integrations/itglue", "", 200).want(t, object{"attention.syncId": again})
}

func TestScenarioRemovalsThatChangedSince(t *testing.T) {
	t.Parallel()
	w, held := heldWorld(t)
	row := w.call(t, "GET", "/syncs/"+held+"/changes?status=held", "", 200).text(t, "items.0.organization.id")
	w.call(t, "PATCH", "/mappings/"+row, `{"syncEnabled":false}`, 200)
	w.call(t, "POST", "/syncs/"+held+"/release", "", 412).want(t, object{"code": "held-set-changed", "params.changed": 1})
	w.call(t, "PATCH", "/mappings/"+row, `{"syncEnabled":true}`, 200)
	later := w.call(t, "POST", "/syncs", `{"kind":"manual"}`, 202).text(t, "id")
	for _, decision := range []string{"release", "reject"} {
		w.call(t, "POST", "/syncs/"+held+"/"+decision, "", 409).want(t, object{"code": "sync-active", "params.syncId": later})
	}
	w.work(t)
	for _, decision := range []string{"release", "reject"} {
		w.call(t, "POST", "/syncs/"+held+"/"+decision, "", 412).want(t, object{"code": "held-set-changed", "params": nil})
	}
	// A later sync that fails leaves the decision open, although it is the last sync by then.
	remove := w.glue[itglue.RegionEU].Inject(itgluetest.Fault{Kind: itgluetest.FaultTotalCount, Count: 1})
	failed := w.syncNow(t)
	remove()
	w.call(t, "GET", "/integrations/itglue", "", 200).want(t, object{
		"status": "attention", "attention.syncId": later, "lastSync.id": failed, "lastSync.status": "failed",
	})
	w.call(t, "PATCH", "/mappings/"+row, `{"syncEnabled":false}`, 200)
	w.call(t, "POST", "/syncs/"+later+"/reject", "", 200) // it removes nothing, so changed mappings do not matter
	w.call(t, "GET", "/integrations/itglue", "", 200).want(t, object{"status": "connected", "attention": nil})
}

func TestScenarioCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.connect(t)
	queued := w.call(t, "POST", "/syncs", `{"kind":"manual"}`, 202).text(t, "id")
	for range 2 {
		w.call(t, "POST", "/syncs/"+queued+"/cancel", "", 200).want(t, object{"id": queued, "status": "cancelled", "error": nil})
	}
	w.work(t)
	w.call(t, "GET", "/syncs/"+queued, "", 200).want(t, object{"status": "cancelled", "startedAt": nil})
	w.call(t, "GET", "/events?type=sync.cancelled&count=true", "", 200).want(t, object{
		"total": 1, "items.0.syncId": queued, "items.0.actor.tokenName": "admin",
	})
	ended := w.syncNow(t)
	w.call(t, "POST", "/syncs/"+ended+"/cancel", "", 409).want(t, object{"code": "sync-ended"})
}

func TestDecisionsOnSyncsThatAreNotThere(t *testing.T) {
	t.Parallel()
	w, held := heldWorld(t)
	stranger, _ := w.newAccount(t)
	for _, decision := range []string{"cancel", "release", "reject"} {
		w.call(t, "POST", "/syncs/"+noID+"/"+decision, "", 404).want(t, object{"code": "not-found"})
		w.call(t, "POST", "/syncs/1/"+decision, "", 404).want(t, object{"code": "not-found"})
		w.callAs(t, stranger, "POST", "/syncs/"+held+"/"+decision, "", 404).want(t, object{"code": "not-found"})
		w.callAs(t, w.viewer, "POST", "/syncs/"+held+"/"+decision, "", 403).want(t, object{"code": "forbidden"})
		a := do(t, w, request{method: "GET", path: api.Base + "/syncs/" + held + "/" + decision, token: w.admin, odd: true})
		wantProblem(t, a, 405, "method-not-allowed")
		w.call(t, "POST", "/syncs/"+held+"/"+decision+"?force=true", "", 422).want(t, object{"errors.0.parameter": "force"})
	}
	w.call(t, "GET", "/integrations/itglue", "", 200).want(t, object{"attention.syncId": held, "mappings.active": 5})
}
