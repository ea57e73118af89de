package orgsync

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
)

const (
	// maxAttempts is how often a sync is begun, takeovers included.
	maxAttempts = 4
	retryBase   = 5 * time.Second
	retryFactor = 4
	// maxDeferral is how long a sync that IT Glue has no requests left for is put off: as long as a missed night may be caught up.
	maxDeferral = 12 * time.Hour
	// limitedPause is for a 429 that names no time. IT Glue counts the requests of five minutes, so some are free again after one.
	limitedPause = time.Minute
	// maxOutage is how long a sync waits for the database before failed attempts count, and outagePause the longest wait between two.
	maxOutage   = time.Hour
	outagePause = time.Minute
)

// decision is what becomes of a sync whose run ended with an error.
type decision struct {
	requeue     bool
	deferred    bool // requeued without having used up an attempt
	delay       time.Duration
	failure     *Failure // nil for a run that was only cut off, which goes on at once elsewhere
	credentials Credentials
}

// decideFailure: what may go better later is tried again, after 5 s, 20 s and 80 s or as long as IT Glue asks for; the rest has failed.
// What nobody foresaw, a panic too, may be gone the next time: a night is not given up for it. A spent rate limit is no failed attempt,
// since it says nothing of the sync: until that has waited for maxDeferral it is put off. Nor is a database that was away, for maxOutage.
func decideFailure(attempt int, waited time.Duration, err error) decision {
	failed := known(err)
	d := decision{failure: &Failure{Code: failed.Code, Detail: failed.Detail}}
	switch failed.Code {
	case errs.ITGlueKeyRejected:
		d.credentials = CredentialsRejected
	case errs.DifferentITGlueAccount:
		d.credentials = CredentialsAccepted
	case errs.ITGlueRateLimited:
		d.requeue, d.deferred = waited < maxDeferral, waited < maxDeferral
		d.delay = limitedDelay(failed.RetryAfter)
	case errs.Unavailable:
		d.deferred = waited < maxOutage && !errors.Is(err, integration.ErrUnreadableKey)
		d.requeue = d.deferred || attempt+1 < maxAttempts
		d.delay = jittered(attempt)
		if d.deferred {
			d.delay = max(jittered(0), min(waited/4, outagePause))
		}
	case errs.ITGlueUnavailable, errs.ITGlueTimeout, errs.ITGlueBadAnswer, errs.Internal:
		d.requeue = attempt+1 < maxAttempts
		d.delay = max(failed.RetryAfter, jittered(attempt))
	default:
	}
	return d
}

// limitedDelay is never shorter than IT Glue asks for, and up to a tenth longer, so that not all that wait for it come at once.
func limitedDelay(asked time.Duration) time.Duration {
	if asked <= 0 {
		asked = limitedPause
	}
	return asked + rand.N(max(retryBase, asked/10)) //nolint:gosec // no secret hangs on it
}

func known(err error) *errs.Error {
	failed := integration.FromITGlue(err)
	switch {
	case failed.Code == errs.NotFound: // IT Glue has no such list
		return errs.New(errs.ITGlueBadAnswer, "IT Glue gave an answer that cannot be understood.")
	case failed.Code == errs.Internal && errors.Is(err, context.DeadlineExceeded):
		return errs.New(errs.ITGlueTimeout, "The sync took too long.")
	case failed.Code == errs.Internal:
		return errs.New(errs.Internal, "The sync failed for a reason of ours. It is in the log.")
	default:
		return failed
	}
}

// CredentialsRetry says when a refused key is tried again besides the daily syncs, given how often it was already: after 6, 12 and 24
// hours, and then no more.
func CredentialsRetry(retries int) (delay time.Duration, again bool) {
	ladder := []time.Duration{6 * time.Hour, 12 * time.Hour, 24 * time.Hour}
	if retries >= len(ladder) {
		return 0, false
	}
	return ladder[retries], true
}

// jittered spreads the retries of many accounts that failed together.
func jittered(attempt int) time.Duration {
	d := retryBase
	for range attempt {
		d *= retryFactor
	}
	return d/2 + rand.N(d/2) //nolint:gosec // no secret hangs on it
}
