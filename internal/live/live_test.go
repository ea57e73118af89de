package live_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/live"
)

// source is a channel for all accounts.
type source struct {
	changed  chan struct{}
	prompt   atomic.Bool
	watching atomic.Int32
}

func newSource() *source { return &source{changed: make(chan struct{}, 1)} }

func (s *source) Watch(string) (changed <-chan struct{}, stop func()) {
	s.watching.Add(1)
	return s.changed, func() { s.watching.Add(-1) }
}

func (s *source) Prompt() bool { return s.prompt.Load() }

func watch(t *testing.T, s *live.Service, caller string) *live.Watcher {
	t.Helper()
	w, err := s.Watch("account", caller)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestSignsOfLifeAndLooksComeInTheirTime(t *testing.T) {
	t.Parallel()
	for name, prompt := range map[string]bool{"told of changes": true, "not told": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				t.Helper()
				from := newSource()
				from.prompt.Store(prompt)
				w := watch(t, live.NewService(live.Config{Source: from}), "me")
				defer w.Close()
				began, signals := time.Now(), map[live.Signal]int{}
				for time.Since(began) < 10*time.Minute {
					signals[w.Wait(t.Context())]++
				}
				// Every look begins anew with a sign of life, which comes every 15 seconds; the last one may be due with the last look.
				looks := map[bool]int{true: 40, false: 560}[prompt]
				if signals[live.Heartbeat] < 39 || signals[live.Heartbeat] > 40 || signals[live.Changed] < looks || signals[live.Changed] > 600 || signals[live.Ended] > 0 {
					t.Errorf("in ten minutes: %v", signals)
				}
			})
		})
	}
}

func TestSignsOfLifeComeAlsoWhileMuchChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		from := newSource()
		w := watch(t, live.NewService(live.Config{Source: from}), "me")
		defer w.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		var busy sync.WaitGroup
		busy.Go(func() {
			for ctx.Err() == nil {
				<-ticker.C
				select {
				case from.changed <- struct{}{}:
				default:
				}
			}
		})
		signals := map[live.Signal]int{}
		for signals[live.Ended] == 0 {
			signals[w.Wait(ctx)]++
		}
		if signals[live.Heartbeat] < 39 || signals[live.Changed] < 5900 {
			t.Errorf("in ten minutes: %v", signals)
		}
		busy.Wait()
	})
}

func TestChangeEndAndCloseAreNoticedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		from, began := newSource(), time.Now()
		from.prompt.Store(true)
		service := live.NewService(live.Config{Source: from})
		w := watch(t, service, "me")
		from.changed <- struct{}{}
		if got := w.Wait(t.Context()); got != live.Changed {
			t.Errorf("after a change: %v", got)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if got := w.Wait(gone); got != live.Ended || !w.Ended(gone) || w.Ended(t.Context()) {
			t.Errorf("after the client has gone: %v", got)
		}
		ended := make(chan live.Signal)
		go func() { ended <- w.Wait(t.Context()) }()
		synctest.Wait()
		service.Close()
		if got := <-ended; got != live.Ended || !w.Ended(t.Context()) {
			t.Errorf("after the end of the process: %v", got)
		}
		from.changed <- struct{}{}
		if got := w.Wait(t.Context()); got != live.Ended {
			t.Errorf("what changed at the end: %v", got)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v", took)
		}
		w.Close()
		if from.watching.Load() != 0 || service.Following() != 0 {
			t.Error("the watcher is still there")
		}
		if _, err := service.Watch("account", "me"); !errs.Is(err, errs.Unavailable) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestFollowersOfAnAccountLeaveRoomForOthers(t *testing.T) {
	t.Parallel()
	service := live.NewService(live.Config{Source: newSource(), PerAccount: 2, InAll: 3})
	first := watch(t, service, "a")
	watch(t, service, "b")
	if _, err := service.Watch("account", "c"); !errs.Is(err, errs.QuotaExceeded) {
		t.Errorf("the third of an account: %v", err)
	}
	other, err := service.Watch("another account", "c")
	if err != nil {
		t.Fatal(err)
	}
	other.Close()
	first.Close()
	watch(t, service, "c")
}

func TestNoMoreFollowersReadAtTheSameTimeThanMay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		service := live.NewService(live.Config{Source: newSource(), Readers: 2})
		release := make(chan struct{})
		var reading atomic.Int32
		for range 5 {
			w := watch(t, service, "me")
			t.Cleanup(w.Close)
			go w.Read(t.Context(), func() {
				reading.Add(1)
				<-release
			})
		}
		synctest.Wait()
		if n := reading.Load(); n != 2 {
			t.Errorf("%d read at the same time", n)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		w := watch(t, service, "me")
		defer w.Close()
		w.Read(gone, func() { t.Error("who has gone reads") })
		close(release)
		synctest.Wait()
		if n := reading.Load(); n != 5 {
			t.Errorf("%d have read", n)
		}
		service.Close()
	})
}

func TestWhoDoesNotWaitIsToldOfASignOfLifeOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		w := watch(t, live.NewService(live.Config{Source: newSource()}), "me")
		defer w.Close()
		for range 3 {
			if w.Due() {
				t.Error("due too early")
			}
			<-time.After(live.DefaultHeartbeat)
			if !w.Due() {
				t.Error("not due in time")
			}
		}
	})
}

func TestFollowersAreLimitedByCallerAndInAll(t *testing.T) {
	t.Parallel()
	service := live.NewService(live.Config{Source: newSource(), PerCaller: 2, InAll: 3})
	first, second := watch(t, service, "a"), watch(t, service, "a")
	if _, err := service.Watch("account", "a"); !errs.Is(err, errs.QuotaExceeded) {
		t.Errorf("the third of a caller: %v", err)
	}
	third := watch(t, service, "b")
	if _, err := service.Watch("account", "b"); !errs.Is(err, errs.Unavailable) {
		t.Errorf("the fourth in all: %v", err)
	}
	first.Close()
	fourth := watch(t, service, "b")
	if _, err := service.Watch("account", "c"); !errs.Is(err, errs.Unavailable) {
		t.Errorf("the fourth in all again: %v", err)
	}
	for _, w := range []*live.Watcher{second, third, fourth} {
		w.Close()
	}
	if service.Following() != 0 {
		t.Errorf("%d follow", service.Following())
	}
	watch(t, service, "a").Close()
}
