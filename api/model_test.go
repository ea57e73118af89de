package api_test

import (
	"flag"
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// modelled is what an organization is to a model that knows nothing of rows, transactions and plans.
type modelled struct {
	name   string
	target string // IT Glue organization; empty for none
	paused bool
	none   bool // a person picked "None"
}

// model is an account and its IT Glue, as simple as the rules allow. It is compared with the program after every action.
type model struct {
	w         *world
	t         *testing.T
	connected bool
	synced    bool // since it was connected
	paused    bool // daily syncs
	every     bool // auto-map in every sync
	orgs      map[string]*modelled
	glue      map[string]string // names by id
	domains   int
}

func (m *model) call(method, path, body string) (int, object) {
	m.t.Helper()
	r := httptest.NewRequestWithContext(m.t.Context(), method, api.Base+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+m.w.admin)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	m.w.ServeHTTP(w, r) // without comparing with the document, which takes longer than all the rest
	if w.Body.Len() == 0 {
		return w.Code, nil
	}
	return w.Code, answer{body: w.Body.String()}.object(m.t)
}

func (m *model) expect(rt *rapid.T, what string, got, want int) {
	if got != want {
		rt.Fatalf("%s: %d, want %d", what, got, want)
	}
}

func (m *model) status(good int) int {
	if m.connected {
		return good
	}
	return 409
}

func pick[V any](rt *rapid.T, from map[string]V) string {
	if len(from) == 0 {
		rt.Skip("there is none")
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(from))).Draw(rt, "which")
}

func (m *model) holder(target string) string {
	for id, o := range m.orgs {
		if o.target == target {
			return id
		}
	}
	return ""
}

func drawName(rt *rapid.T) string {
	return rapid.SampledFrom([]string{"A", "B", "C", "a"}).Draw(rt, "name")
}

func (m *model) newDomain() string {
	m.domains++
	return fmt.Sprintf("d%d.com", m.domains)
}

func (m *model) connect(rt *rapid.T) {
	status, _ := m.call("POST", "/integrations/itglue/connect", `{"apiKey":"`+canary+`","region":"eu"}`)
	if m.connected {
		m.expect(rt, "connect again", status, 409)
		return
	}
	m.expect(rt, "connect", status, 201)
	m.connected, m.paused, m.every, m.synced = true, false, false, false
	m.w.work(m.t)
	m.sync()
}

func (m *model) deactivate(rt *rapid.T) {
	status, _ := m.call("DELETE", "/integrations/itglue?confirm=true", "")
	m.expect(rt, "deactivate", status, m.status(200))
	m.connected, m.synced = false, false
	for _, o := range m.orgs {
		*o = modelled{name: o.name}
	}
}

func (m *model) add(rt *rapid.T) {
	name := drawName(rt)
	status, o := m.call("POST", "/organizations", fmt.Sprintf(`{"name":%q,"domain":%q,"emailPlatform":"microsoft_365"}`, name, m.newDomain()))
	m.expect(rt, "add", status, 201)
	m.orgs[o.text(m.t, "id")] = &modelled{name: name}
}

func (m *model) rename(rt *rapid.T) {
	id, name := pick(rt, m.orgs), drawName(rt)
	status, _ := m.call("PATCH", "/organizations/"+id, fmt.Sprintf(`{"name":%q}`, name))
	m.expect(rt, "rename", status, 200)
	m.orgs[id].name = name
}

func (m *model) remove(rt *rapid.T) {
	id := pick(rt, m.orgs)
	status, _ := m.call("DELETE", "/organizations/"+id, "")
	m.expect(rt, "delete", status, 204)
	delete(m.orgs, id)
}

func (m *model) mapTo(rt *rapid.T) {
	id, target := pick(rt, m.orgs), pick(rt, m.glue)
	status, _ := m.call("PUT", "/mappings/"+id, `{"itglueOrganizationId":"`+target+`"}`)
	holder := m.holder(target)
	if holder != "" && holder != id {
		m.expect(rt, "map to what is taken", status, 409)
		return
	}
	m.expect(rt, "map", status, m.status(200))
	if m.connected {
		*m.orgs[id] = modelled{name: m.orgs[id].name, target: target}
	}
}

