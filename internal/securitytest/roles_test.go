package securitytest_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/securitytest"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// callers are who asks: nobody, somebody with a token that there is not, and one token of each role.
var callers = []string{"", "unknown", "viewer", "admin", "operator"}

// gate asks a server for its operations as each of the callers.
type gate struct {
	t       *testing.T
	server  *e2e.Server
	client  *http.Client
	tokens  map[string]string // by caller
	calls   []securitytest.Call
	methods map[string][]string // by path, those of all documented paths that it is of
	asked   int
}

func newGate(t *testing.T) *gate {
	t.Helper()
	s := e2e.NewSite(t, storetest.SQLiteURL(t))
	account := s.CLI("account", "create", "Lighthouse IT Services")
	g := &gate{t: t, tokens: map[string]string{"unknown": "orgb_" + strings.Repeat("a", 40)}, methods: map[string][]string{}}
	for _, role := range []string{"viewer", "admin"} {
		g.tokens[role] = s.CLI("token", "create", "--account", account, "--role", role, "--name", role)
	}
	g.tokens["operator"] = s.CLI("token", "create", "--role", "operator", "--name", "operator")
	g.server = s.Serve()
	g.client = &http.Client{
		Timeout: e2e.Patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	g.calls = securitytest.Calls(t, g.server)
	for _, call := range g.calls {
		for _, other := range g.calls {
			if other.Takes(call.Path) {
				g.methods[call.Path] = append(g.methods[call.Path], other.Method)
			}
		}
	}
	return g
}

// ask sends a request whose path is sent as it is written.
func (g *gate) ask(caller, method, path, body string, headers ...string) e2e.Answer {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), method, g.server.Address, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	if r.URL.Path, err = url.PathUnescape(path); err != nil {
		g.t.Fatal(err)
	}
	r.URL.RawPath = path
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token := g.tokens[caller]; token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := g.client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := e2e.ReadSome(response)
	if err != nil {
		g.t.Fatal(err)
	}
	g.asked++
	return e2e.Answer{Status: response.StatusCode, Header: response.Header, Body: text}
}

// refusal is how a caller who may not use a call is refused; empty when they may.
func refusal(call securitytest.Call, caller string) string {
	switch {
	case len(call.Roles) == 0 || slices.Contains(call.Roles, caller):
		return ""
	case caller == "" || caller == "unknown":
		return "401 unauthenticated"
	default:
		return "403 forbidden"
	}
}

// judge tells whether the caller got through to an operation, and fails the test when that is not what is declared.
func (g *gate) judge(call securitytest.Call, caller string, a e2e.Answer) (through bool) {
	g.t.Helper()
	got, want := codeOf(a), refusal(call, caller)
	if a.Status != http.StatusUnauthorized && a.Status != http.StatusForbidden {
		through, got = true, ""
	}
	if got != want || a.Status >= http.StatusInternalServerError {
		g.t.Errorf("%s %s as %q: %d %.200s, want %q", call.Method, call.Path, caller, a.Status, a.Body, want)
	}
	return through
}

// TestAPI5EveryRoleGetsToWhatTheDocumentDeclaresAndNothingElse asks the real program for each operation of the document that it serves, as
// each role, as a stranger and as nobody. Viewers are declared to read only, operators to have no access to contents.
func TestAPI5EveryRoleGetsToWhatTheDocumentDeclaresAndNothingElse(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	declared, through := map[string]int{}, map[string]int{}
	for _, call := range g.calls {
		for _, caller := range callers {
			if refusal(call, caller) == "" {
				declared[caller]++
			}
			if g.judge(call, caller, g.ask(caller, call.Method, call.Path, call.Body)) {
				through[caller]++
			}
		}
		if slices.Contains(call.Roles, "viewer") && call.Method != http.MethodGet {
			t.Errorf("%s %s is declared for viewers", call.Method, call.Path)
		}
		if slices.Contains(call.Roles, "operator") != (strings.HasPrefix(call.Path, "/api/v1/accounts") || call.Path == "/api/v1/me") {
			t.Errorf("%s %s: declared for %v", call.Method, call.Path, call.Roles)
		}
	}
	if !maps.Equal(declared, through) || declared[""] != 2 || len(g.calls) < 40 {
		t.Errorf("%d operations: %v are declared, %v were got to", len(g.calls), declared, through)
	}
	t.Logf("figure: requests for %d operations by nobody, strangers and each role / served otherwise than declared: %d / 0 (got to: %v)",
		len(g.calls), g.asked, through)
}

