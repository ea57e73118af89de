package orgsync_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// clock is what a node believes the time to be.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// evening is the one before the first night of the scenarios, in New York, which has midnight at 05:00 UTC.
var evening = time.Date(2026, 1, 9, 17, 0, 0, 0, eastern)

var eastern = time.FixedZone("EST", -5*60*60)

// night is a world that was connected in the evening.
type night struct {
	*world

	clock *clock
}

// eachNight runs a scenario on both databases, with an account that has one organization, Acme, mapped to its namesake in IT Glue.
func eachNight(t *testing.T, scenario func(n night, acme, itglueID string)) {
	t.Helper()
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Helper()
		c := &clock{at: evening}
		n := night{newWorld(t, storetest.Open(t, url, store.Options{Now: c.now}), c.now), c}
		theirs, ours := n.theirs("Acme"), n.ours("Acme")
		n.connect()
		scenario(n, ours[0], theirs[0])
	})
}

// at moves the clock to a local time of 10 January or, with so many days, later.
func (n night) at(days, hour, minute int) {
	n.clock.set(time.Date(2026, 1, 10+days, hour, minute, 0, 0, eastern))
}

// sweep begins and runs what is due, and compares the dates with those that are wanted.
func (n night) sweep(want ...string) {
	n.t.Helper()
	due, err := n.nights.Due(n.t.Context())
	n.ok(err)
	begun := n.nights.Start(n.t.Context(), due)
	got := make([]string, len(begun))
	for i, f := range begun {
		n.ok(n.runner.Run(n.t.Context(), f))
		ended, err := n.store.Sync(n.t.Context(), f.AccountID, f.SyncID)
		n.ok(err)
		n.expect(ended, orgsync.Succeeded, n.changes(ended)...)
		got[i] = string(ended.DueDate)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		n.t.Errorf("at %s began syncs for %v, want %v", n.clock.now().In(eastern), got, want)
	}
}

func (n night) daily(enabled bool) {
	n.t.Helper()
	_, err := n.integrations.Change(n.t.Context(), n.accountID, integration.Change{Daily: integration.DailyChange{Enabled: &enabled}}, n.token)
	n.ok(err)
}

// missed returns how many dates have had no sync, of each event that tells so.
func (n night) missed() (dates []any) {
	n.t.Helper()
	events, err := n.store.Events(n.t.Context(), n.accountID, event.Filter{Type: event.DailySyncMissed})
	n.ok(err)
	for _, e := range events.Items {
		dates = append(dates, e.After["missed"])
	}
	return dates
}

// TestWhatIsSynced is the table of states: whether daily syncs are on, whether the mapping is active, and what begins the sync.
func TestWhatIsSynced(t *testing.T) {
	t.Parallel()
	const (
		daily, manual, refresh = "daily sync", "manual sync", "refresh of the organization"
		nothing, listed, named = "nothing", "the directory only", "the name"
	)
	for _, c := range []struct {
		dailyOn, active bool
		way, synced     string
	}{
		{true, true, daily, named},
		{true, true, manual, named},
		{true, true, refresh, named},
		{true, false, daily, listed},
		{true, false, manual, listed},
		{true, false, refresh, named},
		{false, true, daily, nothing},
		{false, true, manual, named},
		{false, true, refresh, named},
		{false, false, daily, nothing},
		{false, false, manual, listed},
		{false, false, refresh, named},
	} {
		t.Run(fmt.Sprintf("daily syncs %t, mapping active %t, %s", c.dailyOn, c.active, c.way), func(t *testing.T) {
			t.Parallel()
			eachNight(t, func(n night, acme, itglueID string) {
				n.daily(c.dailyOn)
				_, err := n.mappings.SetSyncEnabled(n.t.Context(), n.accountID, acme, c.active, n.token)
				n.ok(err)
				n.itglue.Rename(itglueID, "Acme Ltd")
				n.at(0, 0, 1)
				switch c.way {
				case daily:
					due, err := n.nights.Due(n.t.Context())
					n.ok(err)
					for _, f := range n.nights.Start(n.t.Context(), due) {
						n.ok(n.runner.Run(n.t.Context(), f))
					}
				case manual:
					n.sync(orgsync.Manual)
				case refresh:
					_, err := n.syncs.Refresh(n.t.Context(), n.accountID, acme, n.token)
					n.ok(err)
				}
				entry, err := n.store.DirectoryEntry(n.t.Context(), n.accountID, itglueID)
				n.ok(err)
				synced := nothing
				switch row := n.row(acme); {
				case row.OrganizationName == "Acme Ltd" && row.ITGlueName == "Acme Ltd" && entry.Name == "Acme Ltd":
					synced = named
				case row.OrganizationName == "Acme" && row.ITGlueName == "Acme Ltd" && entry.Name == "Acme Ltd":
					synced = listed
				case row.OrganizationName != "Acme" || row.ITGlueName != "Acme" || entry.Name != "Acme":
					t.Errorf("row %+v, entry %+v", row, entry)
				}
				if synced != c.synced {
					t.Errorf("synced %s, want %s", synced, c.synced)
				}
			})
		})
	}
}

