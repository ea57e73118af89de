package itglue_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// ledger is one that all limiters of a test share.
type ledger struct {
	mu      sync.Mutex
	states  map[string]itglue.LedgerState
	changes int
	away    bool
}

func (l *ledger) ReadLedger(_ context.Context, key string) (itglue.LedgerState, time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.away {
		return itglue.LedgerState{}, time.Time{}, errors.New("the ledger is away")
	}

	return l.states[key], time.Now(), nil
}

func (l *ledger) ChangeLedger(
	_ context.Context, key string, change func(itglue.LedgerState, time.Time) itglue.LedgerState,
) error {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.away {
		return errors.New("the ledger is away")
	}

	if l.states == nil {
		l.states = make(map[string]itglue.LedgerState)
	}

	l.states[key] = change(l.states[key], time.Now())
	l.changes++

	return nil
}

// most returns the largest number of times within 5 minutes.
func most(times []time.Time) int {
	slices.SortFunc(times, time.Time.Compare)

	largest, first := 0, 0
	for i := range times {
		for times[i].Sub(times[first]) >= 5*time.Minute {
			first++
		}

		largest = max(largest, i-first+1)
	}

	return largest
}

// TestF19LimitHoldsForAllProcessesTogether has three processes send as much as
// they are let, for half an hour.
func TestF19LimitHoldsForAllProcessesTogether(t *testing.T) {
	t.Parallel()

	for _, limit := range []int{1, 10, 99, 600, 3000} {
		synctest.Test(t, func(t *testing.T) {
			t.Helper()

			var (
				shared  ledger
				mu      sync.Mutex
				sent    []time.Time
				senders sync.WaitGroup
			)

			end := time.Now().Add(30 * time.Minute)

			for range 3 {
				limiter := itglue.NewSharedLimiters(limit, &shared).ForKey("k")

				senders.Go(func() {
					for time.Now().Before(end) {
						if err := limiter.Wait(t.Context(), time.Hour); err != nil {
							t.Error(err)

							return
						}

						mu.Lock()
						sent = append(sent, time.Now())
						mu.Unlock()
					}
				})
			}

			senders.Wait()

			if got := most(sent); got > limit {
				t.Errorf("limit %d: %d requests within 5 minutes", limit, got)
			}

			// Of half an hour, at least two thirds of the rate are used.
			if len(sent) < limit*4 {
				t.Errorf("limit %d: only %d requests in half an hour", limit, len(sent))
			}
		})
	}
}

func TestF19WaitOfOneProcessHoldsForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()

		var shared ledger

		one := itglue.NewSharedLimiters(3000, &shared).ForKey("k")
		other := itglue.NewSharedLimiters(3000, &shared).ForKey("k")
		stranger := itglue.NewSharedLimiters(3000, &shared).ForKey("another")

		itglue.BackoffAll(t.Context(), one, 10*time.Minute)

		if failed := failure(t, other.Wait(t.Context(), time.Second), itglue.KindRateLimited); failed.RetryAfter < 9*time.Minute {
			t.Errorf("told to wait %s", failed.RetryAfter)
		}

		if err := stranger.Wait(t.Context(), 0); err != nil {
			t.Errorf("another key: %v", err)
		}

		<-time.After(10 * time.Minute)

		if err := other.Wait(t.Context(), 0); err != nil {
			t.Errorf("after the wait: %v", err)
		}
	})
}

func TestF19LedgerThatIsAwayStopsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()

		shared := ledger{away: true}
		limiter := itglue.NewSharedLimiters(100, &shared).ForKey("k")

		sent := make([]time.Time, 0, 200)

		for range 200 {
			if err := limiter.Wait(t.Context(), time.Hour); err != nil {
				t.Fatal(err)
			}

			sent = append(sent, time.Now())
		}

		if got := most(sent); got > 100 {
			t.Errorf("%d requests within 5 minutes", got)
		}
	})
}

func TestFewRequestsCostTheLedgerNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()

		var shared ledger

		limiter := itglue.NewSharedLimiters(0, &shared).ForKey("ITG.secret")

		for range 100 { // nights
			for range 20 {
				if err := limiter.Wait(t.Context(), 0); err != nil {
					t.Fatal(err)
				}
			}

			<-time.After(24 * time.Hour)
		}

		if shared.changes != 0 {
			t.Errorf("%d changes", shared.changes)
		}

		for range 200 {
			if err := limiter.Wait(t.Context(), time.Minute); err != nil {
				t.Fatal(err)
			}
		}

		if shared.changes > 10 {
			t.Errorf("%d changes for 200 requests", shared.changes)
		}

		for key := range shared.states {
			if strings.Contains(key, "ITG") || len(key) != 32 {
				t.Errorf("the ledger knows the key as %q", key)
			}
		}
	})
}
