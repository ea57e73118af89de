package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/orgbridge/orgbridge/internal/orgsync"
)

const (
	// River's own limit on a sync is far above any that a sync has for itself. It only lets River clear away, some day, the row of
	// a job whose node was killed.
	syncTimeout = 24 * time.Hour

	// A job that has been running for so long without having claimed its sync has lost its node: claiming is the first thing it
	// does. A wrong guess costs one job that finds nothing to claim.
	lostAfter = 10 * time.Second

	// A job is replaced once for each node that was lost with it. More than this many in one go is a fault, not bad luck.
	maxLost = 20
)

// syncArgs names a sync and its owner: ids only. There is one unfinished job for the same values.
type syncArgs struct {
	AccountID string `json:"accountId"`
	SyncID    string `json:"syncId"`
	Epoch     int    `json:"epoch"`
	// InsteadOf is the lost job that this one replaces; without it, the lost one would bar its own replacement.
	InsteadOf int64 `json:"insteadOf,omitempty"`
}

func (syncArgs) Kind() string { return "sync" }

// InsertOpts has a job tried once: what a failed attempt leaves undone is found by the next sweep, which looks at the sync first.
func (syncArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: syncQueue, MaxAttempts: 1, UniqueOpts: river.UniqueOpts{
		ByArgs: true,
		ByState: []rivertype.JobState{
			rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
			rivertype.JobStateRunning, rivertype.JobStateScheduled,
		},
	}}
}

type syncWorker struct {
	river.WorkerDefaults[syncArgs]

	runner Runner
}

func (*syncWorker) Timeout(*river.Job[syncArgs]) time.Duration { return syncTimeout }

func (w *syncWorker) Work(ctx context.Context, job *river.Job[syncArgs]) error {
	return w.runner.Run(ctx, orgsync.Fence{AccountID: job.Args.AccountID, SyncID: job.Args.SyncID, Epoch: job.Args.Epoch})
}

// EnqueueSync has the sync run at the given time, or at once if that has passed. It does nothing when a job for the fence is
// waiting or running. Call it after the sync is committed: a job that comes too early finds nothing to claim.
func (j *Jobs) EnqueueSync(ctx context.Context, f orgsync.Fence, at time.Time) error {
	_, err := j.insertSync(ctx, argsOf(f), at)
	return err
}

// StartSoon is EnqueueSync at once, for callers that know syncs by their ids only.
func (j *Jobs) StartSoon(ctx context.Context, accountID, syncID string, epoch int) error {
	return j.EnqueueSync(ctx, orgsync.Fence{AccountID: accountID, SyncID: syncID, Epoch: epoch}, time.Time{})
}

// enqueueDue enqueues a sync that was seen waiting without an owner. Unlike EnqueueSync it replaces a job that was lost between
// being fetched and claiming the sync.
func (j *Jobs) enqueueDue(ctx context.Context, f orgsync.Fence) error {
	args := argsOf(f)
	for range maxLost {
		result, err := j.insertSync(ctx, args, time.Time{})
		if err != nil || !result.UniqueSkippedAsDuplicate || !j.lost(result.Job) {
			return err
		}
		args.InsteadOf = result.Job.ID
	}
	return fmt.Errorf("sync %s has lost %d jobs in a row", f.SyncID, maxLost)
}

func (j *Jobs) insertSync(ctx context.Context, args syncArgs, at time.Time) (*rivertype.JobInsertResult, error) {
	var opts river.InsertOpts
	if at.After(j.now()) {
		opts.ScheduledAt = at
	}
	result, err := j.engine.Insert(ctx, args, &opts)
	if err != nil {
		return nil, fmt.Errorf("enqueue sync %s: %w", args.SyncID, err)
	}
	return result, nil
}

func (j *Jobs) lost(job *rivertype.JobRow) bool {
	return job.State == rivertype.JobStateRunning && job.AttemptedAt != nil && j.now().Sub(*job.AttemptedAt) > lostAfter
}

func argsOf(f orgsync.Fence) syncArgs {
	return syncArgs{AccountID: f.AccountID, SyncID: f.SyncID, Epoch: f.Epoch}
}