func TestF34NodeThatWasDownAtMidnightCatchesUpOnce(t *testing.T) {
	t.Parallel()
	eachNight(t, func(n night, acme, itglueID string) {
		n.itglue.Rename(itglueID, "Acme Ltd")
		n.at(-1, 23, 59)
		n.sweep()
		n.at(0, 0, 20)
		n.sweep("2026-01-10")
		n.expectRow(acme, "Acme Ltd", itglueID, "active")
		n.sweep()

		n.at(3, 9, 0) // and down for three nights
		n.sweep("2026-01-13")
		n.sweep()
		if missed := n.missed(); len(missed) != 1 || missed[0] != 2.0 {
			n.t.Errorf("missed %v", missed)
		}
		n.at(4, 13, 0) // too late
		n.sweep()
		if missed := n.missed(); len(missed) != 2 || missed[0] != 1.0 {
			n.t.Errorf("missed %v", missed)
		}
		n.at(5, 0, 0)
		n.sweep("2026-01-15")
	})
}

func TestNightWithoutChangesNotesThatTheDirectoryWasTaken(t *testing.T) {
	t.Parallel()
	eachNight(t, func(n night, _, _ string) {
		n.at(0, 0, 0)
		n.sweep("2026-01-10")
		in, err := n.store.Integration(n.t.Context(), n.accountID)
		n.ok(err)
		if in.ListedAt == nil || !in.ListedAt.Equal(n.clock.now()) || !in.LastSyncedAt.Equal(n.clock.now()) {
			n.t.Errorf("listed at %s, synced at %s, the night being at %s", in.ListedAt, in.LastSyncedAt, n.clock.now())
		}
	})
}

func TestDailySyncComesRightAfterTheManualOneAtMidnight(t *testing.T) {
	t.Parallel()
	eachNight(t, func(n night, _, itglueID string) {
		n.at(-1, 23, 59)
		manual := n.start(orgsync.Manual)
		n.at(0, 0, 0)
		n.sweep()
		n.expect(n.run(manual), orgsync.Succeeded)
		n.itglue.Rename(itglueID, "Acme Ltd") // what the manual one did not see
		n.sweep("2026-01-10")
		n.sweep()
		n.at(1, 0, 0)
		n.sweep("2026-01-11")
	})
}

