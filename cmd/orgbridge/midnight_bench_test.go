package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

const (
	nightAccounts      = 2_000
	nightOrganizations = 50
	maxNightRatio      = 3.0
	// People ask for their mappings at this pace, and for so long when nothing else goes on, before the night and after it.
	visitEvery = 20 * time.Millisecond
	idleTime   = 20 * time.Second
	maxNight   = 10 * time.Minute
)

// BenchmarkMidnight has the daily syncs of 2,000 accounts with 50 organizations come due at once on one node, none of them with changes,
// while people look at their mappings.
func BenchmarkMidnight(b *testing.B) {
	s := e2e.NewSite(b, storetest.PostgresURL(b), "--organizations-file", directoryFile(b, nightOrganizations))
	db := storetest.Open(b, s.Database, store.Options{})
	tokens := connectMany(b, s, db)
	server := s.Serve()
	for b.Loop() {
		idle := visits(b, server, tokens, idleTime, func() bool { return false })
		began := midnight(b, db)
		night := visits(b, server, tokens, maxNight, func() bool {
			return storetest.Value[int](b, db, "SELECT count(*) FROM syncs WHERE kind = 'daily' AND finished_at IS NOT NULL") >= nightAccounts
		})
		idle = append(idle, visits(b, server, tokens, idleTime, func() bool { return false })...)
		checkNight(b, db)

		took := storetest.Value[time.Time](b, db, "SELECT max(finished_at) FROM syncs WHERE kind = 'daily'").Sub(began)
		b.ReportMetric(took.Seconds(), "night-s")
		b.ReportMetric(nightAccounts/took.Seconds(), "syncs/s")
		b.ReportMetric(peakMiB(b, server), "peak-MiB")
		for name, times := range map[string][]time.Duration{"idle": idle, "night": night} {
			b.ReportMetric(milliseconds(percentile(times, 50)), name+"-p50-ms")
			b.ReportMetric(milliseconds(percentile(times, 99)), name+"-p99-ms")
		}
		bar(b, percentile(night, 99).Seconds()/percentile(idle, 99).Seconds(), maxNightRatio, "p99-ratio")
	}
	e2e.Terminated(b, server)
}

// connectMany connects all accounts to the same directory, each with a key of its own. One has its initial sync; the others get a copy of
// what came of it. It returns tokens of some.
func connectMany(b *testing.B, s *e2e.Site, db *store.Store) (tokens []string) {
	b.Helper()
	server := s.Serve()
	c := server.Client(s.NewAccount())
	for i := range nightOrganizations {
		c.AddOrganization(fmt.Sprintf("Organization %d", i+1), fmt.Sprintf("o%d.example.com", i+1))
	}
	c.Ended(c.Connect().ID)
	e2e.Terminated(b, server)
	model := storetest.Value[string](b, db, "SELECT account_id::text FROM integrations")
	service := integration.NewService(integration.Config{
		Store: db, Sealed: db, Keyset: s.Keyset(), Starter: nobody{}, Now: now, Logger: slog.New(slog.DiscardHandler),
		ITGlue: integration.NewDialer(map[itglue.Region]string{itglue.RegionUS: s.Sim.Base}, 0),
	})
	e2e.InParallel(nightAccounts-1, func(i int) {
		key := fmt.Sprintf("ITG.night%027d", i)
		e2e.Call[any](s.Sim, "POST", "/_sim/keys", map[string]string{"key": key}, http.StatusNoContent)
		if _, err := service.Connect(b.Context(), storetest.Account(b, db), event.Actor{}, key, "us"); err != nil {
			b.Error(err)
		}
	})
	copyAccount(b, db, model)
	accounts := storetest.Value[string](b, db, "SELECT string_agg(account_id::text, ' ') FROM (SELECT account_id FROM integrations LIMIT 10) a")
	for account := range strings.FieldsSeq(accounts) {
		tokens = append(tokens, s.CLI("token", "create", "--account", account, "--role", "viewer", "--name", "bench"))
	}
	return tokens
}

// nobody starts nothing.
type nobody struct{}

func (nobody) StartSoon(context.Context, string, string, int) error { return nil }

