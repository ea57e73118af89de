package api_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

func TestRulesOfSettings(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for body, want := range map[string]string{
		`{"apiKey":""}`:    "/apiKey invalid",
		`{"apiKey":"a b"}`: "/apiKey invalid",
		`{"apiKey":null}`:  "/apiKey wrong-type",
		`{"apiKey":"` + strings.Repeat("k", 501) + `"}`: "/apiKey invalid",
		`{"region":""}`:                                      "/region not-one-of",
		`{"region":"US"}`:                                    "/region not-one-of",
		`{"region":"https://evil.example"}`:                  "/region not-one-of",
		`{"region":null}`:                                    "/region wrong-type",
		`{"autoMap":""}`:                                     "/autoMap not-one-of",
		`{"autoMap":"always"}`:                               "/autoMap not-one-of",
		`{"autoMap":true}`:                                   "/autoMap wrong-type",
		`{"removalLimitPercent":-1}`:                         "/removalLimitPercent out-of-range",
		`{"removalLimitPercent":101}`:                        "/removalLimitPercent out-of-range",
		`{"removalLimitPercent":10.5}`:                       "/removalLimitPercent wrong-type",
		`{"removalLimitPercent":"10"}`:                       "/removalLimitPercent wrong-type",
		`{"removalLimitPercent":1e400}`:                      "/removalLimitPercent wrong-type",
		`{"removalLimitPercent":9223372036854775808}`:        "/removalLimitPercent wrong-type",
		`{"removalLimitPercent":null}`:                       "/removalLimitPercent wrong-type",
		`{"force":"true"}`:                                   "/force wrong-type",
		`{"force":null}`:                                     "/force wrong-type",
		`{"dailySync":null}`:                                 "/dailySync wrong-type",
		`{"dailySync":false}`:                                "/dailySync wrong-type",
		`{"dailySync":[]}`:                                   "/dailySync wrong-type",
		`{"dailySync":{"enabled":"yes"}}`:                    "/dailySync/enabled wrong-type",
		`{"dailySync":{"enabled":null}}`:                     "/dailySync/enabled wrong-type",
		`{"dailySync":{"nextRunAt":"2026-01-31T00:00:00Z"}}`: "/dailySync/nextRunAt unknown-field",
		`{"dailySync":{"timezone":"UTC"}}`:                   "/dailySync/timezone unknown-field",
		`{"dailySync":{"timeZone":""}}`:                      "/dailySync/timeZone time-zone-unknown",
		`{"dailySync":{"timeZone":"EST5"}}`:                  "/dailySync/timeZone time-zone-unknown",
		`{"dailySync":{"timeZone":"Local"}}`:                 "/dailySync/timeZone time-zone-unknown",
		`{"dailySync":{"timeZone":"america/new_york"}}`:      "/dailySync/timeZone time-zone-unknown",
		`{"dailySync":{"timeZone":"../../etc/passwd"}}`:      "/dailySync/timeZone time-zone-unknown",
		`{"dailySync":{"timeZone":"UTC\u0000"}}`:             "/dailySync/timeZone invalid",
		`{"dailySync":{"timeZone":1}}`:                       "/dailySync/timeZone wrong-type",
		`{"dailySync":{"time":""}}`:                          "/dailySync/time time-of-day-invalid",
		`{"dailySync":{"time":"24:00"}}`:                     "/dailySync/time time-of-day-invalid",
		`{"dailySync":{"time":"0:00"}}`:                      "/dailySync/time time-of-day-invalid",
		`{"dailySync":{"time":"00:00:00"}}`:                  "/dailySync/time time-of-day-invalid",
		`{"dailySync":{"time":"12:00 AM"}}`:                  "/dailySync/time time-of-day-invalid",
		`{"dailySync":{"time":0}}`:                           "/dailySync/time wrong-type",
		`{"attention":null}`:                                 "/attention unknown-field",
		`{"status":"connected"}`:                             "/status unknown-field",
		`{"apiKeyHint":"x","connectedAt":"x","lastSync":{}}`: "/apiKeyHint unknown-field, /connectedAt unknown-field, /lastSync unknown-field",
		`{"autoMap":"x","dailySync":{"time":"x","timeZone":"x","more":1},"region":"x","removalLimitPercent":101,"apiKey":" "}`: "/dailySync/more unknown-field, " +
			"/apiKey invalid, /region not-one-of, /autoMap not-one-of, /removalLimitPercent out-of-range, " +
			"/dailySync/timeZone time-zone-unknown, /dailySync/time time-of-day-invalid",
	} {
		a := do(t, s, request{method: "PATCH", path: itglueIntegration, token: "admin", body: body})
		wantProblem(t, a, 422, "validation-failed")
		if got := strings.Join(a.faults(t), ", "); got != want {
			t.Errorf("%.100s: %q, want %q", body, got, want)
		}
	}
	for query, want := range map[string][]string{
		"confirm=":                  {"confirm not-one-of"},
		"confirm=1":                 {"confirm not-one-of"},
		"confirm=TRUE":              {"confirm not-one-of"},
		"confirm=true&confirm=true": {"confirm repeated"},
		"Confirm=true":              {"Confirm unknown-parameter"},
		"confirm=true&force=true":   {"force unknown-parameter"},
	} {
		a := do(t, s, request{method: "DELETE", path: itglueIntegration + "?" + query, token: "admin"})
		if got := a.faults(t); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	if calls := s.fake.called(); len(calls) > 0 {
		t.Errorf("calls: %v", calls)
	}
}

// TestRefusalsOfSettings has each refusal of the service told as the document says.
func TestRefusalsOfSettings(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for code, status := range map[errs.Code]int{
		errs.NotConnected: 409, errs.DifferentITGlueAccount: 409, errs.Conflict: 409, errs.ConfirmationRequired: 409, errs.ITGlueKeyRejected: 422,
		errs.ITGlueUnavailable: 502, errs.ITGlueBadAnswer: 502, errs.ITGlueRateLimited: 503, errs.Unavailable: 503, errs.ITGlueTimeout: 504,
	} {
		s.fake.hook = func(context.Context, string) error { return errs.New(code, "No.").With("found", 3) }
		change := request{method: "PATCH", path: itglueIntegration, token: "admin", body: `{}`}
		end := request{method: "DELETE", path: itglueIntegration, token: "admin"}
		if code != errs.ConfirmationRequired {
			wantProblem(t, do(t, s, change), status, string(code))
		}
		if status == 409 && code != errs.DifferentITGlueAccount && code != errs.Conflict {
			a := do(t, s, end)
			wantProblem(t, a, status, string(code))
			if a.problem(t).Params["found"] != 3.0 {
				t.Errorf("%s without its params: %s", code, a.body)
			}
		}
	}
}

func TestAnIntegrationWithDailySyncsPaused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.fake.in.Daily.Enabled, s.fake.in.Daily.NextRunAt = false, nil
	a := do(t, s, request{method: "GET", path: itglueIntegration, token: "viewer"})
	if want := `"dailySync":{"enabled":false,"timeZone":"America/New_York","time":"00:00","nextRunAt":null}`; !strings.Contains(a.body, want) {
		t.Errorf("no %s in %s", want, a.body)
	}
}