func TestPauseAndResumeAroundMidnight(t *testing.T) {
	t.Parallel()
	eachNight(t, func(n night, acme, itglueID string) {
		n.itglue.Rename(itglueID, "Acme Ltd")
		n.at(-1, 23, 59)
		n.daily(false)
		n.at(0, 0, 0)
		n.sweep()
		n.at(0, 0, 30)
		n.daily(true) // after midnight: the next date
		n.sweep()
		n.expectRow(acme, "Acme", itglueID, "active")
		n.at(0, 23, 59)
		n.sweep()
		n.at(1, 0, 0)
		n.sweep("2026-01-11")
		n.daily(false) // after the run of the date
		n.daily(true)
		n.sweep()
		n.at(1, 23, 0)
		n.daily(false)
		n.daily(true) // before midnight: that midnight
		n.at(2, 0, 0)
		n.sweep("2026-01-12")
		if missed := n.missed(); missed != nil {
			n.t.Errorf("missed %v, which were not planned", missed)
		}
	})
}

func TestNewTimeOfDayAfterTheRunOfTheDateIsForTheNextDate(t *testing.T) {
	t.Parallel()
	eachNight(t, func(n night, _, _ string) {
		n.at(0, 0, 0)
		n.sweep("2026-01-10")
		n.at(0, 1, 0)
		four := "04:00"
		_, err := n.integrations.Change(n.t.Context(), n.accountID, integration.Change{Daily: integration.DailyChange{Time: &four}}, n.token)
		n.ok(err)
		n.at(0, 4, 0)
		n.sweep()
		n.at(1, 3, 59)
		n.sweep()
		n.at(1, 4, 0)
		n.sweep("2026-01-11")
	})
}

func TestRefusedKeyOfTheNightIsTriedAgainUntilItWorks(t *testing.T) {
	t.Parallel()
	eachNight(t, func(n night, acme, itglueID string) {
		n.itglue.Rename(itglueID, "Acme Ltd")
		n.itglue.RevokeKey(apiKey)
		fail := func() {
			n.t.Helper()
			due, err := n.nights.Due(n.t.Context())
			n.ok(err)
			fences := n.nights.Start(n.t.Context(), due)
			if len(fences) != 1 {
				n.t.Fatalf("began %v", fences)
			}
			n.ok(n.runner.Run(n.t.Context(), fences[0]))
			n.sweep()
			in, err := n.store.Integration(n.t.Context(), n.accountID)
			n.ok(err)
			if in.Attention == nil || in.Attention.Code != integration.CredentialsRejected {
				n.t.Fatalf("attention %+v", in.Attention)
			}
		}
		n.at(0, 0, 0)
		fail()
		n.at(0, 5, 59)
		n.sweep()
		n.at(0, 6, 0)
		fail()
		n.at(0, 17, 59)
		n.sweep()
		n.expectRow(acme, "Acme", itglueID, "active")
		n.itglue.AddKey(apiKey)
		n.at(0, 18, 0)
		n.sweep("")
		n.expectRow(acme, "Acme Ltd", itglueID, "active")
		in, err := n.store.Integration(n.t.Context(), n.accountID)
		n.ok(err)
		if in.Attention != nil {
			n.t.Errorf("attention %+v after the key worked", in.Attention)
		}
		n.at(0, 23, 59)
		n.sweep()
		n.at(1, 0, 0)
		n.sweep("2026-01-11")
	})
}

func TestAccountThatFailsKeepsNoOtherWaiting(t *testing.T) {
	t.Parallel()
	eachNight(t, func(n night, _, _ string) {
		for range 3 {
			ill := storetest.Account(n.t, n.store)
			storetest.Connected(n.t, n.store, ill)
			storetest.Daily(n.t, n.store, ill, "Atlantis/Poseidonis", "00:00")
		}
		n.at(0, 0, 0)
		n.sweep("2026-01-10")
	})
}

func TestNightEndsQuietlyWithTheProcess(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		var log bytes.Buffer
		nights := orgsync.NewNights(s, slog.New(slog.NewTextHandler(&log, nil)))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		started := nights.Start(ctx, []string{storetest.Account(t, s), storetest.Account(t, s)})
		if len(started) > 0 || log.Len() > 0 {
			t.Errorf("started %v, logged %q", started, log.String())
		}
	})
}