// TestAPI5NoOtherMethodOpensAnOperation asks for each documented path by methods that it has not, and has headers and parameters name
// another method: the method of the request line counts, alone.
func TestAPI5NoOtherMethodOpensAnOperation(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	odd := []string{"GET", "PUT", "POST", "PATCH", "DELETE", "TRACE", "QUERY", "PROPFIND", "MOVE", "LINK", "get", "post", "Delete", "GETX", "_"}
	for path, has := range g.methods {
		for _, caller := range callers {
			for _, method := range odd {
				if slices.Contains(has, method) {
					continue
				}
				if a := g.ask(caller, method, path, ""); codeOf(a) != "405 method-not-allowed" {
					t.Errorf("%s %s as %q: %s", method, path, caller, codeOf(a))
				}
			}
		}
		if a := g.ask("", http.MethodOptions, path, ""); a.Status != http.StatusNoContent || len(a.Body) > 0 {
			t.Errorf("OPTIONS %s: %d %s", path, a.Status, a.Body)
		}
	}
	for _, call := range g.calls {
		for _, caller := range callers {
			g.disguised(call, caller)
		}
	}
	t.Logf("figure: requests by methods that a path has not, or that name another one: %d", g.asked)
}

// disguised asks for an operation by another method of its path, or by HEAD, and names the operation's where some servers look for it.
func (g *gate) disguised(call securitytest.Call, caller string) {
	g.t.Helper()
	if call.Method == http.MethodGet {
		a := g.ask(caller, http.MethodHead, call.Path, "")
		want := g.ask(caller, http.MethodGet, call.Path, "")
		if a.Status != want.Status || len(a.Body) > 0 {
			g.t.Errorf("HEAD %s as %q: %d %q, GET has %d", call.Path, caller, a.Status, a.Body, want.Status)
		}
		return
	}
	headers := []string{"X-HTTP-Method-Override", call.Method, "X-HTTP-Method", call.Method, "X-Method-Override", call.Method}
	for _, other := range g.calls {
		if other.Path == call.Path && other.Method != call.Method {
			g.judge(other, caller, g.ask(caller, other.Method, other.Path, other.Body, headers...))
		}
	}
	if !slices.Contains(g.methods[call.Path], http.MethodGet) {
		if a := g.ask(caller, http.MethodGet, call.Path, "", headers...); codeOf(a) != "405 method-not-allowed" {
			g.t.Errorf("GET %s that names %s as %q: %s", call.Path, call.Method, caller, codeOf(a))
		}
	}
}

// TestAPI5NoOtherSpellingOfAPathOpensAnOperation asks for each operation by addresses that a proxy, a router or a file system may take for
// its own. None of them is served, to nobody; where one still names the operation, those who may not use it are refused.
func TestAPI5NoOtherSpellingOfAPathOpensAnOperation(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	for _, call := range g.calls {
		for _, spelling := range spellings(call.Path) {
			for _, caller := range callers {
				a := g.ask(caller, call.Method, spelling, call.Body)
				if a.Status < http.StatusBadRequest || a.Status >= http.StatusInternalServerError {
					t.Errorf("%s %s as %q: %d %.200s", call.Method, spelling, caller, a.Status, a.Body)
				}
			}
		}
	}
	t.Logf("figure: requests by other spellings of paths / served: %d / 0", g.asked)
}

// spellings are other ways to write a path.
func spellings(path string) (all []string) {
	last := strings.LastIndex(path, "/")
	parent, name := path[:last], path[last+1:]
	return []string{
		"/" + path, parent + "//" + name, path + "/", path + "//", parent + "/./" + name, path + "/.", path + "/..", "/x/.." + path,
		parent + "/%2e/" + name, "/x/%2e%2e" + path, path + "%2f", parent + "%2f" + name, parent + "/%2F" + name, path + "/%2e%2e%2f" + name,
		path + ";", path + ";a=b", parent + ";a=b/" + name, path + "%3b", path + "%00", path + "%20", path + ".json", path + "%5c", path + "%3f",
		parent + fmt.Sprintf("/%%%02x", name[0]) + name[1:], strings.Replace(path, "/", "/X/..", 1), strings.ToUpper(path[:2]) + path[2:],
		path + "%0d%0a", "/static" + path, path + "/%252e%252e",
	}
}