func TestScenarioSettings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const path = "/integrations/itglue"
	glue := w.glue[itglue.RegionEU]
	for _, name := range []string{"Contoso", "Fabrikam", "Adatum"} {
		glue.Add(itgluetest.Organization{Name: name})
		w.add(t, name, strings.ToLower(name)+".com")
	}
	w.call(t, "PATCH", path, `{"autoMap":"off"}`, 409).want(t, object{"code": "not-connected"})
	w.call(t, "GET", path, "", 200).want(t, object{"dailySync": nil})
	w.connect(t)
	w.call(t, "GET", path, "", 200).want(t, object{
		"dailySync.enabled": true, "dailySync.timeZone": "America/New_York", "dailySync.time": "00:00", "mappings.active": 3,
	})
	w.callAs(t, w.viewer, "PATCH", path, `{"autoMap":"off"}`, 403).want(t, object{"code": "forbidden"})

	before := w.call(t, "GET", path, "", 200).text(t, "dailySync.nextRunAt")
	w.call(t, "PATCH", path, `{}`, 200).want(t, object{"dailySync.nextRunAt": before, "autoMap": "on_connect"})
	w.call(t, "PATCH", path, `{"dailySync":{"enabled":false},"autoMap":"every_sync","removalLimitPercent":0}`, 200).want(t, object{
		"dailySync.enabled": false, "dailySync.nextRunAt": nil, "autoMap": "every_sync", "removalLimitPercent": 0, "status": "connected",
	})
	w.call(t, "PATCH", path, `{"dailySync":{"enabled":true}}`, 200).want(t, object{"dailySync.nextRunAt": before, "autoMap": "every_sync"})
	if w.call(t, "PATCH", path, `{"dailySync":{"timeZone":"Asia/Kolkata","time":"11:11"}}`, 200).text(t, "dailySync.nextRunAt")[10:] != "T05:41:00Z" {
		t.Error("the next run is not at 11:11 in Kolkata")
	}

	// Credentials: what is refused changes nothing else either.
	other := "ITG.CANARY-of-another-account"
	w.glue[itglue.RegionUS].AddKey(other)
	w.call(t, "PATCH", path, `{"apiKey":"ITG.wrong","autoMap":"off"}`, 422).want(t, object{"code": "itglue-key-rejected"})
	w.call(t, "PATCH", path, `{"apiKey":"`+other+`","autoMap":"off"}`, 422).want(t, object{"code": "itglue-key-rejected", "params.regionHint": "us"})
	w.call(t, "PATCH", path, `{"apiKey":"`+other+`","region":"us","autoMap":"off"}`, 409).want(t, object{
		"code": "different-itglue-account", "params.mapped": 3, "params.checked": 3, "params.found": 0,
	})
	w.call(t, "GET", path, "", 200).want(t, object{"autoMap": "every_sync", "region": "eu", "apiKeyHint": canary[len(canary)-4:]})
	w.call(t, "POST", "/mappings/"+w.call(t, "GET", "/mappings", "", 200).text(t, "items.0.organization.id")+"/sync", "", 200)

	// By force: what the next sync misses is not removed, but held.
	w.call(t, "PATCH", path, `{"apiKey":"`+other+`","region":"us","force":true}`, 200).want(t, object{
		"region": "us", "apiKeyHint": other[len(other)-4:], "listedAt": nil, "activeSync.kind": "manual", "activeSync.status": "queued",
	})
	w.call(t, "GET", path+"/organizations?count=true", "", 200).want(t, object{"total": 0, "listedAt": nil})
	w.work(t)
	w.call(t, "GET", path, "", 200).want(t, object{"lastSync.status": "held", "mappings.active": 3})
	// The way back needs no force. The list is the other account's, so it is read anew again.
	w.call(t, "PATCH", path, `{"apiKey":"`+canary+`","region":"eu"}`, 200).want(t, object{"attention": nil, "listedAt": nil, "activeSync.kind": "manual"})

	// A refused key needs attention until a good one comes.
	glue.RevokeKey(canary)
	w.work(t)
	w.call(t, "GET", path, "", 200).want(t, object{"status": "attention", "attention.code": "credentials-rejected"})
	w.call(t, "PATCH", path, `{"apiKey":"`+canary+`"}`, 422)
	w.call(t, "GET", path, "", 200).want(t, object{"status": "attention"})
	glue.AddKey(canary)
	w.call(t, "PATCH", path, `{"apiKey":"`+canary+`"}`, 200)
	w.call(t, "POST", "/syncs", `{"kind":"manual"}`, 202)
	w.work(t)
	w.call(t, "GET", path, "", 200).want(t, object{"status": "connected", "attention": nil, "lastSync.status": "succeeded"})
	w.call(t, "GET", "/events?type=integration.credentials-accepted&count=true", "", 200).want(t, object{"total": 1})
	w.call(t, "GET", "/events?type=integration.changed", "", 200).want(t, object{
		"items.0.before.region": "us", "items.0.after.region": "eu", "items.0.actor.tokenName": "admin", "items.0.after.autoMap": nil,
	})
	if a := do(t, w, request{method: "GET", path: api.Base + "/events?limit=200", token: w.viewer}); strings.Contains(a.body+w.log.String(), "CANARY") {
		t.Error("the key is told")
	}
}

