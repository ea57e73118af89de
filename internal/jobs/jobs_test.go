package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

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
	due       []orgsync.Fence
	takenOver int
}

func (s *sweeps) TakeOverSyncs(context.Context) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takenOver++
	return 0, nil
}

func (s *sweeps) DueSyncs(context.Context, int) ([]orgsync.Fence, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.due, nil
}

func newFence() orgsync.Fence {
	return orgsync.Fence{AccountID: uuid.NewString(), SyncID: uuid.NewString(), Epoch: 1}
}

func enqueue(t *testing.T, j *jobs.Jobs, f orgsync.Fence, at time.Time) {
	t.Helper()
	if err := j.EnqueueSync(t.Context(), f, at); err != nil {
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
			enqueue(t, j, want, time.Now())
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
		enqueue(t, other, twice, time.Now())
		enqueue(t, other, twice, time.Now())
		enqueue(t, other, taken, time.Now())
		taken.Epoch++
		enqueue(t, other, taken, time.Now())
		enqueue(t, other, last, time.Now())

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

func TestSyncForLaterWaits(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		runner := newRecorder()
		j := start(t, db, jobs.Config{Sync: runner})
		later, now := newFence(), newFence()
		enqueue(t, j, later, time.Now().Add(time.Hour))
		enqueue(t, j, now, time.Now())
		if got := runner.next(t); got != now {
			t.Errorf("ran %v", got)
		}
	})
}

func TestSweepEnqueuesWhatIsDue(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		runner, found := newRecorder(), &sweeps{due: []orgsync.Fence{newFence()}}
		start(t, db, jobs.Config{Sync: runner, Sweeps: found})
		// It stays due here, so it comes again: also a job that ended without doing its work is replaced.
		for range 2 {
			if got := runner.next(t); got != found.due[0] {
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
			enqueue(t, j, failing, time.Now())
			runner.next(t)
			enqueue(t, j, next, time.Now())
			if got := runner.next(t); got != next {
				t.Errorf("after a job with %s came %v", name, got)
			}
			found.mu.Lock()
			found.due = []orgsync.Fence{failing}
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
		first := start(t, db, jobs.Config{Sync: hanging, MaxWorkers: 1})
		enqueue(t, first, lost, time.Now())
		hanging.next(t)

		runner := newRecorder()
		start(t, db, jobs.Config{
			Sync: runner, Sweeps: &sweeps{due: []orgsync.Fence{lost}},
			Now: func() time.Time { return time.Now().Add(time.Minute) },
		})
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
		enqueue(t, j, newFence(), time.Now())
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
		enqueue(t, j, newFence(), time.Now())
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
