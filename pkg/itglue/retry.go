package itglue

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// longestRetryAfter caps what a Retry-After header can ask for. IT Glue's
// window is 5 minutes; anything beyond an hour is a mistake or an attack.
const longestRetryAfter = time.Hour

// retryDelay decides whether the failed attempt is to be repeated and after
// how long. After a 429 it also holds back every other user of the key.
func (c *Client) retryDelay(ctx context.Context, err error, r request, attempt int) (time.Duration, bool) {
	var failure *Error
	if !errors.As(err, &failure) || !retryable(failure, r) {
		return 0, false
	}

	delay := failure.RetryAfter + backoff(c.config.RetryBase, attempt)
	if failure.Kind == KindRateLimited {
		c.config.Limiter.backoff(ctx, delay)
	}

	return delay, attempt < c.config.MaxAttempts && failure.RetryAfter <= c.config.MaxRetryAfter
}

func retryable(failure *Error, r request) bool {
	switch failure.Kind {
	case KindRateLimited:
		// Without a status it is the own limiter that has already judged
		// the wait too long.
		return failure.Status != 0
	case KindUnavailable:
		return !errors.Is(failure, errOpen)
	case KindTimeout:
		return !errors.Is(failure, errOpen) && !r.timeoutIsFinal
	case KindRejectedKey, KindNotFound, KindMalformed:
		return false
	default:
		return false
	}
}

// backoff returns a random wait below base·2^(attempt-1): "full jitter", which
// spreads clients that failed together.
func backoff(base time.Duration, attempt int) time.Duration {
	ceiling := base << min(attempt-1, 10)
	if ceiling <= 0 {
		return 0
	}

	return rand.N(ceiling) //nolint:gosec // spreads load, guards nothing
}

// parseRetryAfter reads a Retry-After header (RFC 9110, section 10.2.3: a
// number of seconds or an HTTP date). It returns 0 for one that is absent,
// unreadable, zero or in the past, and never more than longestRetryAfter.
func parseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)

	seconds, err := strconv.ParseFloat(value, 64)
	if err == nil {
		// Compared as a float: an absurd figure would overflow a Duration.
		if seconds <= 0 || math.IsNaN(seconds) {
			return 0
		}

		if seconds >= longestRetryAfter.Seconds() {
			return longestRetryAfter
		}

		return time.Duration(seconds * float64(time.Second))
	}

	date, err := http.ParseTime(value)
	if err != nil {
		return 0
	}

	return min(max(date.Sub(now), 0), longestRetryAfter)
}

// fitsDeadline reports whether ctx outlives the delay. If not, the failure at
// hand is a better answer than a deadline error later.
func fitsDeadline(ctx context.Context, delay time.Duration) bool {
	deadline, ok := ctx.Deadline()

	return !ok || time.Until(deadline) > delay
}

func sleep(ctx context.Context, delay time.Duration) error {
	timer := time.NewTimer(delay)
	defer timer.Stop()

	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
