package api_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

const (
	tokens      = api.Base + "/tokens"
	accounts    = api.Base + "/accounts"
	tokenJSON   = `{"id":"` + tokenID + `","name":"Nightly","role":"viewer","hint":"orgb_4fJk","createdAt":"2026-01-31T11:00:00Z",` + tokenTimes
	tokenTimes  = `"expiresAt":"2026-01-31T11:00:00Z","lastUsedAt":"2026-01-31T11:00:00Z"}`
	accountJSON = `{"id":"` + accountA + `","name":"Northwind","createdAt":"2026-01-31T11:00:00Z"}`
)

func TestAnswersOfTokensAndAccounts(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	withSecret := strings.TrimSuffix(tokenJSON, "}") + `,"secret":"` + secretCanary + `"}`
	for _, c := range []struct {
		r        request
		status   int
		want     string
		location string
	}{
		{request{method: "GET", path: tokens + "?count=true", token: "admin"}, 200, `{"items":[` + tokenJSON + `],"nextCursor":null,"total":1}`, ""},
		{request{method: "GET", path: tokens + "/" + tokenID, token: "admin"}, 200, tokenJSON, ""},
		{request{method: "POST", path: tokens, token: "admin", body: `{"name":"x","role":"admin"}`}, 201, withSecret, tokens + "/" + tokenID},
		{request{method: "GET", path: accounts + "?count=true", token: "operator"}, 200, `{"items":[` + accountJSON + `],"nextCursor":null,"total":1}`, ""},
		{request{method: "GET", path: accounts + "/" + accountA, token: "operator"}, 200, accountJSON, ""},
		{request{method: "POST", path: accounts, token: "operator", body: `{"name":"x"}`}, 201, accountJSON, accounts + "/" + accountA},
		{request{method: "POST", path: accounts + "/" + accountA + "/tokens", token: "operator", body: `{"name":"x","role":"admin"}`}, 201, withSecret, ""},
	} {
		a := do(t, s, c.r)
		if a.status != c.status || !sameJSON(t, a.body, c.want) || a.header.Get("Location") != c.location {
			t.Errorf("%s %s: got %d %s at %q, want %d %s", c.r.method, c.r.path, a.status, a.body, a.header.Get("Location"), c.status, c.want)
		}
	}
	if a := do(t, s, request{method: "DELETE", path: tokens + "/" + tokenID, token: "admin"}); a.status != 204 || a.body != "" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestTokensReachTheServiceForTheirAccount(t *testing.T) {
	t.Parallel()
	by := event.Actor{TokenID: tokenID, TokenName: "Nightly"}
	at := time.Date(2999, 1, 31, 11, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		r    request
		want account.NewToken
	}{
		{request{path: tokens, token: "admin", body: `{"name":" x ","role":"admin"}`}, account.NewToken{AccountID: accountA, Role: account.Admin, Name: " x "}},
		{
			request{path: accounts + "/" + accountA + "/tokens", token: "operator", body: `{"name":"x","role":"viewer","expiresAt":"2999-01-31T12:00:00+01:00"}`},
			account.NewToken{AccountID: accountA, Role: account.Viewer, Name: "x", ExpiresAt: &at},
		},
	} {
		s := newServer(t)
		c.r.method = http.MethodPost
		do(t, s, c.r)
		got, ok := s.fake.argFromEnd(1).(account.NewToken)
		if !ok || s.fake.lastArg() != by || got.AccountID != c.want.AccountID || got.Role != c.want.Role || got.Name != c.want.Name ||
			(got.ExpiresAt == nil) != (c.want.ExpiresAt == nil) || got.ExpiresAt != nil && !got.ExpiresAt.Equal(at) {
			t.Errorf("%s: %+v", c.r.path, got)
		}
	}
}

func TestRulesOfTokensAndAccounts(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for body, want := range map[string][]string{
		`{}`:                             {"/name required", "/role required"},
		`{"name":"","role":""}`:          {"/name required", "/role required"},
		`{"name":" \t","role":"x"}`:      {"/role not-one-of", "/name invalid"},
		`{"name":"x","role":"Admin"}`:    {"/role not-one-of"},
		`{"name":"x","role":"operator"}`: {"/role not-one-of"},
		`{"name":1,"role":["admin"]}`:    {"/name wrong-type", "/role wrong-type"},
		`{"name":null,"role":"admin"}`:   {"/name wrong-type"},
		`{"name":"` + strings.Repeat("é", 256) + `","role":"admin"}`:                                    {"/name too-long"},
		`{"name":"a\u0000b","role":"admin"}`:                                                            {"/name invalid"},
		`{"name":"\ufffd","role":"admin"}`:                                                              {"/name invalid"},
		`{"name":"x","role":"admin","expiresAt":""}`:                                                    {"/expiresAt invalid"},
		`{"name":"x","role":"admin","expiresAt":null}`:                                                  {"/expiresAt wrong-type"},
		`{"name":"x","role":"admin","expiresAt":1}`:                                                     {"/expiresAt wrong-type"},
		`{"name":"x","role":"admin","expiresAt":"2999-01-31"}`:                                          {"/expiresAt invalid"},
		`{"name":"x","role":"admin","expiresAt":"2999-02-30T00:00:00Z"}`:                                {"/expiresAt invalid"},
		`{"name":"x","role":"admin","expiresAt":"2999-01-31T0:00:00Z"}`:                                 {"/expiresAt invalid"},
		`{"name":"x","role":"admin","expiresAt":"2999-01-31T00:00:00,5Z"}`:                              {"/expiresAt invalid"},
		`{"name":"x","role":"admin","expiresAt":"2999-01-31T00:00:00+24:00"}`:                           {"/expiresAt invalid"},
		`{"name":"x","role":"admin","expiresAt":"9999-12-31T23:59:59-01:00"}`:                           {"/expiresAt invalid"},
		`{"name":"x","role":"admin","expiresAt":"2999-01-31T00:00:00Z","accountId":"` + accountB + `"}`: {"/accountId unknown-field"},
		`{"name":"x","role":"admin","secret":"orgb_x","id":"x"}`:                                        {"/secret unknown-field", "/id unknown-field"},
	} {
		for path, token := range map[string]string{tokens: "admin", accounts + "/" + accountA + "/tokens": "operator"} {
			if got := do(t, s, request{method: "POST", path: path, token: token, body: body}).faults(t); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", body, got, want)
			}
		}
	}
	for body, want := range map[string]string{
		`{}`: "/name required", `{"name":"  "}`: "/name invalid", `{"name":"` + strings.Repeat("x", 256) + `"}`: "/name too-long", `{"name":{}}`: "/name wrong-type",
	} {
		if got := do(t, s, request{method: "POST", path: accounts, token: "operator", body: body}).faults(t); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	for _, name := range []string{strings.Repeat("é", 255), "=1+1", "<script>", "\u202eevil", "e\u0301 ", "👩‍👩‍👧‍👦", "%s%n", "{{7*7}}", "\r\nfake log line"} {
		body, err := json.Marshal(map[string]string{"name": name, "role": "viewer"})
		if err != nil {
			t.Fatal(err)
		}
		if a := do(t, s, request{method: "POST", path: tokens, token: "admin", body: string(body)}); a.status != 201 {
			t.Errorf("%q: %d %s", name, a.status, a.body)
		}
	}
}

// TestAPI2ASecretIsInOneAnswerOnly makes tokens under a key: neither what is kept for a retry nor the log has the secret.
func TestAPI2ASecretIsInOneAnswerOnly(t *testing.T) {
	t.Parallel()
	for _, r := range everyPOST(t, true) {
		s := newServer(t)
		first := do(t, s, r)
		if first.status != 201 || !strings.Contains(first.body, secretCanary) {
			t.Errorf("%s: %d %s", r.path, first.status, first.body)
		}
		if got := s.fake.called(); got[0] != "ClaimKey" || got[len(got)-1] != "ReleaseKey" || slices.Contains(got, "AnswerKey") {
			t.Errorf("%s: %q", r.path, got)
		}
		if strings.Contains(s.log.String(), secretCanary) {
			t.Errorf("%s: the secret is logged", r.path)
		}
	}
}

func TestScenarioTokens(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		w := newWorldOn(t, db)
		made := w.call(t, "POST", "/tokens", `{"name":"Nightly","role":"viewer","expiresAt":"2999-01-31T00:00:00Z"}`, 201)
		id, secret := made.text(t, "id"), made.text(t, "secret")
		made.want(t, object{"role": "viewer", "expiresAt": "2999-01-31T00:00:00Z", "lastUsedAt": nil, "hint": secret[:9]})
		if tag := w.tag(t, "/tokens/"+id); tag == "" {
			t.Error("no tag")
		}
		w.callAs(t, secret, "GET", "/me", "", 200).want(t, object{"role": "viewer", "token.id": id, "token.name": "Nightly"})
		wantProblem(t, do(t, w, request{method: "GET", path: tokens, token: secret}), 403, "forbidden")
		wantProblem(t, do(t, w, request{method: "POST", path: tokens, token: secret, body: `{"name":"x","role":"viewer"}`}), 403, "forbidden")
		if w.call(t, "GET", "/tokens/"+id, "", 200).at("lastUsedAt") == nil {
			t.Error("its use was not noted")
		}
		w.call(t, "GET", "/tokens?count=true", "", 200).want(t, object{"total": 3, "items.0.id": id})
		past := `{"name":"x","role":"viewer","expiresAt":"2001-01-31T00:00:00Z"}`
		if got := do(t, w, request{method: "POST", path: tokens, token: w.admin, body: past}).faults(t); !slices.Equal(got, []string{"/expiresAt invalid"}) {
			t.Errorf("%q", got)
		}

		wantProblem(t, w.with(t, "If-Match", `"x"`, "DELETE", "/tokens/"+id, ""), 412, "precondition-failed")
		if a := w.with(t, "If-Match", w.tag(t, "/tokens/"+id), "DELETE", "/tokens/"+id, ""); a.status != 204 {
			t.Errorf("%d %s", a.status, a.body)
		}
		wantProblem(t, do(t, w, request{method: "GET", path: api.Base + "/me", token: secret}), 401, "unauthenticated")
		wantProblem(t, do(t, w, request{method: "GET", path: tokens + "/" + id, token: w.admin}), 404, "not-found")
		wantProblem(t, do(t, w, request{method: "DELETE", path: tokens + "/" + id, token: w.admin}), 404, "not-found")
		w.call(t, "GET", "/events?limit=2", "", 200).want(t, object{
			"items.0.type": "token.revoked", "items.0.before.tokenId": id, "items.0.before.name": "Nightly", "items.0.actor.tokenName": "admin",
			"items.1.type": "token.created", "items.1.after.tokenId": id, "items.1.after.role": "viewer",
		})

		own := w.call(t, "GET", "/me", "", 200).text(t, "token.id")
		if a := do(t, w, request{method: "DELETE", path: tokens + "/" + own, token: w.admin}); a.status != 204 {
			t.Errorf("one's own: %d %s", a.status, a.body)
		}
		wantProblem(t, do(t, w, request{method: "GET", path: tokens, token: w.admin}), 401, "unauthenticated")
	})
}

func TestScenarioATokenThatIsMadeOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		w := newWorldOn(t, db)
		_, operator, err := w.accounts.CreateToken(t.Context(), account.NewToken{Role: account.Operator, Name: "provisioning"}, event.Actor{})
		if err != nil {
			t.Fatal(err)
		}
		send := func(token, path, key, body string) answer {
			t.Helper()
			return do(t, w, request{method: "POST", path: api.Base + path, token: token, body: body, header: keys(key)})
		}
		read := func(a answer) (o object) {
			t.Helper()
			if a.status != 201 || json.Unmarshal([]byte(a.body), &o) != nil {
				t.Fatalf("%d %s", a.status, a.body)
			}
			return o
		}
		first := send(operator, "/accounts", "k", `{"name":"Northwind IT"}`)
		again := send(operator, "/accounts", "k", `{"name":"Northwind IT"}`)
		if again.body != first.body || again.header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("%d %s", again.status, again.body)
		}
		wantProblem(t, send(operator, "/accounts", "k", `{"name":"Other"}`), 422, "idempotency-key-reused")
		id := read(first).text(t, "id")

		const body = `{"name":"first","role":"admin"}`
		path := "/accounts/" + id + "/tokens"
		admin := read(send(operator, path, "k2", body)).text(t, "secret")
		for range 2 {
			wantProblem(t, send(operator, path, "k2", body), 409, "secret-not-kept")
		}
		made := read(send(admin, "/tokens", "k2", body))
		a := send(admin, "/tokens", "k2", body)
		wantProblem(t, a, 409, "secret-not-kept")
		if got := a.problem(t).Params["tokenId"]; got != made.text(t, "id") {
			t.Errorf("it names the token %v", got)
		}
		w.callAs(t, admin, "GET", "/tokens?count=true", "", 200).want(t, object{"total": 2})
		for _, table := range []string{"idempotency_keys", "operator_idempotency_keys"} {
			for _, secret := range []string{admin, made.text(t, "secret")} {
				if n := storetest.Value[int](t, db, "SELECT count(*) FROM "+table+" t WHERE "+asText(db)+" LIKE '%"+secret[9:]+"%'"); n != 0 {
					t.Errorf("%s has a secret", table)
				}
			}
		}
		wantProblem(t, do(t, w, request{method: "GET", path: api.Base + "/tokens", token: operator}), 403, "forbidden")
		wantProblem(t, do(t, w, request{method: "GET", path: api.Base + "/accounts/" + id, token: admin}), 403, "forbidden")
		wantProblem(t, send(operator, "/accounts/"+storetest.ID(t)+"/tokens", "k3", body), 404, "not-found")
		for range 3 {
			read(send(operator, "/accounts", storetest.ID(t), `{"name":"Northwind IT"}`))
		}
		w.callAs(t, operator, "GET", "/accounts?limit=2&count=true", "", 200).want(t, object{"total": 5})
	})
}

// asText is a row of the table t as text.
func asText(db *store.Store) string {
	if db.SQLite() != nil {
		return "coalesce(CAST(body AS text), '')"
	}
	return "CAST(t AS text)"
}
