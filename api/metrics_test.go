package api_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/api"
)

// withMetrics serves a text at /metrics.
func withMetrics(d *api.Dependencies) {
	d.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics") })
}

func TestAPI8MetricsAreForOperatorsOnly(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*testServer{
		"API": newServer(t, withMetrics), "workers": newServer(t, withMetrics, func(d *api.Dependencies) { d.HealthOnly = true }),
	} {
		for token, status := range map[string]int{"": 401, "wrong": 401, "viewer": 403, "admin": 403, "operator": 200} {
			w := plain(t, s, "GET", "/metrics", token)
			if w.status != status || (w.body == "metrics") != (status == 200) {
				t.Errorf("%s: %q gets %d %s", name, token, w.status, w.body)
			}
		}
		if w := plain(t, s, "POST", "/metrics", "operator"); w.status != 405 {
			t.Errorf("%s: POST is answered with %d", name, w.status)
		}
	}
	if w := plain(t, newServer(t), "GET", "/metrics", "operator"); w.status != 404 {
		t.Errorf("served elsewhere, they are answered with %d", w.status)
	}
}

// plain sends a request for something that the document need not have.
func plain(t *testing.T, h http.Handler, method, path, token string) answer {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	h.ServeHTTP(w, r)
	return answer{status: w.Code, header: w.Header(), body: w.Body.String()}
}

func TestRequestsAreObservedByPatternAndNeverByPath(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var routes []string
	s := newServer(t, func(d *api.Dependencies) {
		d.Observe = func(method, route string, status int, took time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			if status == 0 || took < 0 {
				t.Errorf("%s %s: %d after %s", method, route, status, took)
			}
			routes = append(routes, method+" "+route)
		}
	})
	for _, path := range []string{"/api/v1/organizations/" + orgID, "/api/v1/no/such?secret=1", "/.env", "/healthz", "/swagger/"} {
		plain(t, s, "GET", path, "viewer")
	}
	want := []string{"GET /api/v1/organizations/:organizationId", "GET none", "GET none", "GET /healthz", "GET /swagger/"}
	if !slices.Equal(routes, want) {
		t.Errorf("observed %q, want %q", routes, want)
	}
}