func (m *model) unmap(rt *rapid.T) {
	id := pick(rt, m.orgs)
	status, _ := m.call("DELETE", "/mappings/"+id, "")
	m.expect(rt, "unmap", status, m.status(200))
	if m.connected {
		*m.orgs[id] = modelled{name: m.orgs[id].name, none: true}
	}
}

func (m *model) toggle(rt *rapid.T) {
	id, enabled := pick(rt, m.orgs), rapid.Bool().Draw(rt, "enabled")
	status, _ := m.call("PATCH", "/mappings/"+id, fmt.Sprintf(`{"syncEnabled":%t}`, enabled))
	if m.orgs[id].target == "" {
		m.expect(rt, "toggle none", status, 409)
		return
	}
	m.expect(rt, "toggle", status, 200)
	m.orgs[id].paused = !enabled
}

func (m *model) settings(rt *rapid.T) {
	daily, every := rapid.Bool().Draw(rt, "daily"), rapid.Bool().Draw(rt, "every")
	mode := map[bool]string{true: "every_sync", false: "on_connect"}[every]
	status, _ := m.call("PATCH", "/integrations/itglue", fmt.Sprintf(`{"autoMap":%q,"dailySync":{"enabled":%t}}`, mode, daily))
	m.expect(rt, "settings", status, m.status(200))
	if m.connected {
		m.every, m.paused = every, !daily
	}
}

func (m *model) manualSync(rt *rapid.T) {
	status, _ := m.call("POST", "/syncs", `{"kind":"manual"}`)
	m.expect(rt, "sync", status, m.status(202))
	m.w.work(m.t)
	if m.connected {
		m.sync()
	}
}

// sync is the whole of a sync. No IT Glue organization is ever gone when one runs, see refreshGone.
func (m *model) sync() {
	here, there := map[string]int{}, map[string]int{}
	for _, o := range m.orgs {
		if o.target != "" && !o.paused {
			o.name = m.glue[o.target]
		}
		here[o.name]++
	}
	byName := map[string]string{}
	for id, name := range m.glue {
		there[name]++
		byName[name] = id
	}
	auto := m.every || !m.synced
	made := map[string]string{}
	for id, o := range m.orgs {
		target := byName[o.name]
		if auto && o.target == "" && !o.none && here[o.name] == 1 && there[o.name] == 1 && m.holder(target) == "" {
			made[id] = target
		}
	}
	for id, target := range made {
		m.orgs[id].target = target
	}
	m.synced = m.synced || len(m.glue) > 0 // an empty list is nothing to compare with
}

func (m *model) refresh(rt *rapid.T) {
	id := pick(rt, m.orgs)
	o := m.orgs[id]
	status, _ := m.call("POST", "/mappings/"+id+"/sync", "")
	if o.target == "" {
		m.expect(rt, "refresh none", status, 409)
		return
	}
	m.expect(rt, "refresh", status, 200)
	o.name = m.glue[o.target]
}

// refreshGone deletes the IT Glue organization of a mapping, and one refresh finds it gone.
func (m *model) refreshGone(rt *rapid.T) {
	id := pick(rt, m.orgs)
	o := m.orgs[id]
	if o.target == "" {
		rt.Skip("not mapped")
	}
	m.w.glue[itglue.RegionEU].Delete(o.target)
	delete(m.glue, o.target)
	status, _ := m.call("POST", "/mappings/"+id+"/sync", "")
	m.expect(rt, "refresh what is gone", status, 200)
	*o = modelled{name: o.name}
}