func TestScenarioDeactivate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const path = "/integrations/itglue"
	w.glue[itglue.RegionEU].Add(itgluetest.Organization{ID: "1", Name: "Contoso"}, itgluetest.Organization{ID: "2", Name: "Fabrikam"})
	contoso, fabrikam := w.add(t, "Contoso", "contoso.com"), w.add(t, "Fabrikam", "fabrikam.com")
	w.call(t, "DELETE", path, "", 409).want(t, object{"code": "not-connected"})
	w.call(t, "DELETE", path+"?confirm=true", "", 409).want(t, object{"code": "not-connected"})
	w.connect(t)
	w.call(t, "DELETE", "/mappings/"+fabrikam, "", 200)
	w.callAs(t, w.viewer, "DELETE", path+"?confirm=true", "", 403)
	stranger, _ := w.newAccount(t)
	w.callAs(t, stranger, "DELETE", path+"?confirm=true", "", 409).want(t, object{"code": "not-connected"})
	for _, unconfirmed := range []string{"", "?confirm=false"} {
		w.call(t, "DELETE", path+unconfirmed, "", 409).want(t, object{"code": "confirmation-required", "params.mappings": 1})
	}
	w.call(t, "GET", "/mappings/"+contoso, "", 200).want(t, object{"state": "active"})
	running := w.call(t, "POST", "/syncs", `{"kind":"manual"}`, 202).text(t, "id")

	w.call(t, "DELETE", path+"?confirm=true", "", 200).want(t, object{"mappingsRemoved": 1})
	w.glue[itglue.RegionEU].ResetCalls()
	w.call(t, "GET", path, "", 200).want(t, object{"status": "not_connected", "mappings.unmapped": 2, "apiKeyHint": nil})
	for _, r := range []struct{ method, path, body, code string }{
		{"GET", path + "/organizations", "", "not-connected"},
		{"GET", path + "/organizations/1/domains", "", "not-connected"},
		{"POST", "/organizations", `{"itglueOrganizationId":"1","domain":"adatum.com","emailPlatform":"microsoft_365"}`, "not-connected"},
		{"POST", "/organizations/import", `{"items":[{"itglueOrganizationId":"1","emailPlatform":"microsoft_365"}]}`, "not-connected"},
		{"PATCH", path, `{}`, "not-connected"},
		{"PATCH", path, `{"apiKey":"` + canary + `"}`, "not-connected"},
		{"DELETE", path + "?confirm=true", "", "not-connected"},
		{"PUT", "/mappings/" + contoso, `{"itglueOrganizationId":"1"}`, "not-connected"},
		{"DELETE", "/mappings/" + contoso, "", "not-connected"},
		{"PATCH", "/mappings/" + contoso, `{"syncEnabled":true}`, "not-mapped"},
		{"POST", "/mappings/" + contoso + "/sync", "", "not-connected"},
		{"POST", "/syncs", `{"kind":"manual"}`, "not-connected"},
		{"POST", "/syncs", `{"kind":"preview"}`, "not-connected"},
	} {
		w.call(t, r.method, r.path, r.body, 409).want(t, object{"code": r.code})
	}
	w.work(t)
	w.call(t, "GET", "/syncs/"+running, "", 200).want(t, object{"status": "cancelled"})
	w.call(t, "GET", "/mappings/"+fabrikam, "", 200).want(t, object{"state": "unmapped", "unmatched": nil})
	w.call(t, "GET", "/organizations?count=true", "", 200).want(t, object{"total": 2})
	if n := w.glue[itglue.RegionEU].CallCount(); n > 0 {
		t.Errorf("%d calls to IT Glue after the end", n)
	}
	w.call(t, "GET", "/events", "", 200).want(t, object{
		"items.0.type": "integration.deactivated", "items.0.after.mappingsRemoved": 1, "items.1.type": "sync.cancelled", "items.2.type": "mapping.unmapped",
		"items.2.organization.id": contoso, "items.2.before.itglueOrganization.name": "Contoso", "items.2.detail": "integration-deactivated",
	})

	// A new connection begins anew: also with what a person had unmapped.
	w.connect(t)
	w.call(t, "GET", path, "", 200).want(t, object{"lastSync.kind": "initial", "mappings.active": 2})
}
