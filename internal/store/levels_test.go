package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// about tells whether a time that is counted by the database is as long as expected, give or take what a test takes.
func about(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if got < want || got > want+time.Minute {
		t.Errorf("%s is %s, want %s", what, got, want)
	}
}

func TestLevelsAreThoseOfAllAccounts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		nothing, err := s.Levels(t.Context())
		ok(t, err)
		if diff := cmp.Diff(orgsync.Levels{Syncs: []orgsync.SyncLevel{}, Integrations: map[string]int{"none": 0}}, nothing); diff != "" {
			t.Error(diff)
		}

		holding := storetest.Account(t, s)
		storetest.Connected(t, s, holding)
		heldSync(t, s, holding, 3)
		storetest.Exec(t, s, "UPDATE syncs SET finished_at = $1 WHERE account_id = $2", storetest.Now().Add(-time.Hour), holding)
		storetest.Exec(t, s, "UPDATE integrations SET attention_code = 'removals-held', attention_since = $1 WHERE account_id = $2", storetest.Now(), holding)

		running, due, delayed := storetest.Account(t, s), storetest.Account(t, s), storetest.Account(t, s)
		storetest.Running(t, s, running)
		storetest.Connect(t, s, due)
		storetest.Exec(t, s, "UPDATE syncs SET created_at = $1 WHERE account_id = $2", storetest.Now().Add(-20*time.Minute), due)
		storetest.Connect(t, s, delayed)
		storetest.Exec(t, s, "UPDATE syncs SET created_at = $1, not_before = $2 WHERE account_id = $3",
			storetest.Now().Add(-2*time.Hour), storetest.Now().Add(time.Hour), delayed)
		storetest.Exec(t, s, "UPDATE integrations SET daily_enabled = $1, next_run_at = $2 WHERE account_id = $3", true, storetest.Now().Add(-10*time.Minute), due)
		storetest.Exec(t, s, "UPDATE integrations SET daily_enabled = $1, next_run_at = $2 WHERE account_id = $3", false, storetest.Now().Add(-5*time.Hour), running)

		got, err := s.Levels(t.Context())
		ok(t, err)
		about(t, "the longest wait", got.OldestDue, 20*time.Minute)
		about(t, "the lag of the daily sync", got.DailyLag, 10*time.Minute)
		about(t, "the longest hold", got.OldestHeld, time.Hour)
		got.OldestDue, got.DailyLag, got.OldestHeld = 0, 0, 0
		want := orgsync.Levels{
			Syncs: []orgsync.SyncLevel{
				{Kind: orgsync.Initial, State: orgsync.LevelDelayed, Count: 1}, {Kind: orgsync.Initial, State: orgsync.LevelDue, Count: 1},
				{Kind: orgsync.Initial, State: orgsync.LevelRunning, Count: 1},
			},
			HeldSyncs: 1, HeldRemovals: 3, Integrations: map[string]int{"none": 3, "removals-held": 1},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if c := s.Connections(); c.Max < 1 || c.InUse < 0 || c.InUse > c.Max {
			t.Errorf("%+v", c)
		}
	})
}
