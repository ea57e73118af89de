package orgsync_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/faulttest"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// The nights that are simulated: of a zone with each kind of change of its clocks that there is, and one with none. Time is simulated, the
// store is real.
var (
	nightZones = map[string]string{
		"America/New_York":    "00:00",
		"America/Havana":      "00:30", // which does not exist once a year, and exists twice once
		"Australia/Lord_Howe": "02:00", // whose clocks change by half an hour
		"Asia/Kathmandu":      "23:59",
	}
	twoZones = map[string]string{"America/New_York": "00:00", "America/Havana": "00:30"}
)

func TestF35EveryNightOfAYearHasItsSync(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Helper()
		simulateNights(t, url, twoZones, 366)
	})
}

// BenchmarkTenYearsOfNights tells how many nights of ten years were missing or doubled.
func BenchmarkTenYearsOfNights(b *testing.B) {
	for engine, url := range map[string]func(testing.TB) string{"sqlite": storetest.SQLiteURL, "postgres": storetest.PostgresURL} {
		b.Run(engine, func(b *testing.B) {
			for b.Loop() {
				nights, missing, doubled := simulateNights(b, url(b), nightZones, 3653)
				b.ReportMetric(float64(nights), "nights")
				b.ReportMetric(float64(missing), "missing")
				b.ReportMetric(float64(doubled), "doubled")
			}
		})
	}
}

// simulateNights has one node live through so many days. It sweeps when the next sync is due, mostly a few seconds late, now and then many
// hours. Its clock jumps at times, it is restarted, and it leaves syncs behind that end only with the next sweep.
func simulateNights(tb testing.TB, url string, zones map[string]string, days int) (nights, missing, doubled int) {
	tb.Helper()
	random := rand.New(rand.NewPCG(1, uint64(days)))
	begin := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	c := &clock{at: begin}
	db := storetest.Open(tb, url, store.Options{Now: c.now})
	if db.SQLite() != nil {
		storetest.Exec(tb, db, "PRAGMA synchronous = OFF") // nobody pulls the plug here
	}
	dailyAccounts(tb, db, zones)
	sweepNights(tb, db)
	for begin.AddDate(0, 0, days).After(c.now()) {
		if random.IntN(50) == 0 { // a restart
			if err := db.Close(); err != nil {
				tb.Fatal(err)
			}
			db = storetest.Open(tb, url, store.Options{Now: c.now})
		}
		if random.IntN(20) == 0 {
			c.set(c.now().Add(-time.Duration(random.IntN(6*60)) * time.Minute))
			sweepNights(tb, db)
		}
		if random.IntN(20) == 0 { // ahead, perhaps past midnight, and back
			before := c.now()
			c.set(before.Add(6 * time.Hour))
			sweepNights(tb, db)
			c.set(before)
			sweepNights(tb, db)
		}
		c.set(nextRun(tb, db).Add(lateness(random)))
		sweepNights(tb, db)
		if random.IntN(10) > 0 {
			endSyncs(tb, db)
		}
		sweepNights(tb, db)
		endSyncs(tb, db)
	}
	return countNights(tb, db)
}

func lateness(random *rand.Rand) time.Duration {
	if random.IntN(20) == 0 {
		return time.Duration(random.IntN(11*60)) * time.Minute
	}
	return time.Duration(random.IntN(5000)) * time.Millisecond
}

func dailyAccounts(tb testing.TB, db *store.Store, zones map[string]string) {
	tb.Helper()
	for zone, timeOfDay := range zones {
		id := storetest.Account(tb, db)
		storetest.Connected(tb, db, id)
		storetest.Daily(tb, db, id, zone, timeOfDay)
	}
}

func sweepNights(tb testing.TB, db *store.Store) {
	tb.Helper()
	nights := orgsync.NewNights(db, slog.New(slog.NewTextHandler(tb.Output(), nil)))
	due, err := nights.Due(tb.Context())
	if err != nil {
		tb.Error(err)
	}
	nights.Start(tb.Context(), due)
}

func endSyncs(tb testing.TB, db *store.Store) {
	tb.Helper()
	storetest.Exec(tb, db, "UPDATE syncs SET status = 'succeeded', finished_at = created_at WHERE status = 'queued'")
}

func nextRun(tb testing.TB, db *store.Store) time.Time {
	tb.Helper()
	return storetest.Value[time.Time](tb, db, "SELECT next_run_at FROM integrations ORDER BY next_run_at LIMIT 1")
}

