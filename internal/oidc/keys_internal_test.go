package oidc

import (
	"errors"
	"strconv"
	"testing"
	"time"
)

func TestKeysAreLookedForWhenItHelps(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	down := errors.New("down")
	never := time.Time{}
	for i, c := range []struct {
		known   bool
		readAt  time.Time
		triedAt time.Time
		failure error
		cameAt  time.Time
		want    step
	}{
		{known: false, readAt: never, triedAt: never, cameAt: now, want: fetch},
		{known: false, readAt: never, triedAt: ago(retryPause), failure: down, cameAt: now, want: fetch},
		{known: false, readAt: never, triedAt: ago(retryPause - 1), failure: down, cameAt: now, want: despair},

		{known: true, readAt: ago(maxAge), triedAt: ago(maxAge), cameAt: now, want: use},
		{known: true, readAt: ago(maxAge + 1), triedAt: ago(maxAge), cameAt: now, want: fetch},
		{known: true, readAt: ago(maxAge), triedAt: ago(1), failure: down, cameAt: now, want: use},
		{known: true, readAt: ago(maxAge + 1), triedAt: ago(1), failure: down, cameAt: now, want: use},
		{known: true, readAt: ago(maxAge + 1), triedAt: ago(retryPause), failure: down, cameAt: now, want: behind},
		{known: true, readAt: ago(maxStale), triedAt: ago(retryPause), failure: down, cameAt: now, want: behind},
		{known: true, readAt: ago(maxStale + 1), triedAt: ago(retryPause), failure: down, cameAt: now, want: fetch},
		{known: true, readAt: ago(maxStale + 1), triedAt: ago(1), failure: down, cameAt: now, want: despair},
		{known: true, readAt: ago(maxStale + 1), triedAt: ago(maxStale), cameAt: now, want: fetch},

		{known: false, readAt: ago(1), triedAt: ago(1), cameAt: now, want: fetch},  // it may be newer than the keys
		{known: false, readAt: ago(1), triedAt: now, cameAt: ago(1), want: refuse}, // the keys were read since it came
		{known: false, readAt: ago(2), triedAt: now, cameAt: ago(1), want: fetch},  // they were about to be read
		{known: false, readAt: ago(9), triedAt: ago(1), failure: down, cameAt: ago(2), want: despair},
		{known: false, readAt: ago(9), triedAt: ago(retryPause), failure: down, cameAt: now, want: fetch},
	} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			s := snapshot{readAt: c.readAt, triedAt: c.triedAt, failure: c.failure}
			if got := s.decide(c.known, c.cameAt, now); got != c.want {
				t.Errorf("step %d of %+v, want %d", got, c, c.want)
			}
		})
	}
}
