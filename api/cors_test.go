package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/api"
)

const app = "https://app.example.com"

func sharing(origins ...string) func(*api.Dependencies) {
	return func(d *api.Dependencies) { d.CORSOrigins = origins }
}

// corsHeaders are those that let a page read an answer.
func corsHeaders(a answer) []string {
	var out []string
	for name := range a.header {
		if strings.HasPrefix(name, "Access-Control-") {
			out = append(out, name+": "+a.header.Get(name))
		}
	}
	return out
}

func TestAPI8OnlyListedOriginsMayReadAnswers(t *testing.T) {
	t.Parallel()
	s := newServer(t, sharing(app, "http://localhost:5173"))
	preflight := func(origin string) request {
		return request{method: "OPTIONS", path: organizations, header: http.Header{
			"Origin": {origin}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"authorization,x-evil"},
		}}
	}
	for origin, allowed := range map[string]bool{
		app: true, "http://localhost:5173": true,
		"null": false, "*": false, "": false, "https://app.example.com.evil.example": false, "https://evil.example": false,
		"http://app.example.com": false, "https://app.example.com:444": false, "https://APP.example.com": false,
		"https://app.example.com/": false, "https://xapp.example.com": false, "https://app.example.com, https://evil.example": false,
		"https://app-example.com": false, "http://localhost:51730": false, "file://": false,
	} {
		for _, r := range []request{
			{method: "GET", path: api.Base + "/me", token: "viewer", header: http.Header{"Origin": {origin}}},
			{method: "GET", path: api.Base + "/me", header: http.Header{"Origin": {origin}}},
			{method: "GET", path: "/nowhere", header: http.Header{"Origin": {origin}}},
			{method: "GET", path: "/" + strings.Repeat("a", 9<<10), header: http.Header{"Origin": {origin}}},
			preflight(origin),
		} {
			a := do(t, s, r)
			got := a.header.Get("Access-Control-Allow-Origin")
			if allowed && got != origin || !allowed && len(corsHeaders(a)) > 0 {
				t.Errorf("%s %.30s from %q: %v", r.method, r.path, origin, corsHeaders(a))
			}
			if a.header.Get("Access-Control-Allow-Credentials") != "" || strings.Contains(strings.Join(corsHeaders(a), " "), "evil") {
				t.Errorf("%s %.30s from %q: %v", r.method, r.path, origin, corsHeaders(a))
			}
			if !strings.Contains(strings.Join(a.header.Values("Vary"), ","), "Origin") {
				t.Errorf("%s %.30s from %q: a cache may give the answer to another origin", r.method, r.path, origin)
			}
		}
	}
}

func TestAPI8PreflightsNameWhatTheAPITakesAndTells(t *testing.T) {
	t.Parallel()
	s := newServer(t, sharing(app))
	a := do(t, s, request{method: "OPTIONS", path: organizations, header: http.Header{
		"Origin": {app}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"authorization,content-type"},
	}})
	if a.status != http.StatusNoContent || a.body != "" {
		t.Errorf("%d %s", a.status, a.body)
	}
	for name, want := range map[string][]string{
		"Access-Control-Allow-Methods": {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"},
		"Access-Control-Allow-Headers": {"Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match"},
		"Access-Control-Max-Age":       {"600"},
	} {
		for _, part := range want {
			if !strings.Contains(a.header.Get(name), part) {
				t.Errorf("%s is %q, without %s", name, a.header.Get(name), part)
			}
		}
	}
	a = do(t, s, request{method: "GET", path: api.Base + "/me", token: "viewer", header: http.Header{"Origin": {app}}})
	for _, header := range []string{"ETag", "Location", "Retry-After", "RateLimit", "X-Request-Id", "Idempotency-Replayed"} {
		if !strings.Contains(strings.ToLower(a.header.Get("Access-Control-Expose-Headers")), strings.ToLower(header)) {
			t.Errorf("pages are not shown %s: %q", header, a.header.Get("Access-Control-Expose-Headers"))
		}
	}
}

func TestAPI8WithoutAListNoOriginMayReadAnswers(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, method := range []string{"GET", "OPTIONS"} {
		a := do(t, s, request{method: method, path: organizations, token: "viewer", header: http.Header{
			"Origin": {app}, "Access-Control-Request-Method": {"GET"},
		}})
		if headers := corsHeaders(a); len(headers) > 0 || a.status >= 400 {
			t.Errorf("%s: %d %v", method, a.status, headers)
		}
	}
}
