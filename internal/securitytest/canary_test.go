package securitytest_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/faulttest"
	"github.com/orgbridge/orgbridge/internal/securitytest"
)

const (
	firstKey   = "ITG.CANARY7f3a9c51e8d24b60first"
	secondKey  = "ITG.CANARY7f3a9c51e8d24b60second"
	refusedKey = "ITG.CANARY7f3a9c51e8d24b60refused"
	// canaryCore is what all of them begin with; the last four characters of a key are shown.
	canaryCore = "ITG.CANARY7f3a9c51e8d24b60"
)

func TestAPI8SecretsAreFoundInWhateverFormTheyAreWritten(t *testing.T) {
	t.Parallel()
	canary := securitytest.NewCanary("key", canaryCore)
	for name, content := range map[string]string{
		"Plain":       "x" + canaryCore + "x",
		"Upper":       strings.ToUpper(canaryCore),
		"Hex":         hex.EncodeToString([]byte("a" + canaryCore)),
		"UpperHex":    strings.ToUpper(hex.EncodeToString([]byte(canaryCore))),
		"Base64":      base64.StdEncoding.EncodeToString([]byte(canaryCore)),
		"Base64One":   base64.StdEncoding.EncodeToString([]byte("a" + canaryCore + "b")),
		"Base64Two":   base64.StdEncoding.EncodeToString([]byte(`{"` + canaryCore + `"}`)),
		"Base64URL":   base64.URLEncoding.EncodeToString([]byte("?>" + canaryCore)),
		"URL":         strings.ReplaceAll(url.QueryEscape(canaryCore), ".", "%2E"),
		"URLLower":    strings.Replace(canaryCore, "C", "%43", 1),
		"JSON":        strings.Replace(canaryCore, "A", `\u0041`, 1),
		"JSONUpper":   strings.Replace(canaryCore, "I", `\U0049`, 1),
		"UTF16":       strings.Join(strings.Split(canaryCore, ""), "\x00") + "\x00",
		"WithTheRest": "key=" + firstKey,
	} {
		if len(canary.In([]byte(content))) == 0 {
			t.Errorf("%s: not found in %q", name, content)
		}
	}
	for _, content := range []string{"", "ITG.CANARY", firstKey[len(firstKey)-4:], strings.Replace(canaryCore, "7", "8", 1)} {
		if found := canary.In([]byte(content)); len(found) > 0 {
			t.Errorf("found %v in %q", found, content)
		}
	}
}

// canaryRun is a site whose accounts are given canary keys in whatever way, and all that it says meanwhile.
type canaryRun struct {
	*e2e.Site

	t       *testing.T
	secrets []securitytest.Canary
	mu      sync.Mutex
	said    map[string][]byte
}

func (r *canaryRun) keep(name string, content []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said[fmt.Sprintf("%s (%d)", name, len(r.said))] = content
}

// ask sends a request that may be answered in any way but 500, keeps the answer and returns its status.
func (r *canaryRun) ask(c e2e.Client, method, path string, body any) int {
	r.t.Helper()
	answer, err := c.Try(r.t.Context(), method, path, body)
	if err != nil {
		r.t.Errorf("%s: %v", method, err)
		return 0
	}
	r.keep("the answer to "+method, answer.Body)
	r.keep("the headers of the answer to "+method, fmt.Append(nil, answer.Header))
	return answer.Status
}

// oddly sends keys where they do not belong, and where they do with something wrong about them.
func (r *canaryRun) oddly(c e2e.Client) {
	r.t.Helper()
	for _, path := range []string{"/integrations/itglue/connect", "/integrations/itglue/test"} {
		for _, body := range []any{
			map[string]any{"apiKey": refusedKey, "region": "us"},
			map[string]any{"apiKey": refusedKey, "region": "eu"}, // nobody answers there
			map[string]any{"apiKey": refusedKey, "region": refusedKey},
			map[string]any{"api_key": refusedKey, "region": "us"},
			map[string]any{"apiKey": []string{refusedKey}, "region": "us"},
			map[string]any{"apiKey": map[string]string{"value": refusedKey}, "region": "us"},
			map[string]any{"apiKey": refusedKey + "\nX-Other: 1", "region": "us"},
			map[string]any{"apiKey": " " + refusedKey, "region": "us"},
			map[string]any{"apiKey": refusedKey + "é", "region": "us"},
			map[string]any{"apiKey": strings.Repeat(refusedKey, 400), "region": "us"},
			refusedKey, []string{refusedKey},
		} {
			if status := r.ask(c, http.MethodPost, path, body); status == http.StatusCreated || status >= 500 && status < 502 {
				r.t.Errorf("%s %v: status %d", path, body, status)
			}
		}
		r.ask(c.WithHeader("X-Api-Key", refusedKey), http.MethodPost, path, nil)
		r.ask(c, http.MethodPost, path+"?apiKey="+refusedKey, map[string]any{"region": "us"})
	}
	for _, path := range []string{
		"/organizations?search=" + refusedKey, "/organizations?apiKey=" + refusedKey, "/events?cursor=" + refusedKey, "/mappings?sort=" + refusedKey,
		"/integrations/itglue/organizations?mapped=" + refusedKey, "/events?type=" + refusedKey,
	} {
		r.ask(c, http.MethodGet, path, nil)
	}
	stranger := c
	stranger.Token = refusedKey
	if status := r.ask(stranger, http.MethodGet, "/me", nil); status != http.StatusUnauthorized {
		r.t.Errorf("a key for a token: status %d", status)
	}
	r.ask(c.WithHeader("If-Match", `"`+refusedKey+`"`), http.MethodPatch, "/integrations/itglue", map[string]any{"apiKey": refusedKey})
	r.ask(c.WithHeader("Idempotency-Key", refusedKey), http.MethodPost, "/organizations", map[string]any{"name": "With a key for a key"})
}

