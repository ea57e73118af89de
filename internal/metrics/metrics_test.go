package metrics_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/metrics"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// scrape returns what Prometheus would read.
func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func want(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("there is no line %q", line)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestWhatHappenedIsCounted(t *testing.T) {
	t.Parallel()
	m := metrics.New("1.2.3", slog.New(slog.DiscardHandler))
	want(t, scrape(t, m), `orgbridge_sync_runs_total{kind="daily",outcome="failed"} 0`) // so that the first one is an increase

	m.Request("GET", "/api/v1/mappings", 200, 20*time.Millisecond)
	m.Request("GET", "/api/v1/mappings", 204, 20*time.Millisecond)
	m.Request("GET", "/api/v1/mappings", 503, time.Second)
	m.Request("GE\"T\n", "none", 405, time.Millisecond)
	m.Request("PROPFIND", "none", 999, time.Millisecond)
	m.Run(orgsync.Ran{Kind: orgsync.Daily, Outcome: orgsync.RunHandedBack, Took: 3 * time.Second})
	m.ITGlue("list organizations", itglue.Attempt{Sent: true, Waited: 2 * time.Second, Took: 30 * time.Millisecond})
	m.ITGlue("list organizations", itglue.Attempt{Sent: true, Err: &itglue.Error{Kind: itglue.KindRejectedKey}})
	m.ITGlue("list organizations", itglue.Attempt{Sent: true, Err: context.Canceled})
	m.ITGlue("list organizations", itglue.Attempt{Err: &itglue.Error{Kind: itglue.KindRateLimited}})
	m.ITGlue("list organizations", itglue.Attempt{Err: errors.New("the connection has ended")})
	m.WatchConnections(func() store.Connections {
		return store.Connections{Max: 16, InUse: 3, Idle: 2, Waits: 5, Waited: 1500 * time.Millisecond}
	})
	want(t, scrape(t, m),
		`orgbridge_http_requests_total{method="GET",route="/api/v1/mappings",status="2xx"} 2`,
		`orgbridge_http_requests_total{method="GET",route="/api/v1/mappings",status="5xx"} 1`,
		`orgbridge_http_requests_total{method="other",route="none",status="4xx"} 1`,
		`orgbridge_http_requests_total{method="other",route="none",status="other"} 1`,
		`orgbridge_http_request_duration_seconds_bucket{method="GET",route="/api/v1/mappings",le="0.025"} 2`,
		`orgbridge_sync_runs_total{kind="daily",outcome="handed_back"} 1`,
		`orgbridge_sync_run_duration_seconds_count{kind="daily"} 1`,
		`orgbridge_itglue_requests_total{operation="list organizations",outcome="ok"} 1`,
		`orgbridge_itglue_requests_total{operation="list organizations",outcome="rejected-key"} 1`,
		`orgbridge_itglue_requests_total{operation="list organizations",outcome="cancelled"} 1`,
		`orgbridge_itglue_unsent_total{reason="rate-limited"} 1`,
		`orgbridge_itglue_unsent_total{reason="withdrawn"} 1`,
		`orgbridge_itglue_wait_seconds_count 5`,
		`orgbridge_itglue_wait_seconds_bucket{le="1"} 4`,
		`orgbridge_database_connections{state="in_use"} 3`,
		`orgbridge_database_connections_max 16`,
		`orgbridge_database_waits_total 5`,
		`orgbridge_database_wait_seconds_total 1.5`,
	)
	if !strings.Contains(scrape(t, m), `orgbridge_build_info{goversion="go`) {
		t.Error("nothing says what runs")
	}
}

func TestLevelsOfADatabaseThatIsAwayAreMissingAndTheRestIsThere(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	m := metrics.New("test", slog.New(slog.DiscardHandler))
	m.Request("GET", "/readyz", 503, time.Millisecond)
	m.WatchLevels(func(ctx context.Context) (orgsync.Levels, error) {
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("the database may take any time")
		}
		return orgsync.Levels{}, errors.New("away")
	}, slog.New(slog.NewTextHandler(&log, nil)))
	text := scrape(t, m)
	want(t, text, "orgbridge_levels_readable 0", `orgbridge_http_requests_total{method="GET",route="/readyz",status="5xx"} 1`)
	if strings.Contains(text, "orgbridge_daily_sync_lag_seconds") {
		t.Error("a level is shown that nobody knows")
	}
	if !strings.Contains(log.String(), "away") {
		t.Errorf("the log does not say why: %s", log.String())
	}
}

func TestLevelsAreReadOnceForAllWhoLook(t *testing.T) {
	t.Parallel()
	reads := 0 // without a lock, for the race detector
	m := metrics.New("test", slog.New(slog.DiscardHandler))
	m.WatchLevels(func(context.Context) (orgsync.Levels, error) {
		reads++
		return orgsync.Levels{
			Syncs:     []orgsync.SyncLevel{{Kind: orgsync.Daily, State: orgsync.LevelDue, Count: 4}},
			OldestDue: 90 * time.Second, DailyLag: time.Hour, HeldSyncs: 2, HeldRemovals: 31, OldestHeld: 24 * time.Hour,
			Integrations: map[string]int{"none": 7, "credentials-rejected": 1},
		}, nil
	}, slog.New(slog.DiscardHandler))
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { scrape(t, m) })
	}
	all.Wait()
	want(t, scrape(t, m),
		"orgbridge_levels_readable 1",
		`orgbridge_syncs{kind="daily",state="due"} 4`, `orgbridge_syncs{kind="daily",state="running"} 0`,
		"orgbridge_sync_due_age_seconds 90", "orgbridge_daily_sync_lag_seconds 3600",
		"orgbridge_held_syncs 2", "orgbridge_held_removals 31", "orgbridge_held_age_seconds 86400",
		`orgbridge_integrations{attention="none"} 7`, `orgbridge_integrations{attention="credentials-rejected"} 1`,
	)
	if reads != 1 {
		t.Errorf("the database was read %d times", reads)
	}
}
