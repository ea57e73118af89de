package api_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/idempotency"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

func keys(values ...string) http.Header { return http.Header{"Idempotency-Key": values} }

const newOrg = `{"name":"Contoso","domain":"contoso.com","emailPlatform":"google_workspace"}`

func TestIdempotencyKeysOfEveryForm(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	post := func(values ...string) answer {
		return do(t, s, request{method: "POST", path: organizations, token: "admin", body: newOrg, header: keys(values...)})
	}
	for _, key := range []string{
		"k", `"k"`, strings.Repeat("k", 255), `"` + strings.Repeat("k", 255) + `"`, `"a\"b\\c"`, `"a,b"`, "a;b=c", "0198c5d0-5a4e-7c3b-9d2e-6f1a2b3c4d5e", "!~",
	} {
		if a := post(key); a.status != 201 || a.header.Get("Idempotency-Replayed") != "" {
			t.Errorf("%q: %d %s", key, a.status, a.body)
		}
	}
	s.fake.calls = nil
	for _, values := range [][]string{
		{""}, {`""`}, {strings.Repeat("k", 256)}, {strings.Repeat("k", 10_000)}, {"a b"}, {"a, b"}, {"a,b"}, {`"a", "b"`}, {`"a`}, {`a"`}, {`"a"b"`},
		{`"a\b"`}, {`"a\`}, {`"a" ;x=1`}, {"ä"}, {"a\x00"}, {"\x7f"}, {`"ä"`}, {"a", "b"}, {"a", "a"}, {`"a b"`}, {`"`}, {`"\"`},
	} {
		wantProblem(t, post(values...), 400, "idempotency-key-invalid")
	}
	if got := s.fake.called(); len(got) > 0 {
		t.Errorf("called %q", got)
	}
	s.fake.hook = func(_ context.Context, method string) error {
		if strings.HasSuffix(method, "Key") {
			t.Errorf("called %s", method)
		}
		return nil
	}
	do(t, s, request{method: "POST", path: organizations, token: "admin", body: newOrg})
	do(t, s, request{method: "GET", path: organizations, token: "admin", header: keys("k")})
	do(t, s, request{method: "DELETE", path: organizations + "/" + orgID, token: "admin", header: keys("k")})
	wantProblem(t, do(t, s, request{method: "POST", path: organizations, token: "viewer", body: newOrg, header: keys("k")}), 403, "forbidden")
	wantProblem(t, do(t, s, request{method: "POST", path: organizations, body: newOrg, header: keys("k")}), 401, "unauthenticated")
	wantProblem(t, do(t, s, request{
		method: "POST", path: organizations, token: "admin", body: strings.Repeat(" ", 1<<20+1), header: keys("k"),
	}), 413, "payload-too-large")
}

// hasSecret tells whether a route is answered with a secret, which is not kept.
func hasSecret(path string) bool { return strings.HasSuffix(path, "/tokens") }

// everyPOST has a request for each POST route, of those that are answered with a secret or of all others.
func everyPOST(t *testing.T, withSecret bool) []request {
	t.Helper()
	var all []request
	for _, r := range api.Routes() {
		if r.Method == http.MethodPost && hasSecret(r.Path) == withSecret {
			all = append(all, request{method: "POST", path: pathWithIDs(r.Path), token: tokenFor(r), body: bodyOf(r), header: keys("k")})
		}
	}
	if len(all) < 2 {
		t.Fatalf("%d requests", len(all))
	}
	return all
}

func TestEveryPOSTHonoursItsKey(t *testing.T) {
	t.Parallel()
	for _, r := range everyPOST(t, false) {
		s := newServer(t)
		first := do(t, s, r)
		if got := s.fake.called(); got[0] != "ClaimKey" || got[len(got)-1] != "AnswerKey" || slices.Index(got, "AnswerKey") != len(got)-1 {
			t.Errorf("%s: %q", r.path, got)
		}
		kept := s.fake.lastArg().(idempotency.Answer)
		if kept.Status != first.status || string(kept.Body) != first.body || kept.Header["Location"] != first.header.Get("Location") {
			t.Errorf("%s: answered %+v, kept %+v", r.path, first, kept)
		}
		s.fake.calls, s.fake.claim.Answer = nil, &kept
		again := do(t, s, r)
		if again.status != first.status || again.body != first.body || again.header.Get("Idempotency-Replayed") != "true" ||
			again.header.Get("Location") != first.header.Get("Location") || len(s.fake.called()) != 1 {
			t.Errorf("%s: %+v, then %+v by %q", r.path, first, again, s.fake.called())
		}
	}
}

func TestAnswersThatAreNotForGoodLeaveTheKeyFree(t *testing.T) {
	t.Parallel()
	for code, want := range map[errs.Code]string{
		errs.NotConnected: "AnswerKey", errs.AlreadyConnected: "AnswerKey", errs.DomainTaken: "AnswerKey", errs.ITGlueKeyRejected: "AnswerKey",
		errs.Unavailable: "ReleaseKey", errs.ITGlueRateLimited: "ReleaseKey", errs.ITGlueUnavailable: "ReleaseKey", errs.Conflict: "ReleaseKey",
		errs.ITGlueTimeout: "ReleaseKey", errs.Internal: "ReleaseKey", errs.ValidationFailed: "ReleaseKey", errs.IdempotencyKeyInUse: "ReleaseKey",
	} {
		s := newServer(t)
		s.fake.hook = func(_ context.Context, method string) error {
			if method == "Create" {
				return &errs.Error{Code: code, Detail: "x", Fields: []errs.Field{{Pointer: "/name", Code: "invalid", Detail: "x"}}}
			}
			return nil
		}
		do(t, s, request{method: "POST", path: organizations, token: "admin", body: newOrg, header: keys("k"), odd: true})
		if got := s.fake.called(); got[len(got)-1] != want {
			t.Errorf("%s: %q", code, got)
		}
	}
	for _, body := range []string{"{", `{"name":1}`, `{}`} {
		s := newServer(t)
		do(t, s, request{method: "POST", path: organizations, token: "admin", body: body, header: keys("k")})
		if got := s.fake.called(); got[len(got)-1] != "ReleaseKey" {
			t.Errorf("%s: %q", body, got)
		}
	}
	s := newServer(t)
	s.fake.hook = func(_ context.Context, method string) error {
		if method == "Create" {
			panic("no")
		}
		return nil
	}
	wantProblem(t, do(t, s, request{method: "POST", path: organizations, token: "admin", body: newOrg, header: keys("k")}), 500, "internal")
	if got := s.fake.called(); got[len(got)-1] != "ReleaseKey" {
		t.Errorf("after a panic: %q", got)
	}
}

// An answer is given although it could not be kept: it is true.
func TestAnAnswerThatCannotBeKeptIsGiven(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.fake.hook = func(_ context.Context, method string) error {
		if method == "AnswerKey" {
			return errs.New(errs.Unavailable, "away")
		}
		return nil
	}
	if a := do(t, s, request{method: "POST", path: organizations, token: "admin", body: newOrg, header: keys("k")}); a.status != 201 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// With the effects of an earlier attempt, each route answers from them and does nothing again.
func TestEveryPOSTIsAnsweredFromItsEffects(t *testing.T) {
	t.Parallel()
	effects := []idempotency.Effect{
		{Type: event.IntegrationConnected}, {Type: event.SyncQueued, SyncID: syncID}, {Type: event.SyncCancelled, SyncID: syncID},
		{Type: event.RemovalsReleased, SyncID: syncID}, {Type: event.RemovalsRejected, SyncID: syncID}, {Type: event.SyncSucceeded, SyncID: syncID},
		{Type: event.OrganizationCreated, OrganizationID: orgID}, {Type: event.MappingMade, OrganizationID: orgID, ITGlueID: "42"},
		{Type: event.AccountCreated, AccountID: accountA},
	}
	reads := []string{
		"ClaimKey", "AnswerKey", "Integration", "MappingSummary", "ActiveSync", "LastSync", "Sync", "Organization", "Mapping", "Account",
	}
	for _, r := range everyPOST(t, false) {
		if strings.HasSuffix(r.path, "/test") {
			continue // does nothing that could be done twice
		}
		s := newServer(t)
		fresh := do(t, s, r)
		s.fake.calls, s.fake.claim.Effects = nil, effects
		resumed := do(t, s, r)
		if resumed.status != fresh.status || resumed.header.Get("Location") != fresh.header.Get("Location") {
			t.Errorf("%s: %d %v, first %d %v", r.path, resumed.status, resumed.header, fresh.status, fresh.header)
		}
		for _, method := range s.fake.called() {
			if !slices.Contains(reads, method) {
				t.Errorf("%s: called %s", r.path, method)
			}
		}
		s.fake.claim.Effects = []idempotency.Effect{{Type: event.CredentialsRejected}} // not what it was about
		if other := do(t, s, r); other.status != fresh.status || other.body != fresh.body {
			t.Errorf("%s: %d %s", r.path, other.status, other.body)
		}
	}
}

func TestScenarioARequestSentAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		w := newWorldOn(t, db)
		w.glue[itglue.RegionEU].Add(
			itgluetest.Organization{ID: "1", Name: "Contoso", Domains: []string{"contoso.net"}},
			itgluetest.Organization{ID: "2", Name: "Fabrikam", Domains: []string{"fabrikam.net"}},
		)
		send := func(path, key, body string) answer {
			t.Helper()
			return do(t, w, request{method: "POST", path: api.Base + path, token: w.admin, body: body, header: keys(key)})
		}
		sendTwice := func(path, key, body string, status int) answer {
			t.Helper()
			first, again := send(path, key, body), send(path, `"`+key+`"`, body)
			if first.status != status || again.status != status || again.body != first.body || first.header.Get("Idempotency-Replayed") != "" ||
				again.header.Get("Idempotency-Replayed") != "true" || again.header.Get("Location") != first.header.Get("Location") ||
				again.header.Get("Content-Type") != first.header.Get("Content-Type") {
				t.Errorf("%s: %d %s, then %d %s", path, first.status, first.body, again.status, again.body)
			}
			return first
		}
		sendTwice("/syncs", "early", `{"kind":"manual"}`, 409)
		sendTwice("/organizations", "add", newOrg, 201)
		wantProblem(t, send("/organizations", "add", strings.Replace(newOrg, "Contoso", "Other", 1)), 422, "idempotency-key-reused")
		wantProblem(t, send("/organizations/import", "add", newOrg), 422, "idempotency-key-reused")
		wantProblem(t, send("/organizations", "bad", "{}"), 422, "validation-failed")
		sendTwice("/organizations", "bad", strings.Replace(newOrg, "contoso.com", "fabrikam.com", 1), 201)
		wantProblem(t, send("/organizations", "taken", newOrg), 409, "domain-taken")

		connect := `{"apiKey":"` + canary + `","region":"eu"}`
		sendTwice("/integrations/itglue/test", "test", connect, 200)
		sendTwice("/integrations/itglue/connect", "connect", connect, 201)
		w.work(t)
		wantProblem(t, send("/syncs", "late", `{"kind":"nonsense"}`), 422, "validation-failed")
		sync := sendTwice("/syncs", "late", `{"kind":"preview"}`, 202)
		sendTwice(strings.TrimPrefix(sync.header.Get("Location"), api.Base)+"/cancel", "cancel", "", 200)
		items := itemsJSON(`{"itglueOrganizationId":"2","emailPlatform":"microsoft_365"}`, `{"itglueOrganizationId":"2","emailPlatform":"microsoft_365"}`)
		sendTwice("/organizations/import", "import", items, 200)
		w.call(t, "GET", "/organizations?count=true", "", 200).want(t, object{"total": 3})
		w.call(t, "GET", "/syncs?count=true", "", 200).want(t, object{"total": 2})
		if n := storetest.Value[int](t, db, "SELECT count(*) FROM idempotency_keys WHERE CAST(body AS text) LIKE '%CANARY%'"); db.SQLite() != nil && n > 0 {
			t.Error("a key is kept")
		}
	})
}
