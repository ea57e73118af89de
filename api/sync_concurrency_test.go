package api_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// gate is the store of a runner in which a test stands before one of the steps.
type gate struct {
	*store.Store

	mu   sync.Mutex
	step string
	then func()
}

// before does once what the test has in mind for the step.
func (g *gate) before(step string) {
	g.mu.Lock()
	then := g.then
	if step != g.step {
		then = nil
	}
	if then != nil {
		g.then = nil
	}
	g.mu.Unlock()
	if then != nil {
		then()
	}
}

func (g *gate) ClaimSync(ctx context.Context, f orgsync.Fence, lease time.Duration) (orgsync.Sync, error) {
	g.before("claim")
	return g.Store.ClaimSync(ctx, f, lease)
}

func (g *gate) OrganizationStates(ctx context.Context, accountID string) ([]orgsync.OrganizationState, int64, error) {
	g.before("read")
	return g.Store.OrganizationStates(ctx, accountID)
}

func (g *gate) Heartbeat(ctx context.Context, f orgsync.Fence, lease time.Duration, p orgsync.Progress) error {
	g.before("beat") // the first one comes with the first changes
	return g.Store.Heartbeat(ctx, f, lease, p)
}

func (g *gate) Directory(ctx context.Context, accountID string) ([]integration.DirectoryEntry, error) {
	g.before("list")
	return g.Store.Directory(ctx, accountID)
}

func (g *gate) WriteDirectory(ctx context.Context, f orgsync.Fence, entries []integration.DirectoryEntry, gone []string) error {
	g.before("directory")
	return g.Store.WriteDirectory(ctx, f, entries, gone)
}

func (g *gate) ApplyChanges(ctx context.Context, f orgsync.Fence, b orgsync.Batch) error {
	g.before("apply")
	return g.Store.ApplyChanges(ctx, f, b)
}

func (g *gate) ApplyUnmatched(ctx context.Context, f orgsync.Fence, updates []orgsync.UnmatchedUpdate) error {
	g.before("unmatched")
	return g.Store.ApplyUnmatched(ctx, f, updates)
}

func (g *gate) FinishSync(ctx context.Context, f orgsync.Fence, o orgsync.Outcome) error {
	g.before("finish")
	return g.Store.FinishSync(ctx, f, o)
}

// gated has the world's runner go through a gate.
func (w *world) gated() *gate {
	g := &gate{Store: w.db}
	w.runner.Syncs, w.runner.State = g, g
	return g
}

// at has a manual sync done, and something else when it comes to the step. It fails if the sync does not come there.
func (w *world) at(t *testing.T, g *gate, step string, then func()) {
	t.Helper()
	reached := false
	g.mu.Lock()
	g.step, g.then = step, func() {
		reached = true
		then()
	}
	g.mu.Unlock()
	w.syncNow(t)
	if !reached {
		t.Fatalf("the sync never came to %s", step)
	}
}

func syncSteps() []string {
	return []string{"claim", "read", "list", "directory", "apply", "beat", "unmatched", "finish"}
}

// applied tells that the changes were made before the step.
func applied(step string) bool { return step == "beat" || step == "unmatched" || step == "finish" }

// customers gives IT Glue and the account some organizations, the first of them to be renamed, one to be mapped and one without counterpart.
func (w *world) customers(t *testing.T) (renamed, lone string) {
	t.Helper()
	glue := w.glue[itglue.RegionEU]
	glue.Reset(itgluetest.Organization{ID: "1", Name: "Contoso"}, itgluetest.Organization{ID: "2", Name: "Fabrikam"})
	renamed = w.add(t, "Contoso", "contoso.com")
	w.add(t, "Fabrikam", "fabrikam.com")
	w.connect(t)
	lone = w.add(t, "Nobody", "nobody.com")
	glue.Rename("1", "Contoso Ltd")
	glue.Add(itgluetest.Organization{ID: "3", Name: "New"})
	return renamed, lone
}

// TestF41NothingOfAnEndedConnectionGoesOn deactivates while a sync is at each of its steps, and connects again at once.
func TestF41NothingOfAnEndedConnectionGoesOn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		for range rounds(1, 125) {
			for _, step := range syncSteps() {
				w := newWorldOn(t, db)
				g := w.gated()
				renamed, _ := w.customers(t)
				const newKey = "ITG.another-key-of-the-account"
				glue := w.glue[itglue.RegionEU]
				glue.AddKey(newKey)
				var before object
				calls := 0
				w.at(t, g, step, func() {
					w.call(t, "DELETE", "/integrations/itglue?confirm=true", "", 200).want(t, object{"mappingsRemoved": 2})
					w.call(t, "POST", "/integrations/itglue/connect", `{"apiKey":"`+newKey+`","region":"eu"}`, 201)
					before = w.call(t, "GET", "/events?limit=200&count=true", "", 200)
					calls = glue.CallCount()
				})
				if sent := glue.CallCount() - calls; sent != 0 {
					t.Errorf("%s: %d calls with the old key", step, sent)
				}
				w.call(t, "GET", "/events?limit=200&count=true", "", 200).want(t, object{"total": before.at("total")})
				name, mapped := "Contoso", 1
				if applied(step) {
					name, mapped = "Contoso Ltd", 2
				}
				w.call(t, "GET", "/organizations/"+renamed, "", 200).want(t, object{"name": name, "mapped": false})
				w.call(t, "GET", "/integrations/itglue", "", 200).want(t, object{
					"activeSync.kind": "initial", "activeSync.status": "queued", "listedAt": nil, "mappings.active": 0,
				})
				w.work(t)
				w.call(t, "GET", "/integrations/itglue", "", 200).want(t, object{"lastSync.status": "succeeded", "mappings.active": mapped})
			}
		}
	})
}