// countNights compares the dates of the syncs with the calendar from the first to the last of each account.
func countNights(tb testing.TB, db *store.Store) (nights, missing, doubled int) {
	tb.Helper()
	const perAccount = `FROM (SELECT integration_id, count(*) AS syncs, count(DISTINCT due_date) AS dates, min(due_date) AS first, max(due_date) AS last
		FROM syncs WHERE kind = 'daily' GROUP BY integration_id) n`
	span := "CAST(last AS date) - CAST(first AS date) + 1"
	if db.SQLite() != nil {
		span = "CAST(julianday(last) - julianday(first) AS integer) + 1"
	}
	nights = storetest.Value[int](tb, db, "SELECT sum(dates) "+perAccount)
	missing = storetest.Value[int](tb, db, "SELECT sum("+span+" - dates) "+perAccount)
	doubled = storetest.Value[int](tb, db, "SELECT sum(syncs - dates) "+perAccount)
	told := storetest.Value[int](tb, db, "SELECT count(*) FROM events WHERE type = 'daily-sync.missed'")
	if missing != 0 || doubled != 0 || told != 0 {
		tb.Errorf("%d nights: %d missing (%d told), %d doubled", nights, missing, told, doubled)
	}
	return nights, missing, doubled
}

// cluster is nodes on one PostgreSQL, each with a clock of its own.
type cluster struct {
	tb     testing.TB
	url    string
	random *rand.Rand
	clocks []clock
	stores []*store.Store
}

func newCluster(tb testing.TB, nodes int, begin time.Time) *cluster {
	tb.Helper()
	separator := "?"
	url := storetest.PostgresURL(tb)
	if strings.Contains(url, "?") {
		separator = "&"
	}
	c := &cluster{
		tb: tb, url: url + separator + "pool_max_conns=4", random: rand.New(rand.NewPCG(2, uint64(nodes))),
		clocks: make([]clock, nodes), stores: make([]*store.Store, nodes),
	}
	for i := range nodes {
		c.clocks[i].set(begin)
		c.start(i)
	}
	return c
}

func (c *cluster) start(node int) {
	c.stores[node] = storetest.Open(c.tb, c.url, store.Options{Now: c.clocks[node].now})
}

func (c *cluster) restart(node int) {
	c.tb.Helper()
	if err := c.stores[node].Close(); err != nil {
		c.tb.Fatal(err)
	}
	c.start(node)
}

// sweep has all nodes sweep at the same moment, each by its own clock, which is wrong by what the test says.
func (c *cluster) sweep(at time.Time, wrong func(node int) time.Duration) {
	c.tb.Helper()
	var all sync.WaitGroup
	for i := range c.stores {
		c.clocks[i].set(at.Add(wrong(i)))
		all.Go(func() { sweepNights(c.tb, c.stores[i]) })
	}
	all.Wait()
}

func inTime(int) time.Duration { return 0 }

// TestF33NodesAtMidnightBeginOneSyncForEachAccount has two and five nodes sweep at the very moment of midnight.
func TestF33NodesAtMidnightBeginOneSyncForEachAccount(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		nights := faulttest.Rounds(20, 200)
		for _, nodes := range []int{2, 5} {
			t.Run(fmt.Sprintf("%d nodes", nodes), func(t *testing.T) {
				t.Parallel()
				c := newCluster(t, nodes, time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC))
				dailyAccounts(t, c.stores[0], twoZones)
				c.sweep(c.clocks[0].now(), inTime)
				for range nights * len(twoZones) {
					c.sweep(nextRun(t, c.stores[0]), inTime)
					endSyncs(t, c.stores[0])
				}
				if n, _, _ := countNights(t, c.stores[0]); n < nights*len(twoZones) {
					t.Errorf("%d nights", n)
				}
			})
		}
	})
}

// TestF36NodesWhoseClocksAreWrongShareTheNights has five nodes through all changes of the clocks of years. They are up to five minutes
// ahead or behind, now and then one by six hours, and they are restarted.
func TestF36NodesWhoseClocksAreWrongShareTheNights(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		const (
			nodes = 5
			apart = 5 * time.Minute
			jump  = 6 * time.Hour
		)
		nights := faulttest.Rounds(60, 3650)
		begin := time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)
		c := newCluster(t, nodes, begin)
		dailyAccounts(t, c.stores[0], map[string]string{"America/New_York": "00:00"})
		c.sweep(begin, inTime)
		wrong := func(int) time.Duration {
			d := time.Duration(c.random.Int64N(int64(2*apart))) - apart
			switch c.random.IntN(50) {
			case 0:
				d += jump
			case 1:
				d -= jump
			}
			return d
		}
		for night := range nights {
			midnight := begin.AddDate(0, 0, night+1).Add(-8 * time.Hour) // 04:00 UTC; in winter an hour before
			if c.random.IntN(10) == 0 {
				c.restart(1 + c.random.IntN(nodes-1))
			}
			for _, step := range []time.Duration{-6 * time.Minute, 0, 55 * time.Minute, time.Hour, 67 * time.Minute} {
				c.sweep(midnight.Add(step), wrong)
				if c.random.IntN(3) > 0 {
					endSyncs(t, c.stores[0])
				}
			}
			endSyncs(t, c.stores[0])
		}
		n, missing, doubled := countNights(t, c.stores[0])
		if n < nights {
			t.Errorf("%d nights", n)
		}
		faulttest.Figuref(t, "simulated nights with 5 nodes / missing / doubled", "%d / %d / %d", n, missing, doubled)
	})
}
