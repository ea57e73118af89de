package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
)

const (
	settings = "/integrations/itglue"
	otherKey = "ITG.e2e00000000000000000000000other"
	nextKey  = "ITG.e2e0000000000000000000000000next"
)

// settingsView is what the settings screen shows.
type settingsView struct {
	Status              string
	Region              *string
	APIKeyHint          *string
	AutoMap             *string
	RemovalLimitPercent *int
	DailySync           *struct {
		Enabled        bool
		TimeZone, Time string
		NextRunAt      *time.Time
	}
	ActiveSync *e2e.SyncView
	LastSync   *e2e.SyncView
	Attention  *struct{ Code string }
	Mappings   struct{ Unmapped, Active, Paused int }
}

// configured is an account that is connected, with three organizations mapped. The region eu is another IT Glue account.
type configured struct {
	*e2e.Site

	c    e2e.Client
	orgs []string
	glue []string
}

func newConfigured(s *e2e.Site) *configured {
	s.T.Helper()
	other := e2e.Simulator(s.T, otherKey)
	e2e.Call[any](other, "POST", "/_sim/organizations", map[string]string{"name": "Stranger"}, http.StatusCreated)
	s.Env = append(s.Env, "ORGBRIDGE_ITGLUE_EU_URL="+other.Base)
	e2e.Call[any](s.Sim, "POST", "/_sim/keys", map[string]string{"key": nextKey}, http.StatusNoContent)
	k := &configured{Site: s}
	token := s.NewAccount()
	k.c = s.Serve().Client(token)
	for name, domain := range map[string]string{"Alpine": "alpine.example.com", "Bayside": "bayside.example.com", "Cedar": "cedar.example.com"} {
		k.glue = append(k.glue, s.Add(name))
		k.orgs = append(k.orgs, k.c.AddOrganization(name, domain))
	}
	k.c.Ended(k.c.Connect().ID)
	return k
}

func (k *configured) read() settingsView {
	k.T.Helper()
	return e2e.Call[settingsView](k.c, "GET", settings, nil, http.StatusOK)
}

func (k *configured) change(body map[string]any) settingsView {
	k.T.Helper()
	return e2e.Call[settingsView](k.c, "PATCH", settings, body, http.StatusOK)
}

// refused demands a refusal with the code that leaves all settings as they are.
func (k *configured) refused(method, path string, body any, status int, code string) e2e.ProblemView {
	k.T.Helper()
	before := k.read()
	problem := e2e.Call[e2e.ProblemView](k.c, method, path, body, status)
	if problem.Code != code {
		k.T.Errorf("%s %s %v is refused as %q instead of %q", method, path, body, problem.Code, code)
	}
	after := k.read()
	if before.Region != nil && (*after.Region != *before.Region || *after.APIKeyHint != *before.APIKeyHint || *after.AutoMap != *before.AutoMap) {
		k.T.Errorf("%v is refused, and changed %+v to %+v", body, before, after)
	}
	return problem
}

func TestSettings(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		k := newConfigured(s)
		k.dailySyncIsPausedAndResumed(t)
		k.wrongKeysLeaveTheOldOne(t)
		k.anotherAccountIsTakenByForceOnly(t)
		k.newKeyEndsTheAttention(t)
		k.deactivationAsksFirst(t)
		k.nothingWorksAfterwards()
		k.reconnectingStartsAnew(t)
	})
}

func (k *configured) dailySyncIsPausedAndResumed(t *testing.T) {
	t.Helper()
	in := k.read()
	if in.DailySync == nil || !in.DailySync.Enabled || in.DailySync.TimeZone != "America/New_York" || in.DailySync.Time != "00:00" {
		t.Fatalf("daily sync %+v", in.DailySync)
	}
	next := *in.DailySync.NextRunAt
	if until := time.Until(next); until <= 0 || until > 25*time.Hour {
		t.Errorf("the next daily sync is at %s", next)
	}
	paused := k.change(map[string]any{"dailySync": map[string]any{"enabled": false}, "autoMap": "every_sync", "removalLimitPercent": 25})
	if paused.DailySync.Enabled || paused.DailySync.NextRunAt != nil || *paused.AutoMap != "every_sync" || *paused.RemovalLimitPercent != 25 {
		t.Errorf("paused: %+v", paused)
	}
	if _, changes := k.c.RunSync("manual"); len(changes) > 0 { // by hand as ever
		t.Errorf("changes %+v", changes)
	}
	resumed := k.change(map[string]any{"dailySync": map[string]any{"enabled": true}})
	if !resumed.DailySync.Enabled || resumed.DailySync.NextRunAt == nil || !resumed.DailySync.NextRunAt.Equal(next) {
		t.Errorf("resumed: %+v", resumed.DailySync)
	}
	moved := k.change(map[string]any{"dailySync": map[string]any{"timeZone": "Asia/Kolkata", "time": "05:30"}})
	if hour, minute, _ := moved.DailySync.NextRunAt.UTC().Clock(); hour != 0 || minute != 0 {
		t.Errorf("05:30 in Kolkata is %s", moved.DailySync.NextRunAt)
	}
	wrong := map[string]any{"autoMap": "off", "dailySync": map[string]any{"timeZone": "Atlantis", "time": "25:00"}}
	if p := k.refused("PATCH", settings, wrong, http.StatusUnprocessableEntity, "validation-failed"); len(p.Errors) != 2 {
		t.Errorf("faults %+v", p.Errors)
	}
}