// work connects with the first key and changes to the second one, while IT Glue fails and tells the key to everybody.
func (r *canaryRun) work(c e2e.Client) {
	r.t.Helper()
	c.AddOrganization("Contoso", "contoso.com")
	connect := c.WithHeader("Idempotency-Key", "connect-once")
	for range 2 { // the second answer is the one that was kept
		if status := r.ask(connect, http.MethodPost, "/integrations/itglue/connect", map[string]any{"apiKey": firstKey, "region": "us"}); status != http.StatusCreated {
			r.t.Fatalf("connect: status %d", status)
		}
	}
	r.settled(c)
	for _, body := range []any{
		map[string]any{"apiKey": refusedKey}, map[string]any{"region": "eu"}, map[string]any{"apiKey": 1, "region": secondKey},
		map[string]any{"dailySync": map[string]any{"enabled": false}}, map[string]any{"dailySync": map[string]any{"enabled": true, "timeZone": secondKey}},
		map[string]any{"autoMap": "every_sync"}, map[string]any{"autoMap": secondKey},
	} {
		r.ask(c, http.MethodPatch, "/integrations/itglue", body)
	}
	for _, fault := range []map[string]any{
		{"kind": "status", "status": 401, "style": "raw", "body": `{"errors":[{"title":"x","detail":"key ` + firstKey + ` refused"}]}`},
		{"kind": "status", "status": 500, "style": "raw", "body": "<html>x-api-key: " + strings.ToLower(firstKey) + "</html>"},
		{"kind": "status", "status": 422, "style": "raw", "body": `{"errors":[{"detail":"` + strings.Replace(firstKey, "C", `\u0043`, 1) + `"}]}`},
		{"kind": "other-json", "body": `{"data":"` + firstKey + `"}`},
		{"kind": "redirect", "location": "http://127.0.0.1:1/?key=" + firstKey},
	} {
		r.Inject(fault)
		r.ask(c, http.MethodPost, "/integrations/itglue/test", map[string]any{"apiKey": firstKey, "region": "us"})
		r.ask(c, http.MethodPost, "/syncs", map[string]any{"kind": "manual"})
		r.cancelled(c)
		r.Fast()
	}
	if status := r.ask(c, http.MethodPatch, "/integrations/itglue", map[string]any{"apiKey": secondKey}); status != http.StatusOK {
		r.t.Errorf("the second key: status %d", status)
	}
	r.ask(c, http.MethodPost, "/syncs", map[string]any{"kind": "manual"})
	r.settled(c)
}

// settled waits until no sync is under way.
func (r *canaryRun) settled(c e2e.Client) {
	r.t.Helper()
	e2e.Eventually(r.t, e2e.Patience, "the end of syncs", func() bool {
		for _, run := range e2e.Call[e2e.ListView[e2e.SyncView]](c, http.MethodGet, "/syncs", nil, http.StatusOK).Items {
			if run.Status == "queued" || run.Status == "running" {
				return false
			}
		}
		return true
	})
}

// cancelled waits until the newest sync has met the fault, and ends it.
func (r *canaryRun) cancelled(c e2e.Client) {
	r.t.Helper()
	before := r.Calls().Count
	newest := e2e.Call[e2e.ListView[e2e.SyncView]](c, http.MethodGet, "/syncs?limit=1", nil, http.StatusOK).Items[0]
	e2e.Eventually(r.t, e2e.Patience, "a call of the sync, or its end", func() bool {
		now := c.Sync(newest.ID)
		return r.Calls().Count > before || now.Status != "queued" && now.Status != "running"
	})
	r.ask(c, http.MethodPost, "/syncs/"+newest.ID+"/cancel", nil)
	r.settled(c)
	r.ask(c, http.MethodGet, "/syncs/"+newest.ID, nil)
}