// copyAccount gives all other accounts the organizations, mappings and directory of one, and ends their initial syncs.
func copyAccount(b *testing.B, db *store.Store, model string) {
	b.Helper()
	storetest.Exec(b, db, `WITH copies AS (
			SELECT gen_random_uuid() AS copy, i.account_id AS target, o.* FROM organizations o, integrations i
			WHERE o.account_id = $1::uuid AND i.account_id <> $1::uuid
		), added AS (
			INSERT INTO organizations (id, account_id, name, name_folded, domain, email_platform, created_at, updated_at)
			SELECT copy, target, name, name_folded, domain, email_platform, created_at, updated_at FROM copies
		)
		INSERT INTO mappings (organization_id, account_id, state, itglue_id, itglue_name, origin, mapped_at, active_since, unmatched_code)
		SELECT c.copy, c.target, m.state, m.itglue_id, m.itglue_name, m.origin, m.mapped_at, m.active_since, m.unmatched_code
		FROM copies c JOIN mappings m ON m.organization_id = c.id`, model)
	storetest.Exec(b, db, `INSERT INTO directory (account_id, id, name, name_folded, short_name, type_name, status_name, is_primary)
		SELECT i.account_id, d.id, d.name, d.name_folded, d.short_name, d.type_name, d.status_name, d.is_primary FROM directory d, integrations i
		WHERE d.account_id = $1::uuid AND i.account_id <> $1::uuid`, model)
	storetest.Exec(b, db, `UPDATE integrations SET listed_at = now(), last_synced_at = now()`)
	storetest.Exec(b, db, `UPDATE syncs SET status = 'succeeded', started_at = now(), finished_at = now(), lease_until = NULL
		WHERE finished_at IS NULL`)
	storetest.Exec(b, db, "VACUUM ANALYZE")
}

// midnight makes the present minute the time of day of all accounts' daily syncs.
func midnight(b *testing.B, db *store.Store) (began time.Time) {
	b.Helper()
	began = time.Now().UTC()
	storetest.Exec(b, db, `UPDATE integrations SET daily_enabled = true, daily_time_zone = 'UTC', daily_time = $1,
		next_run_date = $2, next_run_at = $3`, began.Format("15:04"), began.Format(time.DateOnly), began.Truncate(time.Minute))
	return began
}

// checkNight demands that every account had its daily sync exactly once, without any changes.
func checkNight(b *testing.B, db *store.Store) {
	b.Helper()
	mapped := nightOrganizations * 9 / 10
	for what, query := range map[string]string{
		"daily syncs":                           "SELECT count(*) FROM syncs WHERE kind = 'daily'",
		"accounts with a daily sync":            "SELECT count(DISTINCT account_id) FROM syncs WHERE kind = 'daily'",
		"syncs that succeeded":                  fmt.Sprintf("SELECT count(*) FROM syncs WHERE kind = 'daily' AND status = 'succeeded' AND unchanged = %d", mapped),
		"first attempts":                        "SELECT count(*) FROM syncs WHERE kind = 'daily' AND attempt = 0 AND epoch = 1",
		"accounts that are in step":             "SELECT count(*) FROM integrations WHERE last_synced_at > now() - interval '10 minutes' AND attention_code IS NULL",
		"accounts that wait for the next night": "SELECT count(*) FROM integrations WHERE next_run_at > now() AND last_run_date < next_run_date",
	} {
		if n := storetest.Value[int](b, db, query); n != nightAccounts {
			b.Errorf("%s: %d of %d", what, n, nightAccounts)
		}
	}
	if n := storetest.Value[int](b, db, "SELECT count(*) FROM sync_changes c JOIN syncs s ON s.id = c.sync_id WHERE s.kind = 'daily'"); n > 0 {
		b.Errorf("%d changes", n)
	}
}

// visits asks for mappings, at a steady pace however long the answers take, for so long or until it is over. It returns how long the
// answers took.
func visits(b *testing.B, server *e2e.Server, tokens []string, limit time.Duration, over func() bool) (times []time.Duration) {
	b.Helper()
	var mu sync.Mutex
	var under sync.WaitGroup
	pace := time.NewTicker(visitEvery)
	defer pace.Stop()
	const aSecond = int(time.Second / visitEvery)
	for i := 1; i <= int(limit/visitEvery) && (i%aSecond > 0 || !over()); i++ {
		<-pace.C
		c := server.Client(tokens[i%len(tokens)])
		under.Go(func() {
			took := visit(b, c)
			mu.Lock()
			defer mu.Unlock()
			times = append(times, took)
		})
	}
	under.Wait()
	return times
}

func visit(b *testing.B, c e2e.Client) time.Duration {
	b.Helper()
	began := time.Now()
	status, body := c.Do("GET", "/mappings", nil)
	took := time.Since(began)
	if status != http.StatusOK || strings.Count(string(body), `"organization":`) != nightOrganizations {
		b.Errorf("status %d: %s", status, body)
	}
	return took
}

func percentile(times []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[(len(sorted)-1)*p/100]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
