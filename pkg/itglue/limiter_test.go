package itglue_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orgbridge/orgbridge/pkg/itglue"
)

const window = 5 * time.Minute

// mostInWindow returns the largest number of times within any five minutes.
func mostInWindow(times []time.Time) int {
	most, start := 0, 0

	for i, at := range times {
		for !times[start].After(at.Add(-window)) {
			start++
		}

		most = max(most, i-start+1)
	}

	return most
}

func TestLimiter(t *testing.T) {
	t.Parallel()

	for _, limit := range []int{1, 2, 9, 10, 11, 100, 3000} {
		t.Run(fmt.Sprintf("NeverExceeds%dInAnyWindow", limit), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				limiter := itglue.NewLimiter(limit)

				times := make([]time.Time, 0, 3*limit+5)
				for i := range 3*limit + 5 {
					// A pause now and then refills the bucket, a backoff
					// makes users queue up: both are followed by a burst.
					if i == limit+1 {
						<-time.After(7 * time.Minute)
					}
					if i == 2*limit {
						limiter.Backoff(10 * time.Second)
					}

					if err := limiter.Wait(t.Context(), time.Hour); err != nil {
						t.Fatal(err)
					}

					times = append(times, time.Now())
				}

				if most := mostInWindow(times); most > limit {
					t.Errorf("got %d in one window", most)
				}
			})
		})
	}

	t.Run("NeverExceedsWithManyUsersThroughABackoff", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			const limit = 100

			limiter := itglue.NewLimiter(limit)

			var (
				mu    sync.Mutex
				times []time.Time
				users sync.WaitGroup

				blockedAt [5]time.Time
			)
			for range 20 {
				users.Go(func() {
					for range 20 {
						if err := limiter.Wait(t.Context(), 24*time.Hour); err != nil {
							t.Error(err)
						}

						mu.Lock()
						times = append(times, time.Now())
						mu.Unlock()
					}
				})
			}
			users.Go(func() {
				for i := range blockedAt {
					<-time.After(time.Minute)

					blockedAt[i] = time.Now()
					limiter.Backoff(30 * time.Second)
				}
			})
			users.Wait()

			if most := mostInWindow(times); most > limit || len(times) != 400 {
				t.Errorf("got %d in one window, %d in all", most, len(times))
			}

			for _, start := range blockedAt {
				for _, at := range times {
					if at.After(start) && at.Before(start.Add(30*time.Second)) {
						t.Errorf("one was let through %s after the backoff", at.Sub(start))
					}
				}
			}
		})
	})

	t.Run("UsesWhatIsAllowed", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			limiter, start := itglue.NewLimiter(3000), time.Now()

			for range 300 {
				if err := limiter.Wait(t.Context(), 0); err != nil {
					t.Fatal(err)
				}
			}

			for range 2700 {
				if err := limiter.Wait(t.Context(), time.Second); err != nil {
					t.Fatal(err)
				}
			}

			if took := time.Since(start).Round(time.Second); took != window {
				t.Errorf("3,000 requests took %s", took)
			}
		})
	})

	t.Run("RefusesALongWaitAndTakesNothing", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			limiter := itglue.NewLimiter(10)

			if err := limiter.Wait(t.Context(), 0); err != nil {
				t.Fatal(err)
			}

			for range 5 {
				got := failure(t, limiter.Wait(t.Context(), 5*time.Second), itglue.KindRateLimited)
				if got.RetryAfter.Round(time.Second) != 33*time.Second {
					t.Errorf("got %v", got)
				}
			}

			if err := limiter.Wait(t.Context(), 34*time.Second); err != nil {
				t.Error(err)
			}
		})
	})

	t.Run("KeepsTheLongerBackoff", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			limiter := itglue.NewLimiter(0)
			limiter.Backoff(240 * time.Hour)
			limiter.Backoff(time.Second)
			limiter.Backoff(-time.Second)

			if got := failure(t, limiter.Wait(t.Context(), 0), itglue.KindRateLimited); got.RetryAfter != time.Hour {
				t.Errorf("got %v", got)
			}
		})
	})

	t.Run("EndsWithTheContext", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			limiter := itglue.NewLimiter(0)
			limiter.Backoff(time.Minute)

			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)

			if err := limiter.Wait(ctx, time.Hour); !errors.Is(err, context.Canceled) || itglue.KindOf(err) != "" {
				t.Errorf("got %v", err)
			}
		})
	})

	t.Run("NilLimitsNothing", func(t *testing.T) {
		t.Parallel()

		var limiter *itglue.Limiter
		limiter.Backoff(time.Hour)

		if err := limiter.Wait(t.Context(), 0); err != nil {
			t.Error(err)
		}
	})
}

func TestLimiterPool(t *testing.T) {
	t.Parallel()

	t.Run("OneLimiterPerKey", func(t *testing.T) {
		t.Parallel()

		pool := itglue.NewLimiters(100)

		var users sync.WaitGroup
		for range 50 {
			users.Go(func() { pool.ForKey("a").Backoff(time.Hour) })
		}
		users.Wait()

		failure(t, pool.ForKey("a").Wait(t.Context(), 0), itglue.KindRateLimited)

		if err := pool.ForKey("b").Wait(t.Context(), 0); err != nil || pool.Len() != 2 {
			t.Errorf("got %v with %d limiters", err, pool.Len())
		}
	})

	t.Run("ForgetsIdleOnesFirst", func(t *testing.T) {
		t.Parallel()

		pool := itglue.NewLimiters(100)
		pool.ForKey("busy").Backoff(time.Hour)

		for i := range 3 * itglue.MaxPooledLimiters {
			pool.ForKey(strconv.Itoa(i))
		}

		if pool.Len() > itglue.MaxPooledLimiters {
			t.Errorf("holds %d limiters", pool.Len())
		}

		failure(t, pool.ForKey("busy").Wait(t.Context(), 0), itglue.KindRateLimited)
	})

	t.Run("StaysBoundedWhenAllAreBusy", func(t *testing.T) {
		t.Parallel()

		pool := itglue.NewLimiters(100)
		for i := range itglue.MaxPooledLimiters + 10 {
			pool.ForKey(strconv.Itoa(i)).Backoff(time.Hour)
		}

		if pool.Len() != itglue.MaxPooledLimiters {
			t.Errorf("holds %d limiters", pool.Len())
		}
	})
}