func (k *configured) wrongKeysLeaveTheOldOne(t *testing.T) {
	t.Helper()
	k.refused("PATCH", settings, map[string]any{"apiKey": "ITG.wrong", "autoMap": "off"}, http.StatusUnprocessableEntity, "itglue-key-rejected")
	problem := k.refused("PATCH", settings, map[string]any{"apiKey": otherKey}, http.StatusUnprocessableEntity, "itglue-key-rejected")
	if problem.Params["regionHint"] != "eu" {
		t.Errorf("params %v", problem.Params)
	}
	k.refused("PATCH", settings, map[string]any{"region": "eu"}, http.StatusUnprocessableEntity, "itglue-key-rejected")
	k.refused("PATCH", settings, map[string]any{"region": "au"}, http.StatusBadGateway, "itglue-unavailable") // nobody is there
	k.c.RunSync("manual")
	if in := k.change(map[string]any{"apiKey": nextKey}); *in.APIKeyHint != "next" || *in.Region != "us" {
		t.Errorf("%+v", in)
	}
	e2e.Call[any](k.Sim, "POST", "/_sim/keys/revoke", map[string]string{"key": e2e.SimKey}, http.StatusNoContent)
	k.c.RunSync("manual")
}

func (k *configured) anotherAccountIsTakenByForceOnly(t *testing.T) {
	t.Helper()
	other := map[string]any{"apiKey": otherKey, "region": "eu"}
	problem := k.refused("PATCH", settings, other, http.StatusConflict, "different-itglue-account")
	if problem.Params["mapped"] != 3.0 || problem.Params["checked"] != 3.0 || problem.Params["found"] != 0.0 {
		t.Errorf("params %v", problem.Params)
	}
	other["force"] = true
	if in := k.change(other); *in.Region != "eu" || in.Mappings.Active != 3 {
		t.Errorf("%+v", in)
	}
	// A sync begins by itself, and holds the removals.
	e2e.Eventually(t, e2e.Patience, "the sync to hold the removals", func() bool { last := k.read().LastSync; return last != nil && last.Status == "held" })
	held := k.read().LastSync.ID
	k.offers(t, "Stranger")
	if in := k.change(map[string]any{"apiKey": nextKey, "region": "us"}); *in.Region != "us" || in.Mappings.Active != 3 || in.Status != "connected" {
		t.Errorf("%+v", in)
	}
	e2e.Eventually(t, e2e.Patience, "the sync to read the old list again", func() bool { last := k.read().LastSync; return last.ID != held && last.Status == "succeeded" })
	k.offers(t, "Alpine", "Bayside", "Cedar")
	for _, decision := range []string{"release", "reject"} {
		problem := e2e.Call[e2e.ProblemView](k.c, "POST", "/syncs/"+held+"/"+decision, nil, http.StatusPreconditionFailed)
		if problem.Code != "held-set-changed" {
			t.Errorf("%s: %+v", decision, problem)
		}
	}
	k.c.RunSync("manual")
}

// offers demands the names in the drop-down.
func (k *configured) offers(t *testing.T, names ...string) {
	t.Helper()
	list := e2e.Call[struct{ Items []struct{ Name string } }](k.c, "GET", settings+"/organizations", nil, http.StatusOK)
	got := make([]string, 0, len(list.Items))
	for _, o := range list.Items {
		got = append(got, o.Name)
	}
	if !slices.Equal(got, names) {
		t.Errorf("the drop-down offers %q instead of %q", got, names)
	}
}

