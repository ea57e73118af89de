package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/orgbridge/orgbridge/internal/idempotency"
	"github.com/orgbridge/orgbridge/internal/jobs"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

const patience = 30 * time.Second

// onEachEngine runs the test with a fresh database of each engine, which has River's tables.
func onEachEngine(t *testing.T, test func(t *testing.T, db *store.Store)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		if err := db.Migrate(t.Context(), newJobs(t, db, jobs.Config{}).Migrate); err != nil {
			t.Fatal(err)
		}
		test(t, db)
	})
}

func newJobs(t *testing.T, db *store.Store, c jobs.Config) *jobs.Jobs {
	t.Helper()
	c.Pool, c.SQLite = db.PostgresPool(), db.SQLite()
	if c.Workers && c.Sweeps == nil {
		c.Sweeps = &sweeps{}
	}
	if c.Workers && c.Nights == nil {
		c.Nights = &nights{}
	}
	c.SweepInterval = time.Second
	j, err := jobs.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// start starts jobs that are stopped, at the latest, at the end of the test.
func start(t *testing.T, db *store.Store, c jobs.Config) *jobs.Jobs {
	t.Helper()
	c.Workers = true
	j := newJobs(t, db, c)
	if err := j.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, j) })
	return j
}

func stop(t *testing.T, j *jobs.Jobs) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	if err := j.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// recorder is a runner that tells of every run and then does what run says, if anything.
type recorder struct {
	runs chan orgsync.Fence
	run  func(ctx context.Context) error
}

func newRecorder() *recorder { return &recorder{runs: make(chan orgsync.Fence, 100)} }

func (r *recorder) Run(ctx context.Context, f orgsync.Fence) error {
	r.runs <- f
	if r.run == nil {
		return nil
	}
	return r.run(ctx)
}

func (r *recorder) next(t *testing.T) orgsync.Fence {
	t.Helper()
	select {
	case f := <-r.runs:
		return f
	case <-time.After(patience):
		t.Fatal("no sync was run")
		return orgsync.Fence{}
	}
}

// sweeps is a store in which the given syncs are always due.
type sweeps struct {
	mu        sync.Mutex
	due       []orgsync.Waiting
	takenOver int
}

func due(fences ...orgsync.Fence) []orgsync.Waiting {
	waiting := make([]orgsync.Waiting, len(fences))
	for i, f := range fences {
		waiting[i] = orgsync.Waiting{Fence: f}
	}
	return waiting
}

func (s *sweeps) TakeOverSyncs(context.Context) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takenOver++
	return 0, nil
}

func (s *sweeps) DueSyncs(_ context.Context, limit int) ([]orgsync.Waiting, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.due[:min(limit, len(s.due))], nil
}

// nights has accounts whose syncs begin when they are asked for.
type nights struct {
	mu  sync.Mutex
	due []string
}

func (n *nights) Due(context.Context) ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.due), nil
}

func (n *nights) Start(_ context.Context, accountIDs []string) (started []orgsync.Fence) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, id := range accountIDs {
		if i := slices.Index(n.due, id); i >= 0 {
			n.due = slices.Delete(n.due, i, i+1)
			started = append(started, orgsync.Fence{AccountID: id, SyncID: uuid.NewString(), Epoch: 1})
		}
	}
	return started
}

func newFence() orgsync.Fence {
	return orgsync.Fence{AccountID: uuid.NewString(), SyncID: uuid.NewString(), Epoch: 1}
}

func enqueue(t *testing.T, j *jobs.Jobs, f orgsync.Fence) {
	t.Helper()
	if err := j.StartSoon(t.Context(), f.AccountID, f.SyncID, f.Epoch); err != nil {
		t.Fatal(err)
	}
}

func TestMain(m *testing.M) {
	code := storetest.Main(m)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func TestEnqueuedSyncStartsSoon(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		runner := newRecorder()
		j := start(t, db, jobs.Config{Sync: runner})
		for range 5 {
			want, began := newFence(), time.Now()
			enqueue(t, j, want)
			if got := runner.next(t); got != want {
				t.Fatalf("ran %v instead of %v", got, want)
			}
			t.Logf("started after %s", time.Since(began))
		}
	})
}

