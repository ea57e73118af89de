package orgsync_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// takeoverWithin is how long the work of a lost worker may rest.
const takeoverWithin = 30 * time.Second

// deaf is a store one of whose writes hangs, deaf to its context, and is made in the end all the same.
type deaf struct {
	*store.Store

	at      string
	hangs   chan struct{}
	release chan struct{}
	late    chan error
}

func (d *deaf) write(ctx context.Context, name string, do func(context.Context) error) error {
	if name != d.at {
		return do(ctx)
	}
	close(d.hangs)
	<-d.release
	err := do(context.WithoutCancel(ctx))
	d.late <- err
	return err
}

func (d *deaf) WriteDirectory(ctx context.Context, f orgsync.Fence, entries []integration.DirectoryEntry, gone []string) error {
	return d.write(ctx, "WriteDirectory", func(ctx context.Context) error { return d.Store.WriteDirectory(ctx, f, entries, gone) })
}

func (d *deaf) DirectoryTaken(ctx context.Context, f orgsync.Fence, at time.Time) error {
	return d.write(ctx, "DirectoryTaken", func(ctx context.Context) error { return d.Store.DirectoryTaken(ctx, f, at) })
}

func (d *deaf) ApplyChanges(ctx context.Context, f orgsync.Fence, b orgsync.Batch) error {
	return d.write(ctx, "ApplyChanges", func(ctx context.Context) error { return d.Store.ApplyChanges(ctx, f, b) })
}

func (d *deaf) ApplyUnmatched(ctx context.Context, f orgsync.Fence, updates []orgsync.UnmatchedUpdate) error {
	return d.write(ctx, "ApplyUnmatched", func(ctx context.Context) error { return d.Store.ApplyUnmatched(ctx, f, updates) })
}

func (d *deaf) SettleRemovals(ctx context.Context, f orgsync.Fence, decided []orgsync.Change) error {
	return d.write(ctx, "SettleRemovals", func(ctx context.Context) error { return d.Store.SettleRemovals(ctx, f, decided) })
}

func (d *deaf) FinishSync(ctx context.Context, f orgsync.Fence, o orgsync.Outcome) error {
	return d.write(ctx, "FinishSync", func(ctx context.Context) error { return d.Store.FinishSync(ctx, f, o) })
}

// TestF6LateWriteOfAHungWorkerIsRefused has a worker hang before each kind of write that a sync makes. It ignores that its time is over,
// loses the sync, and goes on while another works on it.
func TestF6LateWriteOfAHungWorkerIsRefused(t *testing.T) {
	t.Parallel()
	for engine, fresh := range map[string]func(testing.TB) *store.Store{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			for _, at := range []string{
				"WriteDirectory", "DirectoryTaken", "ApplyChanges", "ApplyUnmatched", "FinishSync", "SettleRemovals",
			} {
				t.Run(at, func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, fresh(t), storetest.Now)
					w.losesToAnother(at, w.everythingToDo(at == "SettleRemovals"))
				})
			}
		})
	}
}

// everythingToDo starts a sync that has every kind of change to make, or one whose removals were released.
func (w *world) everythingToDo(release bool) orgsync.Sync {
	w.t.Helper()
	theirs := w.theirs("Acme", "Bolt", "Crane", "Delta", "Echo", "Twin")
	w.ours("Acme", "Bolt", "Crane", "Delta", "Echo", "Twin")
	w.connect()
	every := integration.EverySync
	_, err := w.integrations.Change(w.t.Context(), w.accountID, integration.Change{AutoMap: &every}, w.token)
	w.ok(err)
	w.itglue.Rename(theirs[0], "Acme Inc.")
	w.itglue.Delete(theirs[1])
	w.theirs("New", "Foxtrot", "Foxtrot")
	w.ours("New", "Foxtrot")
	if !release {
		return w.start(orgsync.Manual)
	}
	w.itglue.Delete(theirs[2])
	return w.release(w.sync(orgsync.Manual))
}

