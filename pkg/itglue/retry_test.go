package itglue_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

func TestRetries(t *testing.T) {
	t.Parallel()

	t.Run("SucceedsAtTheThirdAttempt", func(t *testing.T) {
		t.Parallel()

		for _, code := range []int{429, 500, 502, 503, 504} {
			b := setup(t, 7)
			b.server.Inject(itgluetest.Fault{Kind: itgluetest.FaultStatus, Status: code, Times: 2})

			count, err := b.client.CountOrganizations(t.Context())
			if err != nil || count != 7 || b.server.CallCount() != 3 {
				t.Errorf("%d: got %d, %v after %d calls", code, count, err, b.server.CallCount())
			}
		}
	})

	t.Run("TriesOnceIfToldTo", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 1, func(c *itglue.Config) { c.MaxAttempts = 1 })
		b.server.Inject(itgluetest.Fault{Kind: itgluetest.FaultStatus, Status: 500})

		_, err := b.client.CountOrganizations(t.Context())
		failure(t, err, itglue.KindUnavailable)

		if b.server.CallCount() != 1 {
			t.Errorf("got %d calls", b.server.CallCount())
		}
	})

	t.Run("HandsBackLongWaits", func(t *testing.T) {
		t.Parallel()

		inTenDays := time.Now().Add(240 * time.Hour).UTC().Format(http.TimeFormat)
		for header, want := range map[string]time.Duration{
			"6": 6 * time.Second, "864000": time.Hour, inTenDays: time.Hour,
		} {
			for _, code := range []int{429, 503} {
				b := setup(t, 1)
				b.server.Inject(itgluetest.Fault{Kind: itgluetest.FaultStatus, Status: code, RetryAfter: header})

				_, err := b.client.CountOrganizations(t.Context())

				var got *itglue.Error
				if !errors.As(err, &got) || got.RetryAfter != want || b.server.CallCount() != 1 {
					t.Errorf("%d, %s: got %v after %d calls", code, header, err, b.server.CallCount())
				}
			}
		}
	})

	t.Run("RetriesAtOnceAfterUselessHeaders", func(t *testing.T) {
		t.Parallel()

		for _, header := range []string{"0", "-5", "soon", "Mon, 01 Jan 2001 00:00:00 GMT"} {
			b := setup(t, 1)
			b.server.Inject(itgluetest.RateLimited(header))

			_, err := b.client.CountOrganizations(t.Context())
			if got := failure(t, err, itglue.KindRateLimited); got.RetryAfter != 0 || b.server.CallCount() != 3 {
				t.Errorf("%s: got %v after %d calls", header, err, b.server.CallCount())
			}
		}
	})

	t.Run("DoesNotWaitBeyondTheCallersDeadline", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 1, func(c *itglue.Config) { c.MaxRetryAfter = time.Hour })
		b.server.Inject(itgluetest.RateLimited("600"))

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()

		_, err := b.client.CountOrganizations(ctx)
		if got := failure(t, err, itglue.KindRateLimited); got.RetryAfter != 10*time.Minute || b.server.CallCount() != 1 {
			t.Errorf("got %v after %d calls", err, b.server.CallCount())
		}
	})
}

// simulated returns a server and a client of it for a synctest bubble, where
// waits take no time.
func simulated(t *testing.T, change func(*itglue.Config)) (*itgluetest.Server, *itglue.Client) {
	t.Helper()

	server := itgluetest.New(itgluetest.WithKey(canaryKey))
	cfg := itglue.Config{
		BaseURL: "https://itglue.example", APIKey: canaryKey, Transport: handlerTransport{server},
	}
	change(&cfg)

	return server, newClient(t, cfg)
}

