package itglue

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// breakerFailures in a row open a Breaker. A listing that has to halve its
	// pages three times does not come near it.
	breakerFailures = 5

	// breakerCooldown is for how long an open Breaker lets nothing pass.
	breakerCooldown = 30 * time.Second
)

var errOpen = errors.New("the breaker is open")

// Breaker spares an IT Glue that fails, and those who wait for it: after five
// attempts in a row that IT Glue did not answer, or with a fault of its own,
// calls fail at once for half a minute, with the Kind of the last failure and
// the rest of that time in Error.RetryAfter. Then one call tries; only when it gets an
// answer do all others. It is safe for concurrent use; a nil Breaker lets
// everything pass.
type Breaker struct {
	mu       sync.Mutex
	failures int
	last     Kind
	openTill time.Time // zero while closed
	trying   bool
}

// enter says whether an attempt may be made, as an *Error if not, and whether it
// is the one that tries. Each attempt that was made must leave.
func (b *Breaker) enter(op string) (probe bool, err error) {
	if b == nil {
		return false, nil
	}

	b.mu.Lock()
	defer b.mu.Unlock()

	wait := time.Until(b.openTill)

	switch {
	case b.openTill.IsZero():
		return false, nil
	case wait <= 0 && !b.trying:
		b.trying = true

		return true, nil
	}

	return false, &Error{
		Kind: b.last, Op: op, RetryAfter: max(wait, time.Second), err: errOpen,
		Detail: "IT Glue has failed several times in a row and is given some time",
	}
}

// leave tells how an attempt ended. One that was cancelled, or that asks for
// too much at once, says nothing of IT Glue.
func (b *Breaker) leave(probe bool, err error, r request) {
	if b == nil {
		return
	}

	b.mu.Lock()
	defer b.mu.Unlock()

	kind := KindOf(err)

	switch {
	case kind == KindUnavailable, kind == KindTimeout && !r.timeoutIsFinal:
		b.failures++
		b.last = kind

		if probe || b.failures >= breakerFailures {
			b.openTill = time.Now().Add(breakerCooldown)
		}
	case errors.Is(err, context.Canceled), kind == KindTimeout:
	default:
		b.failures, b.openTill = 0, time.Time{}
	}

	if probe {
		b.trying = false
	}
}

// idle reports whether the breaker is no different from a new one.
func (b *Breaker) idle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.failures == 0 && !b.trying
}
