package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// The bars that the benchmarks hold. Times are compared within one run, because machines differ; only the start has a time of its own.
const (
	maxTimesFloor = 3.0
	maxPeakMiB    = 256.0
	maxPageRatio  = 1.3
	maxStart      = 300 * time.Millisecond
)

func eachEngine(b *testing.B, run func(b *testing.B, s *e2e.Site), size int) {
	b.Helper()
	directory := directoryFile(b, size)
	for engine, url := range map[string]func(testing.TB) string{"sqlite": storetest.SQLiteURL, "postgres": storetest.PostgresURL} {
		b.Run(engine, func(b *testing.B) { run(b, e2e.NewSite(b, url(b), "--organizations-file", directory)) })
	}
}

// directoryFile is an IT Glue of so many organizations. Nine of ten have the names that storetest gives to ours.
func directoryFile(b *testing.B, size int) string {
	b.Helper()
	type organization struct {
		Name string `json:"name"`
	}
	organizations := make([]organization, size)
	for i := range organizations {
		organizations[i].Name = fmt.Sprintf("Organization %d", i+1)
		if i%10 == 9 {
			organizations[i].Name = fmt.Sprintf("Company %d", i+1)
		}
	}
	text, err := json.Marshal(organizations)
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(b.TempDir(), "directory.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		b.Fatal(err)
	}
	return file
}

// largeAccount makes an account with so many organizations and returns its admin token.
func largeAccount(b *testing.B, s *e2e.Site, size int) (token string) {
	b.Helper()
	account := s.CLI("account", "create", "Large")
	db := storetest.Open(b, s.Database, store.Options{})
	storetest.Organizations(b, db, account, size)
	return s.CLI("token", "create", "--account", account, "--role", "admin", "--name", "bench")
}

// BenchmarkNoChangeSync counts what a sync without changes of 10,000 organizations costs at IT Glue.
func BenchmarkNoChangeSync(b *testing.B) {
	const size, want = 10_000, 10
	eachEngine(b, func(b *testing.B, s *e2e.Site) {
		b.Helper()
		token := largeAccount(b, s, size)
		server := s.Serve()
		c := server.Client(token)
		c.Ended(c.Connect().ID)
		requests := 0
		for b.Loop() {
			s.ForgetCalls()
			if _, changes := c.RunSync("manual"); len(changes) > 0 {
				b.Fatalf("%d changes", len(changes))
			}
			requests = s.Calls().Count
		}
		b.ReportMetric(float64(requests), "requests/sync")
		if requests != want {
			b.Errorf("%d requests, want %d", requests, want)
		}
		e2e.Terminated(b, server)
	}, size)
}

// BenchmarkLargeAccount is the initial sync of 100,000 organizations against as many, and then the list of their mappings. The floor
// is what nothing can save: fetching and decoding all pages, and one bulk upsert of the same rows.
func BenchmarkLargeAccount(b *testing.B) {
	const size = 100_000
	eachEngine(b, func(b *testing.B, s *e2e.Site) {
		b.Helper()
		for b.Loop() {
			before := measureFloor(b, s)
			token := largeAccount(b, s, size)
			server := s.Serve()
			c := server.Client(token)
			run := ended(b, c, c.Connect().ID)
			took := run.FinishedAt.Sub(run.CreatedAt)
			if run.Counts.Mapped != size*9/10 {
				b.Fatalf("counts %+v", run.Counts)
			}
			floor := (before + measureFloor(b, s)) / 2 // before and after, because the machine does other things too
			b.ReportMetric(floor.Seconds(), "floor-s")
			b.ReportMetric(took.Seconds(), "sync-s")
			bar(b, took.Seconds()/floor.Seconds(), maxTimesFloor, "times-floor")
			bar(b, peakMiB(b, server), maxPeakMiB, "sync-peak-MiB")
			first, last := measurePages(b, c)
			b.ReportMetric(float64(first.Microseconds())/1000, "page-1-ms")
			b.ReportMetric(float64(last.Microseconds())/1000, "page-1000-ms")
			bar(b, last.Seconds()/first.Seconds(), maxPageRatio, "page-ratio")
			e2e.Terminated(b, server)
		}
	}, size)
}

