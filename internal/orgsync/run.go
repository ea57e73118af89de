package orgsync

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/failpoint"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/observe"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

const (
	// DefaultLease is how long a sync stays its owner's without a heartbeat. With the sweeper's interval it bounds how long the work
	// of a killed node rests.
	DefaultLease = 15 * time.Second
	// DefaultDeadline ends a run that makes no end of itself.
	DefaultDeadline = 30 * time.Minute
	// recordDeadline bounds one attempt at the last write of a run, which is made even when the run was cancelled. While the database is
	// away there is another attempt after each pause, for as long as the patience lasts.
	recordDeadline = 10 * time.Second
	recordPause    = time.Second
	recordPatience = 10 * time.Minute
	// maxReads bounds the reads by id of one run. What is missing beyond it stays unread and is therefore held.
	maxReads = 500
	http404  = 404 // feature packages know nothing of HTTP but this
	// batchSize is how many changes are applied, or directory entries written, in one transaction, which takes less than half a second.
	batchSize = 10000
)

// RunnerConfig is what a [Runner] needs. Zero means [DefaultLease] and [DefaultDeadline].
type RunnerConfig struct {
	Syncs       SyncStore
	State       StateStore
	Releases    ReleaseStore
	Connections Connections
	Now         func() time.Time
	Logger      *slog.Logger
	Lease       time.Duration
	Deadline    time.Duration
	// Observe is told how each run went; it may be left out.
	Observe func(Ran)
}

// Runner does the work of syncs: list, plan, apply.
type Runner struct {
	RunnerConfig

	gates *gates
}

// NewRunner returns a runner.
func NewRunner(c RunnerConfig) *Runner {
	if c.Lease == 0 {
		c.Lease = DefaultLease
	}
	if c.Deadline == 0 {
		c.Deadline = DefaultDeadline
	}
	if c.Observe == nil {
		c.Observe = func(Ran) {}
	}
	return &Runner{RunnerConfig: c, gates: newGates()}
}

// Run does the sync of the fence and records how it went. When ctx is cancelled the sync is handed back to the queue. An error means
// that the outcome could not be recorded; the sync is then taken over once its lease has run out.
func (r *Runner) Run(ctx context.Context, f Fence) error {
	ctx = failpoint.Mark(ctx, failpoint.Run, f.AccountID)
	ctx = observe.With(ctx, observe.AccountID, f.AccountID, observe.SyncID, f.SyncID)
	claimed, err := r.Syncs.ClaimSync(ctx, f, r.Lease)
	if errs.Is(err, errs.Fenced) {
		return nil // done, cancelled or somebody else's
	}
	if err != nil {
		return err
	}
	began := r.Now()
	ran := Ran{Kind: claimed.Kind}
	outcome, err := r.work(ctx, f, claimed)
	if err == nil {
		ran.Outcome, err = outcome.Status.ran(), r.finish(ctx, f, outcome)
	} else {
		claimed.Progress = outcome.Progress
		ran.Outcome, err = r.fail(ctx, f, claimed, err, ctx.Err() != nil)
	}
	ran = ran.recorded(err, r.Now().Sub(began))
	r.Observe(ran)
	observe.Tell(ctx, "orgbridge.sync.outcome", string(ran.Outcome))
	if errs.Is(err, errs.Fenced) {
		r.Logger.InfoContext(ctx, "sync lost its owner", "accountId", f.AccountID, "syncId", f.SyncID, "epoch", f.Epoch)
		return nil
	}
	r.Logger.DebugContext(ctx, "sync ran", "accountId", f.AccountID, "syncId", f.SyncID, "took", r.Now().Sub(began))
	return err
}

// work runs the sync under its lease. A panic becomes an error, so that it is recorded like any other failure. The outcome has the
// progress also with an error.
func (r *Runner) work(ctx context.Context, f Fence, claimed Sync) (outcome Outcome, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.Deadline)
	defer cancel()
	l := holdLease(ctx, r, f, claimed.Progress)
	defer func() { outcome.Progress = l.release() }()
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
		if err != nil && ctx.Err() == nil {
			err = l.whyEnded(err)
		}
	}()
	if claimed.Attempt >= maxAttempts {
		return Outcome{}, errs.New(errs.Internal, "The sync was interrupted too often.")
	}
	one := run{Runner: r, fence: f, sync: claimed, lease: l, desk: r.gates.desk(&claimed), held: holding{memory: r.gates.memory}}
	defer one.held.release()
	return one.do(l.ctx) //nolint:contextcheck // the lease's context is derived from ctx
}

