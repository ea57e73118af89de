package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// wrongClocks are those of nodes that are minutes or hours from the database's.
var wrongClocks = map[string]time.Duration{"5m ahead": 5 * time.Minute, "5m behind": -5 * time.Minute, "6h ahead": 6 * time.Hour, "6h behind": -6 * time.Hour}

func TestF36NodeWithAWrongClockBeginsNoNightEarlyOrLate(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) { // which tells all nodes the time
		t.Parallel()
		for name, wrong := range wrongClocks {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := storetest.Postgres(t)
				s.SetNodesClock(func() time.Time { return time.Now().Add(wrong) })
				due, early := storetest.Account(t, s), storetest.Account(t, s)
				for _, id := range []string{due, early} {
					storetest.Connected(t, s, id)
				}
				planned(t, s, due, time.Now().Add(-time.Minute))
				planned(t, s, early, time.Now().Add(2*time.Minute))
				found, err := s.DueAccounts(t.Context(), 10)
				ok(t, err)
				same(t, found, []string{due})
				for id, want := range map[string]bool{due: true, early: false} {
					_, started, err := s.StartDaily(t.Context(), id, storetest.ID(t))
					ok(t, err)
					same(t, started, want)
				}
			})
		}
	})
}

// planned gives an account a daily sync at an instant of which only the minute counts.
func planned(t *testing.T, s *store.Store, accountID string, at time.Time) {
	t.Helper()
	at = at.UTC()
	storetest.Daily(t, s, accountID, "UTC", at.Format("15:04"))
	storetest.Exec(t, s, "UPDATE integrations SET next_run_date = $2, next_run_at = $3 WHERE account_id = $1",
		accountID, at.Format(time.DateOnly), at.Truncate(time.Minute))
}

func TestF36JumpOfANodesClockCostsNoLease(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		storetest.Connected(t, s, id)
		f := startClaimed(t, s, id, orgsync.Manual)
		for _, wrong := range wrongClocks {
			s.SetNodesClock(func() time.Time { return time.Now().Add(wrong) })
			n, err := s.TakeOverSyncs(t.Context())
			ok(t, err)
			same(t, n, 0)
			ok(t, s.Heartbeat(t.Context(), f, orgsync.DefaultLease, orgsync.Progress{}))
		}
		ok(t, s.FinishSync(t.Context(), f, orgsync.Outcome{Status: orgsync.Succeeded}))
	})
}

// TestF36LeaseOfAClockThatWasPutBackEndsAllTheSame has the database's own clock put back by six hours after a node was lost.
func TestF36LeaseOfAClockThatWasPutBackEndsAllTheSame(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		storetest.Connected(t, s, id)
		f := startClaimed(t, s, id, orgsync.Manual)
		storetest.Exec(t, s, "UPDATE syncs SET lease_until = $1 WHERE status = 'running'", time.Now().UTC().Add(6*time.Hour))
		n, err := s.TakeOverSyncs(t.Context())
		ok(t, err)
		same(t, n, 0) // its owner may live
		ok(t, s.Heartbeat(t.Context(), f, orgsync.DefaultLease, orgsync.Progress{}))

		storetest.Exec(t, s, "UPDATE syncs SET lease_until = $1 WHERE status = 'running'", time.Now().UTC().Add(6*time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for n == 0 {
			n, err = s.TakeOverSyncs(ctx)
			ok(t, err)
			<-ticker.C
		}
	})
}