func (m *model) importOne(rt *rapid.T) {
	target := pick(rt, m.glue)
	status, o := m.call("POST", "/organizations/import",
		itemsJSON(fmt.Sprintf(`{"itglueOrganizationId":%q,"domain":%q,"emailPlatform":"microsoft_365"}`, target, m.newDomain())))
	m.expect(rt, "import", status, m.status(200))
	if !m.connected {
		return
	}
	if m.holder(target) != "" {
		o.want(m.t, object{"items.0.error.code": "itglue-organization-already-mapped"})
		return
	}
	m.orgs[o.text(m.t, "items.0.organization.id")] = &modelled{name: m.glue[target], target: target}
}

func (m *model) itglueAdds(rt *rapid.T) {
	name := drawName(rt)
	m.glue[m.w.glue[itglue.RegionEU].Add(itgluetest.Organization{Name: name})[0]] = name
}

func (m *model) itglueRenames(rt *rapid.T) {
	id, name := pick(rt, m.glue), drawName(rt)
	m.w.glue[itglue.RegionEU].Rename(id, name)
	m.glue[id] = name
}

// check compares everything that the model knows with what the program shows.
func (m *model) check(rt *rapid.T) {
	_, rows := m.call("GET", "/mappings?limit=200", "")
	items, _ := rows["items"].([]any)
	if len(items) != len(m.orgs) {
		rt.Fatalf("%d organizations, want %d", len(items), len(m.orgs))
	}
	for i := range items {
		row := rows.at("items." + strconv.Itoa(i)).(map[string]any)
		m.checkRow(rt, row)
	}
	_, in := m.call("GET", "/integrations/itglue", "")
	if (in.at("status") == "connected") != m.connected || m.connected && in.at("dailySync.enabled") == m.paused || in.at("activeSync") != nil {
		rt.Fatalf("connected %t, paused %t, and yet %v", m.connected, m.paused, in)
	}
}

func (m *model) checkRow(rt *rapid.T, row object) {
	o := m.orgs[row.text(m.t, "organization.id")]
	if o == nil {
		rt.Fatalf("unknown: %v", row)
	}
	state := "unmapped"
	switch {
	case o.target != "" && o.paused:
		state = "paused"
	case o.target != "":
		state = "active"
	}
	target, _ := row.at("itglueOrganization.id").(string)
	if row.at("organization.name") != o.name || row.at("state") != state || target != o.target ||
		o.none != (row.at("unmatched.code") == "unmapped-by-person") {
		rt.Fatalf("want %+v, got %v", *o, row)
	}
}

// checks is how many sequences rapid makes up in one go, steps how long they are on average.
const (
	checks = 25
	steps  = 20
)

// TestF42TheModelHoldsForAnySequenceOfActions makes up sequences of everything that people, IT Glue and syncs do to an account.
func TestF42TheModelHoldsForAnySequenceOfActions(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]int{"rapid.checks": checks, "rapid.steps": steps} {
		if err := flag.Set(name, strconv.Itoa(value)); err != nil {
			t.Fatal(err)
		}
	}
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		times := rounds(1, 360)
		if db.SQLite() == nil { // which takes longer: 1,000 of the 10,000
			times = rounds(1, 40)
		}
		w := newWorldOn(t, db)
		for range times {
			rapid.Check(t, func(rt *rapid.T) {
				w.log.reset()
				w.admin, w.viewer = w.newAccount(t)
				w.glue[itglue.RegionEU].Reset()
				m := &model{w: w, t: t, orgs: map[string]*modelled{}, glue: map[string]string{}}
				rt.Repeat(map[string]func(*rapid.T){
					"connect": m.connect, "deactivate": m.deactivate, "add": m.add, "rename": m.rename, "remove": m.remove, "map": m.mapTo,
					"unmap": m.unmap, "toggle": m.toggle, "settings": m.settings, "sync": m.manualSync, "refresh": m.refresh,
					"refreshGone": m.refreshGone, "import": m.importOne, "itglueAdds": m.itglueAdds, "itglueRenames": m.itglueRenames, "": m.check,
				})
			})
		}
	})
}