func (w *world) losesToAnother(at string, s orgsync.Sync) {
	w.t.Helper()
	d := &deaf{Store: w.store, at: at, hangs: make(chan struct{}), release: make(chan struct{}), late: make(chan error, 1)}
	config := w.runner.RunnerConfig
	config.Syncs, config.State, config.Releases = d, d, d
	config.Lease, config.Deadline = 600*time.Millisecond, 2*time.Second
	hung := make(chan error, 1)
	go func() { hung <- orgsync.NewRunner(config).Run(w.t.Context(), fence(s)) }()
	select {
	case <-d.hangs:
	case err := <-hung:
		w.t.Fatalf("the worker came to its end: %v", err)
	}

	w.takenOver(config.Deadline)
	another, err := w.store.ClaimSync(w.t.Context(), fence(w.read(s)), time.Minute)
	w.ok(err)
	before := w.traces(s)
	close(d.release)
	if err := <-d.late; !errs.Is(err, errs.Fenced) {
		w.t.Errorf("the late write: %v", err)
	}
	if err := <-hung; err != nil {
		w.t.Errorf("the worker: %v", err)
	}
	if after := w.traces(s); after != before {
		w.t.Errorf("the late write changed something:\n%s\n%s", before, after)
	}
	_, err = w.store.RequeueSync(w.t.Context(), fence(another), 0, nil)
	w.ok(err)
	if s = w.run(w.read(s)); s.Status != orgsync.Succeeded {
		w.t.Errorf("the sync is %s, %+v", s.Status, s.Failure)
	}
}

// takenOver waits until the sweep takes a sync over, for as long as the work of a lost worker may rest after a time.
func (w *world) takenOver(after time.Duration) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), after+takeoverWithin)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		n, err := w.store.TakeOverSyncs(ctx)
		w.ok(err)
		if n > 0 {
			return
		}
		<-ticker.C
	}
}

// traces is everything that a sync can leave behind, times apart.
func (w *world) traces(s orgsync.Sync) string {
	w.t.Helper()
	number := func(query string) int { return storetest.Value[int](w.t, w.store, query) }
	text := func(query string) string { return storetest.Value[string](w.t, w.store, query) }
	s = w.read(s)
	return fmt.Sprintf("%s %d %+v %q, %d events, %d directory entries, %s, %s", s.Status, s.Epoch, s.Counts, w.changes(s),
		number("SELECT count(*) FROM events"), number("SELECT count(*) FROM directory"),
		text("SELECT string_agg(name, ',') FROM (SELECT name FROM organizations ORDER BY id) o"),
		text("SELECT string_agg(state || coalesce(itglue_id, '-'), ',') FROM (SELECT state, itglue_id FROM mappings ORDER BY organization_id) m"))
}

// broken is a store that panics, once, where it is asked to.
type broken struct {
	*store.Store

	apply bool
	beat  chan struct{} // closed when it panics
	once  sync.Once
}

func (b *broken) ApplyChanges(ctx context.Context, f orgsync.Fence, batch orgsync.Batch) error {
	if b.apply {
		panic("broken")
	}
	return b.Store.ApplyChanges(ctx, f, batch)
}

func (b *broken) Heartbeat(ctx context.Context, f orgsync.Fence, lease time.Duration, p orgsync.Progress) error {
	if b.beat != nil {
		b.once.Do(func() { close(b.beat) })
		panic("broken")
	}
	return b.Store.Heartbeat(ctx, f, lease, p)
}

func TestF4PanicInASyncIsRecordedAndTriedAgain(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		s := w.everythingToDo(false)
		config := w.runner.RunnerConfig
		config.State = &broken{Store: w.store, apply: true}
		w.ok(orgsync.NewRunner(config).Run(w.t.Context(), fence(s)))
		if s = w.read(s); s.Status != orgsync.Queued || s.Attempt != 1 || s.Failure == nil || s.Failure.Code != errs.Internal {
			w.t.Fatalf("after the panic: %+v, %+v", s, s.Failure)
		}
		if s = w.run(s); s.Status != orgsync.Succeeded || s.Failure != nil {
			w.t.Errorf("the sync is %s, %+v", s.Status, s.Failure)
		}
	})
}

func TestF4PanicInAHeartbeatEndsThatRunAlone(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		s := w.everythingToDo(false)
		config := w.runner.RunnerConfig
		config.Lease = 30 * time.Millisecond
		d := &deaf{Store: w.store, at: "WriteDirectory", hangs: make(chan struct{}), release: make(chan struct{}), late: make(chan error, 1)}
		panicked := make(chan struct{})
		config.Syncs, config.State = &broken{Store: w.store, beat: panicked}, d
		hung := make(chan error, 1)
		go func() { hung <- orgsync.NewRunner(config).Run(w.t.Context(), fence(s)) }()
		select {
		case <-d.hangs:
			<-panicked // beside the work
			close(d.release)
			w.ok(<-hung)
		case err := <-hung: // it was earlier
			w.ok(err)
		}
		s = w.read(s)
		if s.Status != orgsync.Queued || s.Failure == nil || s.Failure.Code != errs.Internal {
			w.t.Fatalf("after the panic: %+v, %+v", s, s.Failure)
		}
		if s = w.run(s); s.Status != orgsync.Succeeded {
			w.t.Errorf("the sync is %s, %+v", s.Status, s.Failure)
		}
	})
}
