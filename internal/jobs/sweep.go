package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"github.com/orgbridge/orgbridge/internal/failpoint"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

const (
	// The longest waiting syncs come first, so those beyond the limit are found by a later sweep.
	sweepLimit   = 500
	sweepTimeout = 20 * time.Second

	// Daily syncs are begun for so long in a sweep, some at a time; the rest is found by the next one.
	startTime  = 2 * time.Second
	startBatch = 25
)

type sweepArgs struct{}

func (sweepArgs) Kind() string { return "sweep" }

// sweepOpts let one sweep be enqueued in half of the interval, so that many nodes bring no crowd of sweeps, and none is barred by an
// earlier one that lost its node.
func sweepOpts(interval time.Duration) *river.InsertOpts {
	return &river.InsertOpts{
		Queue:       sweepQueue,
		MaxAttempts: 1, // the next one is near
		UniqueOpts:  river.UniqueOpts{ByPeriod: max(interval/2, time.Second)},
	}
}

// keepSweeping enqueues a sweep at once and at every interval, until ctx ends. Every node does, and not River's leader: after the database
// was away, it may be a minute until there is one.
func (j *Jobs) keepSweeping(ctx context.Context) {
	ticker := time.NewTicker(j.sweepInterval)
	defer ticker.Stop()
	for {
		if err := j.enqueueSweep(ctx); err != nil && ctx.Err() == nil {
			j.logger.WarnContext(ctx, "sweep not enqueued", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (j *Jobs) enqueueSweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	_, err := j.engine.InsertMany(ctx, []river.InsertManyParams{{Args: sweepArgs{}, InsertOpts: sweepOpts(j.sweepInterval)}})
	return err
}

type sweepWorker struct {
	river.WorkerDefaults[sweepArgs]

	store   orgsync.SweepStore
	nights  Nights
	keys    KeyStore
	enqueue func(ctx context.Context, queue string, syncs []orgsync.Fence) error
}

func (*sweepWorker) Timeout(*river.Job[sweepArgs]) time.Duration { return sweepTimeout }

func (w *sweepWorker) Work(ctx context.Context, _ *river.Job[sweepArgs]) error {
	ctx = failpoint.Mark(ctx, failpoint.Sweep, "")
	var failed []error
	if _, err := w.store.TakeOverSyncs(ctx); err != nil {
		failed = append(failed, fmt.Errorf("take over syncs: %w", err))
	}
	waiting, err := w.enqueueDue(ctx)
	return errors.Join(append(failed, err, w.startNights(ctx, sweepLimit-waiting), w.forgetKeys(ctx))...)
}

func (w *sweepWorker) forgetKeys(ctx context.Context) error {
	if w.keys == nil {
		return nil
	}
	if err := w.keys.ForgetKeys(ctx); err != nil {
		return fmt.Errorf("forget idempotency keys: %w", err)
	}
	return nil
}

// enqueueDue has a job for every sync that waits without one, and says how many wait.
func (w *sweepWorker) enqueueDue(ctx context.Context) (n int, err error) {
	due, err := w.store.DueSyncs(ctx, sweepLimit)
	if err != nil {
		return 0, fmt.Errorf("find due syncs: %w", err)
	}
	waiting := map[string][]orgsync.Fence{}
	for _, s := range due {
		queue := syncQueue
		if s.Patient {
			queue = dailyQueue
		}
		waiting[queue] = append(waiting[queue], s.Fence)
	}
	for queue, syncs := range waiting {
		err = errors.Join(err, w.enqueue(ctx, queue, syncs))
	}
	return len(due), err
}

// startNights begins what is due for the night, as long as there is room and time: no more syncs wait in line than a sweep can look
// after, and an account whose sync has not begun is free for a person's.
func (w *sweepWorker) startNights(ctx context.Context, room int) error {
	if room <= 0 {
		return nil
	}
	due, err := w.nights.Due(ctx)
	if err != nil {
		return fmt.Errorf("find accounts that are due: %w", err)
	}
	began := time.Now()
	for batch := range slices.Chunk(due, startBatch) {
		started := w.nights.Start(ctx, batch[:min(room, len(batch))])
		if err := w.enqueue(ctx, dailyQueue, started); err != nil {
			return err
		}
		if room -= len(started); room <= 0 || time.Since(began) > startTime {
			break
		}
	}
	return nil
}