func TestSameFenceTwiceIsOneJob(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		// A client that only enqueues runs nothing, even when it is started.
		other := newJobs(t, db, jobs.Config{})
		if err := other.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer stop(t, other)
		twice, taken, last := newFence(), newFence(), newFence()
		enqueue(t, other, twice)
		enqueue(t, other, twice)
		enqueue(t, other, taken)
		taken.Epoch++
		enqueue(t, other, taken)
		enqueue(t, other, last)

		runner := newRecorder()
		start(t, db, jobs.Config{Sync: runner, MaxWorkers: 1})
		seen := map[orgsync.Fence]int{}
		for f := runner.next(t); f != last; f = runner.next(t) {
			seen[f]++
		}
		if seen[twice] != 1 || len(seen) != 3 {
			t.Errorf("ran %v", seen)
		}
	})
}

func TestSweepEnqueuesWhatIsDue(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		runner, found := newRecorder(), &sweeps{due: due(newFence())}
		start(t, db, jobs.Config{Sync: runner, Sweeps: found})
		// It stays due here, so it comes again: also a job that ended without doing its work is replaced.
		for range 2 {
			if got := runner.next(t); got != found.due[0].Fence {
				t.Errorf("ran %v", got)
			}
		}
		found.mu.Lock()
		defer found.mu.Unlock()
		if found.takenOver == 0 {
			t.Error("the sweep took nothing over")
		}
	})
}

func accounts(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = uuid.NewString()
	}
	return ids
}

func TestSweepBeginsTheNightOnce(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		runner, due := newRecorder(), accounts(60)
		start(t, db, jobs.Config{Sync: runner, Nights: &nights{due: slices.Clone(due)}})
		ran := map[string]bool{}
		for range due {
			ran[runner.next(t).AccountID] = true
		}
		for _, id := range due {
			if !ran[id] {
				t.Errorf("account %s had no sync", id)
			}
		}
		select {
		case f := <-runner.runs:
			t.Errorf("ran %v besides", f)
		default:
		}
	})
}

// TestF37PeopleDoNotWaitForANightThatHangs has daily syncs that do not come to an end, and more waiting.
func TestF37PeopleDoNotWaitForANightThatHangs(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		asked, night := newFence(), accounts(20)
		began := make(chan orgsync.Fence, len(night)+1)
		runner := runs(func(ctx context.Context, f orgsync.Fence) error {
			began <- f
			if slices.Contains(night, f.AccountID) {
				<-ctx.Done()
			}
			return nil
		})
		j := start(t, db, jobs.Config{Sync: runner, Nights: &nights{due: slices.Clone(night)}})
		<-began
		enqueue(t, j, asked)
		for n := 1; ; n++ {
			if n == len(night) {
				t.Fatal("the whole night came first")
			}
			select {
			case f := <-began:
				if f == asked {
					return
				}
			case <-time.After(patience):
				t.Fatal("a person's sync did not begin")
			}
		}
	})
}

// TestNightWaitsForAFullHouse has so many syncs waiting that there is no room for more.
func TestNightWaitsForAFullHouse(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		house, night := &sweeps{due: make([]orgsync.Waiting, 600)}, &nights{due: accounts(3)}
		for i := range house.due {
			house.due[i].Fence = newFence()
		}
		start(t, db, jobs.Config{Sync: runs(func(context.Context, orgsync.Fence) error { return nil }), Sweeps: house, Nights: night})
		swept := func() int {
			house.mu.Lock()
			defer house.mu.Unlock()
			return house.takenOver
		}
		waits := func() int {
			night.mu.Lock()
			defer night.mu.Unlock()
			return len(night.due)
		}
		eventually(t, "two sweeps", func() bool { return swept() > 2 })
		if waits() != 3 {
			t.Error("syncs of the night began in a full house")
		}
		house.mu.Lock()
		house.due = house.due[:100]
		house.mu.Unlock()
		eventually(t, "the night", func() bool { return waits() == 0 })
	})
}

// runs is a runner that does what the function does.
type runs func(ctx context.Context, f orgsync.Fence) error

func (r runs) Run(ctx context.Context, f orgsync.Fence) error { return r(ctx, f) }

