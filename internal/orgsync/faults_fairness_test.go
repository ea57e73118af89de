package orgsync_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/jobs"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

const (
	fleetSize    = 50
	maxSlowdown  = 1.1
	fleetRounds  = 3 // of each kind, before the two kinds are compared
	fleetMeasure = 5 // times that they are compared at most; a real difference shows every time
)

// fleet is many accounts with an IT Glue each, worked for by one process.
type fleet struct {
	t      *testing.T
	store  *store.Store
	worlds []*world
	of     map[string]*world
	jobs   *jobs.Jobs
}

// Client makes the fleet the connections of its runner.
func (f *fleet) Client(ctx context.Context, accountID string) (*itglue.Client, integration.Integration, error) {
	return f.of[accountID].integrations.Client(ctx, accountID)
}

func newFleet(t *testing.T, s *store.Store, size int) *fleet {
	t.Helper()
	f := &fleet{t: t, store: s, of: map[string]*world{}}
	for i := range size {
		w := newWorld(t, s, storetest.Now)
		names := []string{fmt.Sprintf("A%d", i), fmt.Sprintf("B%d", i), fmt.Sprintf("C%d", i)}
		w.theirs(names...)
		w.ours(names...)
		w.connect()
		f.worlds, f.of[w.accountID] = append(f.worlds, w), w
	}
	logger := slog.New(slog.DiscardHandler)
	runner := orgsync.NewRunner(orgsync.RunnerConfig{Syncs: s, State: s, Releases: s, Connections: f, Now: storetest.Now, Logger: logger})
	var err error
	f.jobs, err = jobs.New(jobs.Config{
		Pool: s.PostgresPool(), SQLite: s.SQLite(), Workers: true, Sync: runner, Sweeps: s, Nights: orgsync.NewNights(s, logger),
	})
	f.ok(err)
	f.ok(f.jobs.Migrate(t.Context()))
	f.ok(f.jobs.Start(t.Context()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		f.ok(f.jobs.Stop(ctx))
	})
	return f
}

func (f *fleet) ok(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// round has all accounts sync at once, those of the troubled first, and returns how long each of the watched took.
func (f *fleet) round(watched []*world) (took []time.Duration) {
	f.t.Helper()
	began := time.Now()
	started := map[*world]orgsync.Sync{}
	for _, w := range f.worlds {
		s := w.start(orgsync.Manual)
		started[w] = s
		f.ok(f.jobs.StartSoon(f.t.Context(), w.accountID, s.ID, s.Epoch))
	}
	for _, w := range watched {
		s := started[w]
		eventually(f.t, "sync of an account without trouble", func() bool { s = w.read(s); return s.Status.Final() })
		if s.Status != orgsync.Succeeded {
			f.t.Fatalf("the sync of an account without trouble is %s: %+v", s.Status, s.Failure)
		}
		took = append(took, s.FinishedAt.Sub(began))
	}
	for _, w := range f.worlds {
		if s := w.read(started[w]); !s.Status.Final() {
			_, err := f.store.CancelSync(f.t.Context(), w.accountID, s.ID, w.token)
			f.ok(err)
		}
	}
	return took
}

func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(time.Minute); !yes(); {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("waited in vain for a %s", what)
		}
	}
}

// troubles are the ways of an IT Glue to be bad.
func troubles() map[string]itgluetest.Fault {
	return map[string]itgluetest.Fault{
		"hangs":          {Kind: itgluetest.FaultDelay, Delay: time.Hour},
		"drips":          {Kind: itgluetest.FaultSlowBody, BytesPerSecond: 1},
		"unavailable":    {Kind: itgluetest.FaultStatus, Status: http.StatusServiceUnavailable},
		"firewall":       {Kind: itgluetest.FaultStatus, Status: http.StatusForbidden, Style: itgluetest.BodyHTML},
		"limited":        itgluetest.RateLimited("600"),
		"breaks off":     {Kind: itgluetest.FaultDrop},
		"rubbish":        {Kind: itgluetest.FaultHTML},
		"announces more": {Kind: itgluetest.FaultTotalCount, Count: 1},
		"key revoked":    {Kind: itgluetest.FaultStatus, Status: http.StatusUnauthorized},
		"endless":        {Kind: itgluetest.FaultEndlessBody},
	}
}

// TestF20TroubledAccountsDelayNoOther compares how long accounts without trouble wait for their syncs, while 5 of 50 are in trouble of all
// kinds and while none is.
func TestF20TroubledAccountsDelayNoOther(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		f := newFleet(t, s, fleetSize)
		kinds := troubles()
		names := []string{"hangs", "drips", "unavailable", "firewall", "limited"}
		var with, without []time.Duration
		ratio := 0.0
		for range fleetMeasure {
			for range fleetRounds {
				without = append(without, f.round(f.worlds[len(names):])...)
				for i, name := range names {
					f.worlds[i].itglue.Inject(kinds[name])
				}
				with = append(with, f.round(f.worlds[len(names):])...)
				for i := range names {
					f.worlds[i].itglue.ClearFaults()
					f.worlds[i].redial()
				}
			}
			ratio = median(with).Seconds() / median(without).Seconds()
			if ratio <= maxSlowdown {
				break
			}
		}
		t.Logf("median %s with trouble elsewhere, %s without: ratio %.2f", median(with), median(without), ratio)
		if ratio > maxSlowdown {
			t.Errorf("troubled accounts delay the others by a factor of %.2f, more than %.2f", ratio, maxSlowdown)
		}
	})
}

// TestF20HangingAccountsTakeNoWorkerFromOthers has more accounts hang than a process with two processors would run at once.
func TestF20HangingAccountsTakeNoWorkerFromOthers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		const hanging = 30
		f := newFleet(t, s, hanging+5)
		for _, w := range f.worlds[:hanging] {
			w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultDelay, Delay: time.Hour})
		}
		f.round(f.worlds[hanging:]) // ends although none of the others does
	})
}

func median(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[len(sorted)/2]
}
