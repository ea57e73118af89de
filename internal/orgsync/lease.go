package orgsync

import (
	"context"
	"sync"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
)

// progressInterval is how often progress is written at most. Each write is a commit, which on SQLite waits for the disk.
const progressInterval = time.Second

// lease keeps a running sync its owner's. Its context ends, with the cause, when the sync is lost or may be.
type lease struct {
	runner *Runner
	fence  Fence
	ctx    context.Context //nolint:containedctx // the lease is the life of the run that is given this context
	cancel context.CancelCauseFunc
	done   sync.WaitGroup

	mu       sync.Mutex
	progress Progress
	renewed  time.Time
}

func holdLease(parent context.Context, r *Runner, f Fence, begun Progress) *lease {
	ctx, cancel := context.WithCancelCause(parent)
	l := &lease{runner: r, fence: f, ctx: ctx, cancel: cancel, progress: begun, renewed: time.Now()}
	l.done.Go(l.keep)
	return l
}

// keep renews the lease between the beats of the work, which may wait long for IT Glue.
func (l *lease) keep() {
	defer func() {
		if p := recover(); p != nil { // or it would take the whole process along
			l.cancel(panicked(p))
		}
	}()
	ticker := time.NewTicker(l.runner.Lease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-ticker.C:
			_ = l.beat(l.ctx, nil) // a lost sync has ended the context, anything else is tried again
		}
	}
}

// beat writes the progress, or the last one again, and renews the lease. It answers [errs.Fenced], and ends the lease's context, when
// the sync is lost. The context ends with [errs.Unavailable] when the store could not be asked for as long as the lease lasts, so that
// another node may have the sync by now.
func (l *lease) beat(ctx context.Context, p *Progress) error {
	l.mu.Lock() // one beat after the other, so that progress never goes backwards
	defer l.mu.Unlock()
	if p != nil {
		fresh := p.Phase == l.progress.Phase && time.Since(l.renewed) < progressInterval
		l.progress = *p
		if fresh {
			return context.Cause(l.ctx) //nolint:contextcheck // asks how the lease stands
		}
	}
	ctx, cancel := context.WithTimeout(ctx, l.runner.Lease/3)
	defer cancel()
	err := l.runner.Syncs.Heartbeat(ctx, l.fence, l.runner.Lease, l.progress)
	switch {
	case err == nil:
		l.renewed = time.Now()
	case errs.Is(err, errs.Fenced):
		l.cancel(err)
	case time.Since(l.renewed) > l.runner.Lease:
		l.cancel(errs.New(errs.Unavailable, "The database could not be reached for as long as the lease of the sync lasts.").Because(err))
	}
	return err
}

// whyEnded is why the lease ended, for a run that ended with an error because it did; otherwise it is that error.
func (l *lease) whyEnded(err error) error {
	if cause := context.Cause(l.ctx); cause != nil {
		return cause
	}
	return err
}

// release lets go of the sync and returns the last progress, which may not have been written.
func (l *lease) release() Progress {
	l.cancel(context.Canceled)
	l.done.Wait()
	return l.progress
}