// panics has a request and a sync of the account panic that have the key at hand.
func (r *canaryRun) panics(server *e2e.Server, panicking customer) {
	r.t.Helper()
	c := server.Client(panicking.token)
	connect := map[string]any{"apiKey": firstKey, "region": "us"}
	if status := r.ask(c, http.MethodPost, "/integrations/itglue/connect", connect); status != http.StatusInternalServerError {
		r.t.Errorf("a panic is answered with %d", status)
	}
	r.ask(c, http.MethodPost, "/integrations/itglue/connect", connect)
	e2e.Eventually(r.t, e2e.Patience, "the panic of the sync", func() bool {
		return strings.Contains(server.Out.String(), `msg="sync handed back" accountId=`+panicking.accountID)
	})
}

// everything reads all that the account can.
func (r *canaryRun) everything(c e2e.Client) {
	r.t.Helper()
	for _, path := range []string{
		"/me", "/integrations", "/integrations/itglue", "/integrations/itglue/organizations", "/organizations", "/mappings", "/mappings/summary", "/syncs", "/events",
	} {
		if status := r.ask(c, http.MethodGet, path, nil); status != http.StatusOK {
			r.t.Errorf("GET %s: status %d", path, status)
		}
	}
}

// search looks for the secrets in all that was kept, and returns how many places that were.
func (r *canaryRun) search(database *faulttest.Database) (bytes, places int) {
	r.t.Helper()
	for name, content := range database.Dump(r.t) {
		r.keep(name, content)
	}
	for name, content := range r.said {
		for _, secret := range r.secrets {
			if found := secret.In(content); len(found) > 0 {
				r.t.Errorf("the %s is in %s, %s: %.2000s", secret.Name, name, strings.Join(found, ", "), content)
			}
		}
		bytes += len(content)
	}
	return bytes, len(r.said)
}

var keyMaterial = regexp.MustCompile(`"value":\s*"([^"]+)"`)

// keysetSecrets are the keys of a keyset, as its file has them and as they are.
func keysetSecrets(t *testing.T, file string) (secrets []securitytest.Canary) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range keyMaterial.FindAllStringSubmatch(string(content), -1) {
		raw, err := base64.StdEncoding.DecodeString(found[1])
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, securitytest.NewCanary("keyset", found[1]), securitytest.NewCanary("key of the keyset", string(raw[2:])))
	}
	if len(secrets) == 0 {
		t.Fatal("no key in the keyset")
	}
	return secrets
}

// TestAPI8KeysAndTokensAreNowhereInTheClear runs the program with debug logs through all that has to do with keys, and searches all that it
// leaves behind: the files of SQLite or a dump of PostgreSQL, with events, jobs and kept answers; what it logged and printed, panics and
// the stacks of all goroutines among it; its metrics and traces; and every answer.
func TestAPI8KeysAndTokensAreNowhereInTheClear(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		plan := filepath.Join(t.TempDir(), "plan")
		traces := e2e.ReceiveTraces(t)
		r := &canaryRun{t: t, said: map[string][]byte{}, Site: s.Using(e2e.Build{Tags: "failpoints"}).With(append(traces.Env(),
			"ORGBRIDGE_LOG_LEVEL=debug", "ORGBRIDGE_FAILPOINTS="+plan, "ORGBRIDGE_REQUESTS_PER_MINUTE=0", "GOTRACEBACK=all")...)}
		for _, key := range []string{firstKey, secondKey} {
			e2e.Call[any](r.Sim, http.MethodPost, "/_sim/keys", map[string]string{"key": key}, http.StatusNoContent)
		}
		r.Add("Contoso", "contoso.com")
		worker, panicking := r.account(), r.account()
		if err := os.WriteFile(plan, fmt.Appendf(nil, "start %s 1 panic\nrun %s 3 panic\n", panicking.accountID, panicking.accountID), 0o600); err != nil {
			t.Fatal(err)
		}
		r.secrets = append(r.secrets, securitytest.NewCanary("IT Glue key", canaryCore))
		r.secrets = append(r.secrets, keysetSecrets(t, s.KeysetFile())...)

		server := r.Serve()
		c := server.Client(worker.token)
		r.oddly(c)
		r.work(c)
		r.panics(server, panicking)
		rotate := r.Start("keys", "rotate")
		if code := rotate.ExitCode(); code != 0 {
			t.Errorf("keys rotate: exit code %d", code)
		}
		r.secrets = append(r.secrets, keysetSecrets(t, s.KeysetFile())...)
		r.ask(c, http.MethodPatch, "/integrations/itglue", map[string]any{"autoMap": "off"})
		r.tokens(c)
		r.everything(c)
		r.everything(server.Client(panicking.token))
		r.refusedStarts()
		r.watched(server, traces)
		database := faulttest.OpenDatabase(t, s.Database)
		for name, content := range database.Dump(t) { // with what SQLite has in its log
			r.keep(name+" while the server runs", content)
		}
		server.End(syscall.SIGQUIT) // the stacks of all goroutines
		if !strings.Contains(server.Out.String(), "goroutine ") {
			t.Error("no stacks were printed")
		}
		r.keep("the log of the server", []byte(server.Out.String()))
		r.keep("the output of keys rotate", []byte(rotate.Out.String()))
		if !strings.Contains(server.Out.String(), "level=DEBUG") {
			t.Error("nothing was logged at the level debug")
		}
		bytes, places := r.search(database)
		faulttest.Figuref(t, "canary keys, tokens and keysets outside of their ciphertext", "0 in %d places of %d KiB", places, bytes>>10)
		r.control(database)
	})
}

