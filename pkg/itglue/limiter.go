package itglue

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// DefaultRequestsPer5Minutes is IT Glue's documented limit: 3,000 requests in
// a window of 5 minutes, then 429.
const DefaultRequestsPer5Minutes = 3000

const window = 5 * time.Minute

// Limiter keeps the requests of one key below a number per 5 minutes, however
// that window is placed. It is safe for concurrent use; a nil Limiter limits
// nothing.
type Limiter struct {
	bucket *rate.Limiter
	share  *share // nil when the key is this process's alone

	mu           sync.Mutex
	blockedUntil time.Time
}

// NewLimiter returns a limiter of so many requests in any 5 minutes;
// a number below 1 means DefaultRequestsPer5Minutes.
//
// A tenth may be sent at once, the rest is spread evenly. An IT Glue with
// 100,000 organizations is listed in 100 requests and so without a wait.
func NewLimiter(requestsPer5Minutes int) *Limiter {
	if requestsPer5Minutes < 1 {
		requestsPer5Minutes = DefaultRequestsPer5Minutes
	}

	// A window that begins with a full bucket sees the whole burst plus all
	// that is refilled: burst + window·refill must not exceed the number.
	burst := max(1, requestsPer5Minutes/10)
	refill := rate.Limit(float64(requestsPer5Minutes-burst) / window.Seconds())

	if requestsPer5Minutes == 1 {
		refill = rate.Every(window + time.Second)
	}

	return &Limiter{bucket: rate.NewLimiter(refill, burst)}
}

// Backoff holds back all users of the limiter in this process for d, at most
// 1 h, because IT Glue asked for it. A longer time already set stays. A Client
// does it by itself, and tells the other processes.
func (l *Limiter) Backoff(d time.Duration) {
	if l == nil || d <= 0 {
		return
	}

	until := time.Now().Add(min(d, longestRetryAfter))

	l.mu.Lock()
	defer l.mu.Unlock()

	if until.After(l.blockedUntil) {
		l.blockedUntil = until
	}
}

// backoff is Backoff for all processes that share the limit.
func (l *Limiter) backoff(ctx context.Context, d time.Duration) {
	l.Backoff(d)

	if l != nil && l.share != nil && d > 0 {
		l.share.blockFor(ctx, min(d, longestRetryAfter))
	}
}

// wait blocks until a request may be sent. If that is further away than
// longest it fails at once, and takes no share of the rate, with an *Error of
// KindRateLimited that says how far.
func (l *Limiter) wait(ctx context.Context, op string, longest time.Duration) error {
	if ctx.Err() != nil {
		return contextError(ctx, op)
	}

	if l == nil {
		return nil
	}

	deadline := time.Now().Add(longest)

	for {
		if err := l.waitBlocked(ctx, op, deadline); err != nil {
			return err
		}

		if err := l.waitShare(ctx, op, deadline); err != nil {
			return err
		}

		if err := l.waitToken(ctx, op, deadline); err != nil {
			return err
		}

		// A token used later than it was meant for could push the window
		// over the number, so one that was overtaken by Backoff is given up.
		if l.blockedFor() <= 0 {
			return nil
		}
	}
}

func (l *Limiter) waitBlocked(ctx context.Context, op string, deadline time.Time) error {
	for {
		delay := l.blockedFor()
		if delay <= 0 {
			return nil
		}

		if err := pause(ctx, op, delay, deadline); err != nil {
			return err
		}
	}
}

func (l *Limiter) waitShare(ctx context.Context, op string, deadline time.Time) error {
	if l.share == nil {
		return nil
	}

	for {
		delay := l.share.take(ctx)
		if delay <= 0 {
			return nil
		}

		if err := pause(ctx, op, delay, deadline); err != nil {
			return err
		}
	}
}

func (l *Limiter) waitToken(ctx context.Context, op string, deadline time.Time) error {
	now := time.Now()
	reservation := l.bucket.ReserveN(now, 1)

	err := pause(ctx, op, reservation.DelayFrom(now), deadline)
	if err != nil {
		reservation.Cancel()
	}

	return err
}

func pause(ctx context.Context, op string, delay time.Duration, deadline time.Time) error {
	if delay <= 0 {
		return nil
	}

	if delay > time.Until(deadline) || !fitsDeadline(ctx, delay) {
		return &Error{
			Kind: KindRateLimited, Op: op, RetryAfter: min(delay, longestRetryAfter),
			Detail: "the request limit of this key is used up",
		}
	}

	if sleep(ctx, delay) != nil {
		return contextError(ctx, op)
	}

	return nil
}

func (l *Limiter) blockedFor() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()

	return time.Until(l.blockedUntil)
}

// idle reports whether the limiter is no different from a new one.
func (l *Limiter) idle(now time.Time) bool {
	return l.blockedFor() <= 0 && l.bucket.TokensAt(now) >= float64(l.bucket.Burst())
}