type timedSync struct {
	e2e.SyncView

	CreatedAt, FinishedAt time.Time
}

// ended waits for the end of a sync as a client would, by reading that one sync. It asks seldom, because on SQLite a question waits for
// the same connection.
func ended(b *testing.B, c e2e.Client, id string) timedSync {
	b.Helper()
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for range ticker.C {
		if run := e2e.Call[timedSync](c, "GET", "/syncs/"+id, nil, http.StatusOK); !run.FinishedAt.IsZero() {
			return run
		}
	}
	return timedSync{}
}

// bar reports a figure and fails when it is over its bar.
func bar(b *testing.B, figure, limit float64, unit string) {
	b.Helper()
	b.ReportMetric(figure, unit)
	if figure > limit {
		b.Errorf("%.2f %s, want at most %.2f", figure, unit, limit)
	}
}

func measureFloor(b *testing.B, s *e2e.Site) time.Duration {
	b.Helper()
	url := storetest.PostgresURL
	if s.OnSQLite() {
		url = storetest.SQLiteURL
	}
	db := storetest.Open(b, url(b), store.Options{})
	account := storetest.Account(b, db)
	client, err := itglue.New(itglue.Config{BaseURL: s.Sim.Base, APIKey: e2e.SimKey})
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	var entries []integration.DirectoryEntry
	for page, err := range client.OrganizationPages(b.Context()) {
		if err != nil {
			b.Fatal(err)
		}
		for _, o := range page.Organizations {
			entries = append(entries, integration.Entry(o))
		}
	}
	storetest.UpsertDirectory(b, db, account, entries)
	return time.Since(began)
}

// peakMiB is the most memory that a process has had so far.
func peakMiB(b *testing.B, s *e2e.Server) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Cmd.Process.Pid))
	if err != nil {
		b.Fatalf("peak memory is read from /proc: %v", err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return kib / 1024
}

// measurePages returns how long the first and the thousandth page of mappings take, each the median of requests made in turn.
func measurePages(b *testing.B, c e2e.Client) (first, last time.Duration) {
	b.Helper()
	const firstPage = "/mappings?limit=100"
	cursor := ""
	for range 999 {
		cursor = "&cursor=" + e2e.Call[e2e.ListView[e2e.RowView]](c, "GET", firstPage+cursor, nil, http.StatusOK).NextCursor
	}
	const rounds = 101
	var times [2][]time.Duration
	for range rounds {
		for i, path := range []string{firstPage, firstPage + cursor} {
			began := time.Now()
			status, body := c.Do("GET", path, nil)
			times[i] = append(times[i], time.Since(began))
			if status != http.StatusOK || strings.Count(string(body), `"organization":`) != 100 {
				b.Fatalf("page of status %d", status)
			}
		}
	}
	for i := range times {
		slices.Sort(times[i])
	}
	return times[0][rounds/2], times[1][rounds/2]
}

// BenchmarkStart is the time from the start of "serve" on an existing SQLite file until it is ready.
func BenchmarkStart(b *testing.B) {
	s := e2e.NewSite(b, storetest.SQLiteURL(b))
	s.NewAccount()
	var times []time.Duration
	for b.Loop() {
		began := time.Now()
		server := s.Serve()
		ready := e2e.Client{T: b, Base: server.Address}
		e2e.Eventually(b, e2e.Patience, "readiness", func() bool {
			status, _ := ready.Do("GET", "/readyz", nil)
			return status == http.StatusOK
		})
		times = append(times, time.Since(began))
		e2e.Terminated(b, server)
	}
	slices.Sort(times)
	median := times[len(times)/2]
	bar(b, float64(median.Milliseconds()), float64(maxStart.Milliseconds()), "ready-ms")
}
