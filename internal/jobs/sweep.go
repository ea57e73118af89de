package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/orgbridge/orgbridge/internal/orgsync"
)

const (
	// The longest waiting syncs come first, so those beyond the limit are found by a later sweep.
	sweepLimit   = 500
	sweepTimeout = 20 * time.Second
)

type sweepArgs struct{}

func (sweepArgs) Kind() string { return "sweep" }

// periodicSweep has the leader sweep at its start and then at every interval. The unique period is half of the interval, so that
// a change of leaders brings no crowd of sweeps, and none is barred by an earlier one that lost its node.
func periodicSweep(interval time.Duration) *river.PeriodicJob {
	opts := &river.InsertOpts{
		Queue:       sweepQueue,
		MaxAttempts: 1, // the next one is near
		UniqueOpts:  river.UniqueOpts{ByPeriod: max(interval/2, time.Second)},
	}
	return river.NewPeriodicJob(
		river.PeriodicInterval(interval),
		func() (river.JobArgs, *river.InsertOpts) { return sweepArgs{}, opts },
		&river.PeriodicJobOpts{RunOnStart: true},
	)
}

type sweepWorker struct {
	river.WorkerDefaults[sweepArgs]

	store   orgsync.SweepStore
	enqueue func(ctx context.Context, f orgsync.Fence) error
}

func (*sweepWorker) Timeout(*river.Job[sweepArgs]) time.Duration { return sweepTimeout }

func (w *sweepWorker) Work(ctx context.Context, _ *river.Job[sweepArgs]) error {
	var failed []error
	if _, err := w.store.TakeOverSyncs(ctx); err != nil {
		failed = append(failed, fmt.Errorf("take over syncs: %w", err))
	}
	due, err := w.store.DueSyncs(ctx, sweepLimit)
	if err != nil {
		failed = append(failed, fmt.Errorf("find due syncs: %w", err))
	}
	for _, f := range due {
		failed = append(failed, w.enqueue(ctx, f))
	}
	return errors.Join(failed...)
}