func panicked(p any) error { return fmt.Errorf("panic: %v\n%s", p, debug.Stack()) }

func (r *Runner) finish(ctx context.Context, f Fence, o Outcome) error {
	if err := r.record(ctx, func(ctx context.Context) error { return r.Syncs.FinishSync(ctx, f, o) }); err != nil {
		return err
	}
	r.Logger.InfoContext(ctx, "sync ended", "accountId", f.AccountID, "syncId", f.SyncID, "status", o.Status,
		"listed", o.Counts.Listed, "unchanged", o.Counts.Unchanged)
	return nil
}

// fail records a run that ended with err, and says as what: handed back when it was cut off or may go better later, failed otherwise.
func (r *Runner) fail(ctx context.Context, f Fence, s Sync, err error, cutOff bool) (RunOutcome, error) {
	if errs.Is(err, errs.Fenced) {
		return RunLost, err
	}
	d := decision{requeue: true}
	if !cutOff {
		d = decideFailure(s.Attempt, r.Now().Sub(s.waitingSince()), err)
	}
	if d.requeue {
		r.Logger.WarnContext(ctx, "sync handed back", "accountId", f.AccountID, "syncId", f.SyncID, "after", d.delay, "error", err)
		return RunHandedBack, r.handBack(ctx, f, d)
	}
	level := slog.LevelWarn // IT Glue's, or its key's
	if d.failure.Code == errs.Internal {
		level = slog.LevelError
	}
	r.Logger.Log(ctx, level, "sync failed", "accountId", f.AccountID, "syncId", f.SyncID, "error", err)
	o := Outcome{Status: Failed, Failure: d.failure, Credentials: d.credentials, Progress: s.Progress}
	if s.ReleasedAt != nil { // what is left of the removals waits for a person again
		o.Status, o.Counts = Held, s.Counts
	}
	return o.Status.ran(), r.record(ctx, func(ctx context.Context) error { return r.Syncs.FinishSync(ctx, f, o) })
}

func (r *Runner) handBack(ctx context.Context, f Fence, d decision) error {
	return r.record(ctx, func(ctx context.Context) error {
		if d.deferred {
			return r.Syncs.DeferSync(ctx, f, d.delay, *d.failure)
		}
		_, err := r.Syncs.RequeueSync(ctx, f, d.delay, d.failure)
		return err
	})
}

// record makes the last write of a run. While the database is away it tries again, unless the process ends: the fence has it done once,
// also when an attempt was made and not answered, and refuses it when somebody else took the sync over meanwhile.
func (r *Runner) record(ctx context.Context, write func(ctx context.Context) error) error {
	end := time.Now().Add(recordPatience)
	for {
		err := func() error {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordDeadline)
			defer cancel()
			return write(ctx)
		}()
		if !errs.Is(err, errs.Unavailable) || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(recordPause):
		}
	}
}

// run is one run of one sync.
type run struct {
	*Runner

	fence Fence
	sync  Sync
	lease *lease
	desk  *semaphore.Weighted
	held  holding
}

func (r *run) do(ctx context.Context) (Outcome, error) {
	client, in, err := r.Connections.Client(ctx, r.fence.AccountID)
	if errs.Is(err, errs.NotConnected) || (err == nil && in.ID != r.sync.IntegrationID) {
		return Outcome{}, errs.New(errs.Fenced, "The integration of the sync is gone.")
	}
	if err != nil {
		return Outcome{}, err
	}
	if r.sync.ReleasedAt != nil {
		return r.release(ctx, client)
	}
	before, err := r.readState(ctx)
	if err != nil {
		return Outcome{}, err
	}
	entries, err := r.list(ctx, client, before)
	if err != nil {
		return Outcome{}, err
	}
	if err := checkAccount(before.organizations, before.directory, entries); err != nil {
		return Outcome{}, err
	}
	input, err := r.input(ctx, client, in, before, entries)
	if err != nil {
		return Outcome{}, err
	}
	var outcome Outcome
	err = atDesk(ctx, r.desk, func() (err error) {
		outcome, err = r.settle(ctx, MakePlan(input), before, entries)
		return err
	})
	return outcome, err
}