// TestF41AKeyIsNotUsedAfterItWasChanged changes the key while a sync lists.
func TestF41AKeyIsNotUsedAfterItWasChanged(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		w := newWorldOn(t, db)
		g := w.gated()
		w.customers(t)
		glue := w.glue[itglue.RegionEU]
		glue.AddKey("ITG.the-next-key-of-them")
		calls := 0
		w.at(t, g, "read", func() {
			w.call(t, "PATCH", "/integrations/itglue", `{"apiKey":"ITG.the-next-key-of-them"}`, 200)
			calls = glue.CallCount()
		})
		if sent := glue.CallCount() - calls; sent != 0 {
			t.Errorf("%d calls with the old key", sent)
		}
		w.work(t)
		w.call(t, "GET", "/integrations/itglue", "", 200).want(t, object{"lastSync.status": "succeeded", "lastSync.counts.renamed": 1})
	})
}

// TestF43APersonsChangeDuringASyncWins renames and refreshes at each step of a sync: there is one event for each change, and no flapping.
func TestF43APersonsChangeDuringASyncWins(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		for _, step := range syncSteps() {
			w := newWorldOn(t, db)
			g := w.gated()
			renamed, _ := w.customers(t)
			done := applied(step)
			w.at(t, g, step, func() {
				w.call(t, "PATCH", "/organizations/"+renamed, `{"name":"Mine"}`, 200)
			})
			want := "Mine"
			if step == "claim" || step == "read" { // the sync sees what was changed before it began
				want = "Contoso Ltd"
			}
			w.call(t, "GET", "/organizations/"+renamed, "", 200).want(t, object{"name": want})
			renames := 1
			if done || want != "Mine" {
				renames = 2
			}
			events := w.call(t, "GET", "/events?type=organization.renamed&count=true", "", 200)
			events.want(t, object{"total": renames})
			last := w.call(t, "GET", "/syncs?kind=manual", "", 200)
			last.want(t, object{"items.0.status": "succeeded"})
			if want == "Mine" && !done {
				w.call(t, "GET", "/syncs/"+last.text(t, "items.0.id")+"/changes?action=rename", "", 200).
					want(t, object{"items.0.status": "refused", "items.0.reason": "changed-since-the-listing"})
			}
		}
		for _, step := range syncSteps() {
			w := newWorldOn(t, db)
			g := w.gated()
			renamed, _ := w.customers(t)
			w.at(t, g, step, func() {
				w.call(t, "POST", "/mappings/"+renamed+"/sync", "", 200).want(t, object{"organization.name": "Contoso Ltd"})
			})
			w.call(t, "GET", "/organizations/"+renamed, "", 200).want(t, object{"name": "Contoso Ltd"})
			w.call(t, "GET", "/events?type=organization.renamed&count=true", "", 200).want(t, object{"total": 1})
		}
	})
}

// TestF44WhatAPersonUnmappedDuringASyncStaysUnmapped unmaps between the listing and the changes.
func TestF44WhatAPersonUnmappedDuringASyncStaysUnmapped(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		for _, step := range syncSteps() {
			w := newWorldOn(t, db)
			g := w.gated()
			renamed, _ := w.customers(t)
			w.call(t, "PATCH", "/integrations/itglue", `{"autoMap":"every_sync"}`, 200)
			w.at(t, g, step, func() { w.call(t, "DELETE", "/mappings/"+renamed, "", 200) })
			w.call(t, "GET", "/mappings/"+renamed, "", 200).want(t, object{"state": "unmapped", "unmatched.code": "unmapped-by-person"})
			name := "Contoso"
			if applied(step) {
				name = "Contoso Ltd"
			}
			w.call(t, "GET", "/organizations/"+renamed, "", 200).want(t, object{"name": name})
			w.syncNow(t)
			w.call(t, "GET", "/mappings/"+renamed, "", 200).want(t, object{"state": "unmapped", "unmatched.code": "unmapped-by-person"})
		}
	})
}

// TestF45ADeletedOrganizationIsNotResurrected deletes organizations at each step of a sync.
func TestF45ADeletedOrganizationIsNotResurrected(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		for _, step := range syncSteps() {
			w := newWorldOn(t, db)
			g := w.gated()
			renamed, lone := w.customers(t)
			w.at(t, g, step, func() {
				w.remove(t, renamed)
				w.remove(t, lone)
			})
			w.call(t, "GET", "/organizations?count=true", "", 200).want(t, object{"total": 1})
			w.call(t, "GET", "/mappings/summary", "", 200).want(t, object{"total": 1, "active": 1})
			last := w.call(t, "GET", "/syncs?kind=manual", "", 200)
			last.want(t, object{"items.0.status": "succeeded"})
			if step == "apply" || step == "directory" || step == "list" {
				w.call(t, "GET", "/syncs/"+last.text(t, "items.0.id")+"/changes?action=rename", "", 200).
					want(t, object{"items.0.status": "refused", "items.0.reason": "changed-since-the-listing"})
			}
		}
	})
}

