package itglue_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// roundTripper answers without a network, so that time can be simulated.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

// flaky is an IT Glue that can be switched off, with its clients' breaker.
type flaky struct {
	client *itglue.Client
	calls  atomic.Int32
	down   atomic.Bool
	delay  time.Duration
}

func newFlaky(t *testing.T) *flaky {
	t.Helper()

	f := &flaky{}

	client, err := itglue.New(itglue.Config{
		BaseURL: "https://api.itglue.example", APIKey: "k", MaxAttempts: 1, Breaker: itglue.NewBreakers().ForKey("k", "a"),
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			f.calls.Add(1)

			select {
			case <-time.After(f.delay):
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}

			if f.down.Load() {
				return answer(http.StatusBadGateway, ""), nil
			}

			return answer(http.StatusOK, `{"data": [], "meta": {"current-page": 1, "total-pages": 0, "total-count": 0}}`), nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}

	f.client = client

	return f
}

func (f *flaky) call(ctx context.Context) error {
	_, err := f.client.CountOrganizations(ctx)

	return err
}

func (f *flaky) break5(t *testing.T) {
	t.Helper()
	f.down.Store(true)

	for range 5 {
		failure(t, f.call(t.Context()), itglue.KindUnavailable)
	}
}

func TestF20BreakerFailsFastAndTriesAgainWithOneCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()

		f := newFlaky(t)
		f.break5(t)

		began := time.Now()

		for range 100 {
			if failed := failure(t, f.call(t.Context()), itglue.KindUnavailable); failed.RetryAfter != 30*time.Second || failed.Status != 0 {
				t.Fatalf("%+v", failed)
			}
		}

		if f.calls.Load() != 5 || time.Since(began) > 0 {
			t.Errorf("%d calls in %s", f.calls.Load(), time.Since(began))
		}

		<-time.After(30 * time.Second)
		failure(t, f.call(t.Context()), itglue.KindUnavailable) // tries, in vain
		failure(t, f.call(t.Context()), itglue.KindUnavailable)

		if f.calls.Load() != 6 {
			t.Errorf("%d calls, want one that tries", f.calls.Load())
		}

		<-time.After(30 * time.Second)

		f.delay = time.Second

		f.down.Store(false)

		results := make(chan error, 10)
		for range 10 { // at once: one tries, the others fail fast
			go func() { results <- f.call(t.Context()) }()
		}

		answered := 0

		for range 10 {
			if <-results == nil {
				answered++
			}
		}

		if answered != 1 || f.calls.Load() != 7 {
			t.Errorf("%d answered with %d calls", answered, f.calls.Load())
		}

		if err := f.call(t.Context()); err != nil {
			t.Errorf("after a success: %v", err)
		}
	})
}

func TestBreakerStaysClosed(t *testing.T) {
	t.Parallel()

	for name, between := range map[string]func(t *testing.T, f *flaky){
		"AfterAnAnswerInBetween": func(t *testing.T, f *flaky) {
			t.Helper()
			f.down.Store(false)

			if err := f.call(t.Context()); err != nil {
				t.Error(err)
			}
		},
		"WhenCallersGiveUp": func(t *testing.T, f *flaky) {
			t.Helper()

			f.delay = time.Minute
			for range 10 {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)

				if err := f.call(ctx); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}

			f.delay = 0

			f.down.Store(false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				t.Helper()

				f := newFlaky(t)

				for range 4 {
					f.down.Store(true)
					failure(t, f.call(t.Context()), itglue.KindUnavailable)
				}

				between(t, f)

				if err := f.call(t.Context()); err != nil {
					t.Errorf("%v after %d calls", err, f.calls.Load())
				}
			})
		})
	}
}

func TestTryThatIsCancelledLeavesTheNextOneTheTry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()

		f := newFlaky(t)
		f.break5(t)
		<-time.After(31 * time.Second)

		f.delay = time.Minute
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)

		if err := f.call(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}

		f.delay = 0

		f.down.Store(false)

		if err := f.call(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestBreakersAreOfOneKeyAtOneAddress(t *testing.T) {
	t.Parallel()

	pool := itglue.NewBreakers()
	first, again := pool.ForKey("k", "a"), pool.ForKey("k", "a")
	if first != again || first == pool.ForKey("k", "b") || first == pool.ForKey("l", "a") {
		t.Error("breakers are mixed up")
	}
}