func (k *configured) newKeyEndsTheAttention(t *testing.T) {
	t.Helper()
	refused := func(key string) {
		e2e.Call[any](k.Sim, "POST", "/_sim/keys/revoke", map[string]string{"key": key}, http.StatusNoContent)
		e2e.Call[e2e.ProblemView](k.c, "POST", "/mappings/"+k.orgs[0]+"/sync", nil, http.StatusUnprocessableEntity)
		if in := k.read(); in.Status != "attention" || in.Attention.Code != "credentials-rejected" || in.Mappings.Active != 3 {
			t.Errorf("%+v", in)
		}
	}
	accepted := func(key string) {
		e2e.Call[any](k.Sim, "POST", "/_sim/keys", map[string]string{"key": key}, http.StatusNoContent)
		if in := k.change(map[string]any{"apiKey": key}); in.Status != "connected" || in.Attention != nil {
			t.Errorf("%+v", in)
		}
	}
	refused(nextKey)
	accepted(e2e.SimKey)
	e2e.Eventually(t, e2e.Patience, "the sync that makes up for the refused ones", func() bool {
		last := k.read().LastSync
		return last.Kind == "daily" && last.Status == "succeeded"
	})
	k.change(map[string]any{"dailySync": map[string]any{"enabled": false}}) // from here on only those that are asked for
	refused(e2e.SimKey)
	accepted(e2e.SimKey)
}

func (k *configured) deactivationAsksFirst(t *testing.T) {
	t.Helper()
	e2e.Call[any](k.c, "DELETE", "/mappings/"+k.orgs[0], nil, http.StatusOK) // somebody unmaps it
	k.Slow(1, time.Minute)
	running := e2e.Call[e2e.SyncView](k.c, "POST", "/syncs", map[string]string{"kind": "manual"}, http.StatusAccepted, http.StatusOK)
	e2e.Eventually(t, e2e.Patience, "the sync to run", func() bool { return k.c.Sync(running.ID).Status == "running" })
	problem := k.refused("DELETE", settings, nil, http.StatusConflict, "confirmation-required")
	if problem.Params["mappings"] != 2.0 {
		t.Errorf("params %v", problem.Params)
	}
	removed := e2e.Call[struct{ MappingsRemoved int }](k.c, "DELETE", settings+"?confirm=true", nil, http.StatusOK)
	if removed.MappingsRemoved != 2 {
		t.Errorf("%d mappings removed", removed.MappingsRemoved)
	}
	if status := k.c.Sync(running.ID).Status; status != "cancelled" {
		t.Errorf("the running sync is %s", status)
	}
	k.Fast()
	in := k.read()
	if in.Status != "not_connected" || in.DailySync != nil || in.APIKeyHint != nil || in.Mappings.Unmapped != 3 {
		t.Errorf("%+v", in)
	}
	for _, org := range k.orgs {
		checkRow(t, k.c.Row(org), "unmapped", "", "", "")
	}
}

func (k *configured) nothingWorksAfterwards() {
	k.T.Helper()
	choice := map[string]string{"itglueOrganizationId": k.glue[0]}
	for path, body := range map[string]any{
		"GET " + settings + "/organizations": nil, "DELETE " + settings + "?confirm=true": nil, "PATCH " + settings: map[string]any{},
		"POST /syncs": map[string]string{"kind": "manual"}, "PUT /mappings/" + k.orgs[0]: choice, "POST /mappings/" + k.orgs[0] + "/sync": nil,
		"GET " + settings + "/organizations/" + k.glue[0] + "/domains": nil,
		"POST /organizations": map[string]string{"itglueOrganizationId": k.glue[0], "domain": "new.example.com", "emailPlatform": "microsoft_365"},
	} {
		method, path, _ := strings.Cut(path, " ")
		k.refused(method, path, body, http.StatusConflict, "not-connected")
	}
}

func (k *configured) reconnectingStartsAnew(t *testing.T) {
	t.Helper()
	if run := k.c.Ended(k.c.Connect().ID); run.Kind != "initial" || run.Counts.Mapped != 3 {
		t.Errorf("%+v", run)
	}
	in := k.read()
	if *in.AutoMap != "on_connect" || *in.RemovalLimitPercent != 10 || in.DailySync.TimeZone != "America/New_York" {
		t.Errorf("%+v", in)
	}
	for i, org := range k.orgs { // also the one that somebody had unmapped
		checkRow(t, k.c.Row(org), "active", "auto", k.glue[i], "")
	}
}