// act is one of the things that a person or the night does to the syncs of an account.
type act struct {
	name string
	do   func(t *testing.T, w *world, organization string)
}

func acts() []act {
	send := func(method, path, body string) func(*testing.T, *world, string) {
		return func(t *testing.T, w *world, organization string) {
			t.Helper()
			a := do(t, w, request{method: method, path: api.Base + strings.Replace(path, "ID", organization, 1), token: w.admin, body: body})
			if a.status >= 300 {
				t.Errorf("%s %s %s: %d %s", method, path, body, a.status, a.body)
			}
		}
	}
	return []act{
		{"pause one", send("PATCH", "/mappings/ID", `{"syncEnabled":false}`)},
		{"resume one", send("PATCH", "/mappings/ID", `{"syncEnabled":true}`)},
		{"pause all", send("PATCH", "/integrations/itglue", `{"dailySync":{"enabled":false}}`)},
		{"resume all", send("PATCH", "/integrations/itglue", `{"dailySync":{"enabled":true}}`)},
		{"manual", func(t *testing.T, w *world, _ string) {
			t.Helper()
			send("POST", "/syncs", `{"kind":"manual"}`)(t, w, "")
			w.work(t)
		}},
		{"nightly", func(t *testing.T, w *world, _ string) {
			t.Helper()
			for _, f := range orgsync.NewNights(w.db, w.runner.Logger).Start(t.Context(), []string{w.account(t)}) {
				if err := w.runner.Run(t.Context(), f); err != nil {
					t.Error(err)
				}
			}
		}},
	}
}

// account is the id of the admin's account.
func (w *world) account(t *testing.T) string {
	t.Helper()
	return do(t, w, request{method: "GET", path: api.Base + "/me", token: w.admin}).object(t).text(t, "account.id")
}

// TestF42PausesHoldAgainstEverythingAtOnce does each pair of acts at once, after one of four beginnings, and reads in the events that no
// organization was renamed while its mapping was paused, and no daily sync began while they were.
func TestF42PausesHoldAgainstEverythingAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		w := newWorldOn(t, db)
		glue := w.glue[itglue.RegionEU]
		all := acts()
		for round := range rounds(1, 48) {
			for i := range all {
				for j := i; j < len(all); j++ {
					w.admin, w.viewer = w.newAccount(t)
					glue.Reset(itgluetest.Organization{ID: "1", Name: "Contoso"})
					organization := w.add(t, "Contoso", "contoso.com")
					w.connect(t)
					account := w.account(t)
					storetest.Exec(t, db, "UPDATE integrations SET retry_at = '2020-01-01 05:00:00+00:00' WHERE account_id = $1", account) // due at once
					glue.Rename("1", "Contoso Ltd")
					if round%2 == 1 {
						all[0].do(t, w, organization)
					}
					if round%4 > 1 {
						all[2].do(t, w, organization)
					}
					var both sync.WaitGroup
					both.Go(func() { all[i].do(t, w, organization) })
					both.Go(func() { all[j].do(t, w, organization) })
					both.Wait()
					w.work(t)
					w.checkPauses(t, all[i].name+" and "+all[j].name)
				}
			}
		}
		if storetest.Value[int](t, db, "SELECT count(*) FROM syncs WHERE kind = 'daily'") == 0 {
			t.Error("no daily sync ever began")
		}
	})
}

func (w *world) checkPauses(t *testing.T, what string) {
	t.Helper()
	items, _ := w.call(t, "GET", "/events?limit=200", "", 200)["items"].([]any)
	onePaused, allPaused, renames := false, false, 0
	for _, item := range slices.Backward(items) {
		e := object(item.(map[string]any)) //nolint:forcetypeassert // an event
		switch event.Type(e.text(t, "type")) {
		case event.MappingPaused:
			onePaused = true
		case event.MappingResumed:
			onePaused = false
		case event.DailySyncPaused:
			allPaused = true
		case event.DailySyncResumed:
			allPaused = false
		case event.OrganizationRenamed:
			renames++
			if onePaused {
				t.Errorf("%s: renamed while paused: %v", what, items)
			}
		case event.SyncQueued:
			if allPaused && e.at("after.kind") == "daily" {
				t.Errorf("%s: a daily sync while they were paused: %v", what, items)
			}
		default:
		}
	}
	if renames > 1 {
		t.Errorf("%s: renamed %d times", what, renames)
	}
	if n := storetest.Value[int](t, w.db, "SELECT count(*) FROM syncs WHERE status IN ('queued', 'running')"); n > 0 {
		t.Errorf("%s: %d syncs are left", what, n)
	}
}
