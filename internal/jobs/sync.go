package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"golang.org/x/time/rate"

	"github.com/orgbridge/orgbridge/internal/failpoint"
	"github.com/orgbridge/orgbridge/internal/observe"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

const (
	// River's own limit on a sync is far above any that a sync has for itself. It only lets River clear away, some day, the row of
	// a job whose node was killed.
	syncTimeout = 24 * time.Hour

	// A job that has been running for so long without having claimed its sync has lost its node: claiming is the first thing it
	// does. A wrong guess costs one job that finds nothing to claim.
	lostAfter = 10 * time.Second

	// Nobody waits for a daily sync, and those of most accounts come due at the same midnight. So they leave the database and the
	// processor to people: no more than these begin in a second. How many there are at the same time costs little, since most of them
	// wait for IT Glue; the runner bounds what they do here.
	dailyWorkers   = 100
	dailyPerSecond = 50

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
	return river.InsertOpts{MaxAttempts: 1, UniqueOpts: river.UniqueOpts{
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
	pace   *rate.Limiter // of daily syncs
	traces observe.Traces
}

func (*syncWorker) Timeout(*river.Job[syncArgs]) time.Duration { return syncTimeout }

func (w *syncWorker) Work(ctx context.Context, job *river.Job[syncArgs]) (err error) {
	if job.Queue == dailyQueue {
		if err := w.pace.Wait(ctx); err != nil {
			return err
		}
	}
	var asked observe.Origin
	_ = json.Unmarshal(job.Metadata, &asked) // of an older version it has none
	ctx, span := w.traces.Job(ctx, asked, "sync", "orgbridge.account.id", job.Args.AccountID, "orgbridge.sync.id", job.Args.SyncID)
	defer func() { span.End(err) }()
	return w.runner.Run(ctx, orgsync.Fence{AccountID: job.Args.AccountID, SyncID: job.Args.SyncID, Epoch: job.Args.Epoch})
}

// StartSoon has a sync run that a person waits for. It does nothing when a job for this owner is waiting or running. Call it after the
// sync is committed: a job that comes too early finds nothing to claim.
func (j *Jobs) StartSoon(ctx context.Context, accountID, syncID string, epoch int) error {
	_, err := j.insert(ctx, syncQueue, []syncArgs{{AccountID: accountID, SyncID: syncID, Epoch: epoch}})
	return err
}

// enqueue enqueues syncs that wait without an owner. Unlike StartSoon it replaces jobs that were lost between being fetched and claiming
// the sync.
func (j *Jobs) enqueue(ctx context.Context, queue string, syncs []orgsync.Fence) error {
	args := make([]syncArgs, len(syncs))
	for i, f := range syncs {
		args[i] = syncArgs{AccountID: f.AccountID, SyncID: f.SyncID, Epoch: f.Epoch}
	}
	for range maxLost {
		results, err := j.insert(ctx, queue, args)
		if err != nil {
			return err
		}
		args = j.insteadOfLost(args, results)
	}
	if len(args) > 0 {
		return fmt.Errorf("%d syncs, such as %s, have lost %d jobs in a row", len(args), args[0].SyncID, maxLost)
	}
	return nil
}

// insteadOfLost returns the jobs to try next, for those that were barred by a lost one.
func (j *Jobs) insteadOfLost(args []syncArgs, results []*rivertype.JobInsertResult) (next []syncArgs) {
	for i, result := range results {
		if result.UniqueSkippedAsDuplicate && j.lost(result.Job) {
			args[i].InsteadOf = result.Job.ID
			next = append(next, args[i])
		}
	}
	return next
}

// insert inserts jobs, or finds those that are there already, in one statement.
func (j *Jobs) insert(ctx context.Context, queue string, args []syncArgs) ([]*rivertype.JobInsertResult, error) {
	if len(args) == 0 {
		return nil, nil
	}
	asked, err := json.Marshal(observe.OriginOf(ctx))
	if err != nil {
		return nil, fmt.Errorf("enqueue syncs: %w", err)
	}
	params := make([]river.InsertManyParams, len(args))
	for i := range args {
		params[i] = river.InsertManyParams{Args: args[i], InsertOpts: &river.InsertOpts{Queue: queue, Metadata: asked}}
	}
	if err := failpoint.Hit(ctx, failpoint.Before, "enqueue syncs"); err != nil {
		return nil, fmt.Errorf("enqueue syncs: %w", err)
	}
	results, err := j.engine.InsertMany(ctx, params)
	if err == nil {
		err = failpoint.Hit(ctx, failpoint.After, "enqueue syncs")
	}
	if err != nil {
		return nil, fmt.Errorf("enqueue syncs: %w", err)
	}
	return results, nil
}

func (j *Jobs) lost(job *rivertype.JobRow) bool {
	return job.State == rivertype.JobStateRunning && job.AttemptedAt != nil && j.now().Sub(*job.AttemptedAt) > lostAfter
}