func TestWaits(t *testing.T) {
	t.Parallel()

	t.Run("ObeysRetryAfter", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			server, client := simulated(t, func(*itglue.Config) {})
			fault := itgluetest.RateLimited("4")
			fault.Times = 1
			server.Inject(fault)

			if _, err := client.CountOrganizations(t.Context()); err != nil {
				t.Fatal(err)
			}

			calls := server.Calls()
			if wait := calls[1].At.Sub(calls[0].At); wait < 4*time.Second || wait > 4*time.Second+itglue.DefaultRetryBase {
				t.Errorf("waited %s", wait)
			}
		})
	})

	t.Run("DoublesTheJitter", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			server, client := simulated(t, func(c *itglue.Config) { c.MaxAttempts = 5 })
			server.Inject(itgluetest.Fault{Kind: itgluetest.FaultStatus, Status: 500})

			longest := make([]time.Duration, 4)
			for range 200 {
				server.ResetCalls()

				_, err := client.CountOrganizations(t.Context())
				failure(t, err, itglue.KindUnavailable)

				calls := server.Calls()
				for i := range longest {
					longest[i] = max(longest[i], calls[i+1].At.Sub(calls[i].At))
				}
			}

			for i, wait := range longest {
				ceiling := itglue.DefaultRetryBase << i
				if wait > ceiling || wait < ceiling*3/4 {
					t.Errorf("longest wait %d is %s, want up to %s", i+1, wait, ceiling)
				}
			}
		})
	})

	t.Run("HoldsBackAllClientsOfTheKey", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			limiter := itglue.NewLimiter(3000)
			share := func(c *itglue.Config) { c.Limiter = limiter }
			limited, first := simulated(t, share)
			other, second := simulated(t, share)

			limited.Inject(itgluetest.RateLimited("60"))

			_, err := first.CountOrganizations(t.Context())
			failure(t, err, itglue.KindRateLimited)

			_, err = second.CountOrganizations(t.Context())
			got := failure(t, err, itglue.KindRateLimited)

			if got.RetryAfter < 60*time.Second || got.RetryAfter > 61*time.Second || got.Status != 0 {
				t.Errorf("got %v", err)
			}

			if other.CallCount() != 0 || limited.CallCount() != 1 {
				t.Errorf("got %d and %d calls", limited.CallCount(), other.CallCount())
			}

			<-time.After(got.RetryAfter)

			if _, err := second.CountOrganizations(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})

	t.Run("DoesNotTakeItsOwnLimitForITGlues", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			_, client := simulated(t, func(c *itglue.Config) {
				c.Limiter, c.RetryBase = itglue.NewLimiter(10), 1000*time.Hour
			})

			if _, err := client.CountOrganizations(t.Context()); err != nil {
				t.Fatal(err)
			}

			_, err := client.CountOrganizations(t.Context())
			<-time.After(failure(t, err, itglue.KindRateLimited).RetryAfter)

			if _, err := client.CountOrganizations(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})

	t.Run("StaysWithinTheLimitThatIsEnforced", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			server := itgluetest.New(itgluetest.WithKey(canaryKey), itgluetest.WithRateLimit(100))
			client := newClient(t, itglue.Config{
				BaseURL: "https://itglue.example", APIKey: canaryKey, Transport: handlerTransport{server},
				Limiter: itglue.NewLimiter(100), MaxRetryAfter: time.Minute, MaxAttempts: 1,
			})

			for range 1000 {
				if _, err := client.CountOrganizations(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		})
	})
}

func TestParseRetryAfter(t *testing.T) {
	t.Parallel()

	now := time.Date(2026, 3, 8, 6, 59, 30, 0, time.UTC)

	for value, want := range map[string]time.Duration{
		"":                               0,
		"0":                              0,
		"1":                              time.Second,
		" 30 ":                           30 * time.Second,
		"2.5":                            2500 * time.Millisecond,
		"-1":                             0,
		"-99999999999999999999":          0,
		"3600":                           time.Hour,
		"3601":                           time.Hour,
		"864000":                         time.Hour,
		"99999999999999999999999999999":  time.Hour,
		"1e300":                          time.Hour,
		"Inf":                            time.Hour,
		"NaN":                            0,
		"soon":                           0,
		"10s":                            0,
		"Sun, 08 Mar 2026 07:00:00 GMT":  30 * time.Second,
		"Sun, 08 Mar 2026 06:59:30 GMT":  0,
		"Sun, 08 Mar 2026 06:00:00 GMT":  0,
		"Wed, 18 Mar 2026 07:00:00 GMT":  time.Hour,
		"Sunday, 08-Mar-26 07:00:00 GMT": 30 * time.Second,
	} {
		if got := itglue.ParseRetryAfter(value, now); got != want {
			t.Errorf("%q: got %s, want %s", value, got, want)
		}
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "-1", "120", "1e9", "NaN", "0x1p-2", "Sun, 08 Mar 2026 07:00:00 GMT", "\x00"} {
		f.Add(seed, int64(1772953170))
	}

	f.Fuzz(func(t *testing.T, value string, unix int64) {
		got := itglue.ParseRetryAfter(value, time.Unix(unix%(1<<40), 0))
		if got < 0 || got > time.Hour {
			t.Errorf("%q: got %s", value, got)
		}

		if seconds, err := strconv.ParseUint(value, 10, 32); err == nil && seconds <= 3600 {
			if want := time.Duration(seconds) * time.Second; got != want {
				t.Errorf("%q: got %s, want %s", value, got, want)
			}
		}
	})
}
