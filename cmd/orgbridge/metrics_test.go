package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/internal/e2e"
)

// scrape reads what Prometheus would.
func scrape(t *testing.T, url, token string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// missing returns those of the lines that the metrics do not have.
func missing(text string, lines ...string) (none []string) {
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line) {
			none = append(none, line)
		}
	}
	return none
}

func TestMetricsOfARunningNode(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		s.Add("Alpine Dental")
		server := s.With("ORGBRIDGE_METRICS_ADDR=127.0.0.1:0").Serve()
		metrics := server.Word(`msg="serving metrics" address=`)
		c := server.Client(s.NewAccount())
		c.AddOrganization("Alpine Dental", "alpine.example.com")
		c.Ended(c.Connect().ID)
		expected := []string{
			`orgbridge_build_info{`, "go_goroutines ", "process_open_fds ",
			`orgbridge_http_requests_total{method="POST",route="/api/v1/integrations/itglue/connect",status="2xx"} 1`,
			`orgbridge_sync_runs_total{kind="initial",outcome="succeeded"} 1`,
			`orgbridge_itglue_requests_total{operation="count organizations",outcome="ok"} 1`,
			`orgbridge_itglue_requests_total{operation="list organizations",outcome="ok"} 1`,
			"orgbridge_itglue_wait_seconds_count 2", "orgbridge_levels_readable 1", `orgbridge_integrations{attention="none"} `,
			`orgbridge_syncs{kind="daily",state="due"} 0`, "orgbridge_daily_sync_lag_seconds 0", "orgbridge_held_removals 0",
			"orgbridge_database_connections_max ",
		}
		var text string
		e2e.Eventually(t, e2e.Patience, "the metrics of the sync", func() bool { // a run is counted after it is written
			_, text = scrape(t, metrics, "")
			return len(missing(text, expected...)) == 0
		})
		if id := e2e.Call[e2e.IntegrationView](c, "GET", "/integrations/itglue", nil, http.StatusOK).LastSync.ID; strings.Contains(text, id) {
			t.Error("the metrics name a sync")
		}
		if status, _ := scrape(t, server.Address+"/metrics", c.Token); status != http.StatusNotFound {
			t.Errorf("served elsewhere, the API's address answers %d", status)
		}
		if status, _ := scrape(t, strings.TrimSuffix(metrics, "/metrics")+"/api/v1/me", c.Token); status != http.StatusNotFound {
			t.Errorf("the metrics' address serves the API: %d", status)
		}
		e2e.Terminated(t, server)

		server = s.Serve("--workers-only")
		operator := s.CLI("token", "create", "--role", "operator", "--name", "prometheus")
		for token, want := range map[string]int{"": http.StatusUnauthorized, c.Token: http.StatusForbidden, operator: http.StatusOK} {
			if status, _ := scrape(t, server.Address+"/metrics", token); status != want {
				t.Errorf("%q is answered with %d, not %d", token, status, want)
			}
		}
		e2e.Terminated(t, server)
	})
}