// settle does what the plan says.
func (r *run) settle(ctx context.Context, plan Plan, before state, entries []integration.DirectoryEntry) (outcome Outcome, err error) {
	ctx, span := observe.Start(ctx, "apply the plan")
	defer func() { span.End(err) }()
	outcome = r.outcome(plan, before)
	if len(entries) > 0 || !plan.Held {
		if err := r.writeDirectory(ctx, before, entries); err != nil {
			return Outcome{}, err
		}
		outcome.ListedAt = &before.at
	}
	return outcome, r.apply(ctx, plan, before.asOf)
}

// state is our side as it was before the listing began: what a person, or the refresh of one organization, changed since then is newer
// than the listing and wins.
type state struct {
	at            time.Time
	asOf          int64
	organizations []OrganizationState
	directory     []integration.DirectoryEntry
}

func (s *state) rows() int { return len(s.organizations) + len(s.directory) }

func (r *run) readState(ctx context.Context) (s state, err error) {
	rows, err := r.State.Size(ctx, r.fence.AccountID)
	if err != nil {
		return state{}, err
	}
	if err := r.held.grow(ctx, rows); err != nil {
		return state{}, err
	}
	err = atDesk(ctx, r.desk, func() error {
		s.at = r.Now()
		if s.organizations, s.asOf, err = r.State.OrganizationStates(ctx, r.fence.AccountID); err != nil {
			return err
		}
		s.directory, err = r.State.Directory(ctx, r.fence.AccountID)
		return err
	})
	return s, err
}

func (r *run) outcome(plan Plan, before state) Outcome {
	o := Outcome{Status: Succeeded, Counts: plan.Counts, Credentials: CredentialsAccepted}
	// What an earlier attempt renamed or mapped is in step now, and counted as what it was.
	o.Counts.Unchanged = max(0, o.Counts.Unchanged-r.sync.Counts.Renamed-r.sync.Counts.Mapped)
	if r.sync.Kind == Preview {
		return o
	}
	if plan.Counts.Listed > 0 { // an empty listing is nothing to compare with
		o.ComparedAt = &before.at
	}
	if plan.Held {
		o.Status = Held
	}
	return o
}

// input is all that the plan depends on.
func (r *run) input(
	ctx context.Context, client *itglue.Client, in integration.Integration, before state, entries []integration.DirectoryEntry,
) (input Input, err error) {
	input = Input{
		Organizations: before.organizations, Directory: entries, AutoMap: AutoMapRuns(in.AutoMap, in.LastSyncedAt != nil),
		RemovalLimitPercent: in.RemovalLimitPercent, Removed: r.sync.Counts.Unmapped,
	}
	input.Absences, err = r.confirm(ctx, client, input)
	return input, err
}

func activeCount(states []OrganizationState) int {
	n := 0
	for i := range states {
		if states[i].State == mapping.Active {
			n++
		}
	}
	return n
}

func (r *run) apply(ctx context.Context, plan Plan, asOf int64) error {
	dryRun := r.sync.Kind == Preview
	done, total := 0, len(plan.Changes)
	if !dryRun {
		total += len(plan.Unmatched)
	}
	step := func(n int, err error) error {
		done += n
		return errors.Join(err, r.progress(ctx, Applying, done, total))
	}
	for batch := range slices.Chunk(plan.Changes, batchSize) {
		if err := step(len(batch), r.State.ApplyChanges(ctx, r.fence, Batch{Changes: batch, AsOf: asOf, DryRun: dryRun})); err != nil {
			return err
		}
	}
	if dryRun {
		return nil
	}
	for batch := range slices.Chunk(plan.Unmatched, batchSize) {
		if err := step(len(batch), r.State.ApplyUnmatched(ctx, r.fence, batch)); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) progress(ctx context.Context, phase Phase, done, total int) error {
	return r.lease.beat(ctx, &Progress{Phase: phase, Done: done, Total: total})
}