func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(patience); !yes(); {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestSweepTakesOverWhatLostItsOwner(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		fence := storetest.Connect(t, db, storetest.Account(t, db))
		if _, err := db.ClaimSync(t.Context(), fence, time.Millisecond); err != nil {
			t.Fatal(err)
		}
		runner := newRecorder()
		start(t, db, jobs.Config{Sync: runner, Sweeps: db})
		want := fence
		want.Epoch++
		if got := runner.next(t); got != want {
			t.Errorf("ran %v instead of %v", got, want)
		}
	})
}

func TestFailedJobIsLeftToTheSweep(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		for name, fail := range map[string]func(context.Context) error{
			"error": func(context.Context) error { return errors.New("the database is away") },
			"panic": func(context.Context) error { panic("poison") },
		} {
			log := &syncBuffer{}
			runner, found := newRecorder(), &sweeps{}
			runner.run = fail
			j := start(t, db, jobs.Config{Sync: runner, Sweeps: found, Logger: slog.New(slog.NewTextHandler(log, nil))})
			failing, next := newFence(), newFence()
			enqueue(t, j, failing)
			runner.next(t)
			enqueue(t, j, next)
			if got := runner.next(t); got != next {
				t.Errorf("after a job with %s came %v", name, got)
			}
			found.mu.Lock()
			found.due = due(failing)
			found.mu.Unlock()
			if got := runner.next(t); got != failing {
				t.Errorf("after a job with %s the sweep brought %v", name, got)
			}
			stop(t, j)
			if !bytes.Contains(log.bytes(), []byte("level=ERROR")) {
				t.Errorf("a job with %s was not logged", name)
			}
		}
	})
}

// TestLostJobIsReplaced has a job run by a node that hangs, while the sync is still queued as far as the table of syncs says.
func TestLostJobIsReplaced(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		lost := newFence()
		hanging := newRecorder()
		hanging.run = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		// Both have the same to sweep: either may be the one that does.
		found, later := &sweeps{due: due(lost)}, func() time.Time { return time.Now().Add(time.Minute) }
		first := start(t, db, jobs.Config{Sync: hanging, MaxWorkers: 1, Sweeps: found, Now: later})
		enqueue(t, first, lost)
		hanging.next(t)

		runner := newRecorder()
		start(t, db, jobs.Config{Sync: runner, Sweeps: found, Now: later})
		if got := runner.next(t); got != lost {
			t.Errorf("ran %v", got)
		}
	})
}

func TestStopCancelsAndWaits(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		runner, returned := newRecorder(), make(chan struct{})
		runner.run = func(ctx context.Context) error {
			<-ctx.Done()
			close(returned)
			return nil
		}
		j := start(t, db, jobs.Config{Sync: runner})
		enqueue(t, j, newFence())
		runner.next(t)
		stop(t, j)
		select {
		case <-returned:
		default:
			t.Error("the job had not returned")
		}
		stop(t, j) // again is nothing
	})
}

func TestStopDoesNotWaitForever(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		runner, release := newRecorder(), make(chan struct{})
		runner.run = func(context.Context) error {
			<-release
			return nil
		}
		j := start(t, db, jobs.Config{Sync: runner})
		enqueue(t, j, newFence())
		runner.next(t)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := j.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stop: %v", err)
		}
		close(release)
	})
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	db, err := store.Open(t.Context(), storetest.SQLiteURL(t), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, c := range map[string]jobs.Config{
		"no database":           {},
		"workers without work":  {SQLite: db.SQLite(), Workers: true},
		"sweeping all the time": {SQLite: db.SQLite(), SweepInterval: time.Millisecond},
	} {
		if _, err := jobs.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.buf.Bytes())
}

func TestSweepForgetsExpiredKeys(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		account := storetest.Account(t, db)
		if _, err := db.ClaimKey(t.Context(), account, idempotency.NewRequest("k")); err != nil {
			t.Fatal(err)
		}
		storetest.Exec(t, db, "UPDATE idempotency_keys SET expires_at = '2000-01-01 00:00:00+00:00'")
		start(t, db, jobs.Config{Sync: runs(func(context.Context, orgsync.Fence) error { return nil }), Keys: db})
		eventually(t, "the sweep", func() bool { return storetest.Value[int](t, db, "SELECT count(*) FROM idempotency_keys") == 0 })
	})
}
