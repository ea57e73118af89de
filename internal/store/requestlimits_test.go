package store_test

import (
	"sync"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

func TestF19LedgerLosesNoRequest(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		begin := time.Now().UTC().Add(time.Hour).Truncate(time.Second)
		var nodes sync.WaitGroup
		for range 8 {
			nodes.Go(func() {
				for range 25 {
					ok(t, s.ChangeLedger(t.Context(), "one", func(l itglue.LedgerState, _ time.Time) itglue.LedgerState {
						if l.SpentUntil.IsZero() {
							l.SpentUntil = begin
						}
						l.SpentUntil = l.SpentUntil.Add(time.Second)
						return l
					}))
				}
			})
		}
		nodes.Wait()
		state, now, err := s.ReadLedger(t.Context(), "one")
		ok(t, err)
		if spent := state.SpentUntil.Sub(begin); spent != 200*time.Second || !state.BlockedUntil.IsZero() {
			t.Errorf("%s spent, %+v", spent, state)
		}
		if d := time.Since(now); d < -time.Minute || d > time.Minute {
			t.Errorf("the database's time is %s", now)
		}
		state, now, err = s.ReadLedger(t.Context(), "other")
		ok(t, err)
		if state != (itglue.LedgerState{}) || now.IsZero() {
			t.Errorf("unknown key: %+v at %s", state, now)
		}
	})
}

func TestLedgerForgetsKeysThatAreNotUsed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		set := func(key string, spent, blocked time.Duration) {
			ok(t, s.ChangeLedger(t.Context(), key, func(_ itglue.LedgerState, now time.Time) itglue.LedgerState {
				return itglue.LedgerState{SpentUntil: now.Add(spent), BlockedUntil: now.Add(blocked)}
			}))
		}
		set("used", time.Minute, 0)
		set("blocked", -48*time.Hour, time.Hour)
		set("old", -48*time.Hour, -time.Hour)
		set("new", 0, 0)
		if n := storetest.Value[int](t, s, "SELECT count(*) FROM request_limits WHERE fingerprint <> 'old'"); n != 3 {
			t.Errorf("%d of 3 keys are kept", n)
		}
		if n := storetest.Value[int](t, s, "SELECT count(*) FROM request_limits"); n != 3 {
			t.Errorf("%d keys are kept, want 3", n)
		}
	})
}