// watched keeps what operators see: metrics, and traces of all that was done.
func (r *canaryRun) watched(server *e2e.Server, traces *e2e.Traces) {
	r.t.Helper()
	token := r.CLI("token", "create", "--role", "operator", "--name", "metrics")
	r.secrets = append(r.secrets, securitytest.NewCanary("token", token[12:]))
	operator := e2e.Client{T: r.t, Base: server.Address, Token: token}
	if status := r.ask(operator, http.MethodGet, "/metrics", nil); status != http.StatusOK {
		r.t.Errorf("GET /metrics: status %d", status)
	}
	e2e.Eventually(r.t, e2e.Patience, "the traces of syncs", func() bool {
		return slices.ContainsFunc(traces.Spans(), func(s e2e.Span) bool { return s.Name == "IT Glue: list organizations" })
	})
	for _, raw := range traces.Raw() {
		r.keep("the traces", raw)
	}
}

// customer is an account with an admin's token.
type customer struct{ accountID, token string }

// account makes one, whose token is a secret that is searched for; the beginning of it is shown.
func (r *canaryRun) account() customer {
	r.t.Helper()
	id := r.CLI("account", "create", "Lighthouse IT Services")
	k := customer{id, r.CLI("token", "create", "--account", id, "--role", "admin", "--name", "canary")}
	r.secrets = append(r.secrets, securitytest.NewCanary("token", k.token[12:]))
	return k
}

// tokens makes a token, whose secret is in this answer only, not in the one that is kept for its Idempotency-Key.
func (r *canaryRun) tokens(c e2e.Client) {
	r.t.Helper()
	once := c.WithHeader("Idempotency-Key", "token-once")
	made := e2e.Call[struct{ ID, Secret string }](once, http.MethodPost, "/tokens", map[string]any{"name": "canary", "role": "viewer"}, http.StatusCreated)
	r.secrets = append(r.secrets, securitytest.NewCanary("token of the API", made.Secret[12:]))
	c.Token = made.Secret
	r.everything(c)
	r.ask(c, http.MethodPost, "/tokens", map[string]any{"name": made.Secret[:12], "role": "viewer"}) // not a viewer's
	r.ask(once, http.MethodDelete, "/tokens/"+made.ID, nil)
	r.ask(c, http.MethodGet, "/me", nil)
}

// refusedStarts keeps what the program says of settings that it cannot use and that hold secrets.
func (r *canaryRun) refusedStarts() {
	r.t.Helper()
	for _, variable := range []string{
		"ORGBRIDGE_KEYSET=" + canaryCore, "ORGBRIDGE_KEYSET=env:" + canaryCore, "ORGBRIDGE_LOG_LEVEL=debug\nORGBRIDGE_KEYSET=env:" + base64.StdEncoding.EncodeToString([]byte(`{"key":"`+canaryCore+`"}`)),
		"ORGBRIDGE_DATABASE_URL=postgres://user:" + canaryCore + "@127.0.0.1:1/none", "ORGBRIDGE_DATABASE_URL=postgres://user:" + canaryCore + "@[::1/none",
		"ORGBRIDGE_DATABASE_URL=mysql://user:" + canaryCore + "@127.0.0.1/none",
	} {
		p := r.With(strings.Split(variable, "\n")...).Start("serve")
		if code := p.ExitCode(); code == 0 {
			r.t.Errorf("it started with %s", variable)
		}
		r.keep("what a refused start says", []byte(p.Out.String()))
	}
}

// control plants a key in the database and demands that it is found there.
func (r *canaryRun) control(database *faulttest.Database) {
	r.t.Helper()
	database.Run(r.t, "UPDATE organizations SET name = $1", "planted "+strings.ToUpper(canaryCore))
	found := 0
	for _, content := range database.Dump(r.t) {
		found += len(securitytest.NewCanary("planted", canaryCore).In(content))
	}
	if found == 0 {
		r.t.Error("a key that was planted in the database is not found")
	}
}
