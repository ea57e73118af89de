package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// eachNight runs a scenario at noon UTC of 10 January, with an account whose daily sync is planned for the next midnight UTC.
func eachNight(t *testing.T, scenario func(k *keeper)) {
	t.Helper()
	eachKeeper(t, func(k *keeper) {
		k.since = time.Date(2026, 1, 10, 12, 0, 0, 0, time.UTC)
		k.at(0)
		storetest.Daily(k.t, k.s, k.id, "UTC", "00:00")
		k.sweep(nil)
		scenario(k)
	})
}

// nights are scenarios by their names.
func nights(t *testing.T, name string, scenario func(k *keeper)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		eachNight(t, scenario)
	})
}

// midnight is the first one after the beginning, and others count from it.
const midnight = 12 * time.Hour

func (k *keeper) due() []string {
	k.t.Helper()
	due, err := k.s.DueAccounts(k.t.Context(), 100)
	ok(k.t, err)
	return due
}

// begin asks for the account's sync and returns it; nil when none begins.
func (k *keeper) begin() *orgsync.Sync {
	k.t.Helper()
	id := storetest.ID(k.t)
	f, started, err := k.s.StartDaily(k.t.Context(), k.id, id)
	ok(k.t, err)
	if !started {
		_, err := k.s.Sync(k.t.Context(), k.id, id)
		wantCode(k.t, err, errs.NotFound)
		return nil
	}
	same(k.t, f, orgsync.Fence{AccountID: k.id, SyncID: id, Epoch: 1})
	sync, err := k.s.Sync(k.t.Context(), k.id, id)
	ok(k.t, err)
	return &sync
}

// sweep begins what is due and compares the dates of the syncs that began, "" being one without a date.
func (k *keeper) sweep(want ...any) {
	k.t.Helper()
	dates := []any{}
	for range k.due() {
		if sync := k.begin(); sync != nil {
			dates = append(dates, string(sync.DueDate))
		}
	}
	if len(want) == 1 && want[0] == nil {
		want = []any{}
	}
	same(k.t, dates, want)
}

// end ends the active sync.
func (k *keeper) end(learnt orgsync.Credentials) {
	k.t.Helper()
	active, err := k.s.ActiveSync(k.t.Context(), k.id)
	ok(k.t, err)
	f := orgsync.Fence{AccountID: k.id, SyncID: active.ID, Epoch: active.Epoch}
	storetest.Claim(k.t, k.s, f)
	o := orgsync.Outcome{Status: orgsync.Succeeded, Credentials: learnt}
	if learnt != orgsync.CredentialsAccepted {
		o.Status, o.Failure = orgsync.Failed, &orgsync.Failure{Code: "x", Detail: "No."}
	}
	ok(k.t, k.s.FinishSync(k.t.Context(), f, o))
}

func (k *keeper) planned(last, next string, at time.Duration) {
	k.t.Helper()
	d := k.integration().Daily
	same(k.t, []any{d.LastDate, d.NextDate, d.NextRunAt.Equal(k.since.Add(at))}, []any{last, next, true})
}

func (k *keeper) missed() (facts []event.Event) {
	k.t.Helper()
	return eventsOf(k.t, k.s, k.id, event.Filter{Type: event.DailySyncMissed})
}

func TestDailySyncBeginsOnceADate(t *testing.T) {
	t.Parallel()
	eachNight(t, func(k *keeper) {
		k.planned("", "2026-01-11", midnight)
		k.at(midnight - time.Microsecond)
		k.sweep(nil)
		if sync := k.begin(); sync != nil { // also if somebody thinks that it is due
			k.t.Errorf("began %+v", sync)
		}
		k.planned("", "2026-01-11", midnight)

		k.at(midnight)
		same(k.t, k.due(), []string{k.id})
		sync := k.begin()
		if sync == nil || sync.Kind != orgsync.Daily || sync.Status != orgsync.Queued || sync.RequestedBy != (event.Actor{}) ||
			sync.DueDate != "2026-01-11" || !sync.CreatedAt.Equal(k.now) || sync.IntegrationID != k.integration().ID {
			k.t.Fatalf("began %+v", sync)
		}
		k.planned("2026-01-11", "2026-01-12", midnight+24*time.Hour)
		facts := eventsOf(k.t, k.s, k.id, event.Filter{Type: event.SyncQueued})
		if len(facts) != 2 || facts[0].SyncID != sync.ID || facts[0].Actor != (event.Actor{}) {
			k.t.Fatalf("events %+v", facts)
		}
		same(k.t, facts[0].After, event.Properties{"kind": "daily", "dueDate": "2026-01-11"})
		k.sweep(nil)
		k.end(orgsync.CredentialsAccepted)
		k.sweep(nil)
		k.at(midnight + 23*time.Hour)
		k.sweep(nil)
		k.at(midnight + 24*time.Hour)
		k.sweep("2026-01-12")
		same(k.t, len(k.missed()), 0)
	})
}

func TestNodesThatSweepAtOnceBeginOneSync(t *testing.T) {
	t.Parallel()
	eachNight(t, func(k *keeper) {
		k.at(midnight)
		began := make(chan bool, 8)
		contestants := make([]func() error, cap(began))
		for i := range contestants {
			id := storetest.ID(k.t)
			contestants[i] = func() error {
				_, started, err := k.s.StartDaily(k.t.Context(), k.id, id)
				began <- started
				return err
			}
		}
		for _, err := range race(contestants...) {
			ok(k.t, err)
		}
		n := 0
		for range contestants {
			if <-began {
				n++
			}
		}
		same(k.t, []int{n, storetest.Value[int](k.t, k.s, "SELECT count(*) FROM syncs WHERE kind = 'daily'")}, []int{1, 1})
		k.planned("2026-01-11", "2026-01-12", midnight+24*time.Hour)
	})
}

func TestDailySyncWaitsForTheSyncBeforeIt(t *testing.T) {
	t.Parallel()
	eachNight(t, func(k *keeper) {
		manual, _, err := k.s.StartSync(k.t.Context(), newSync(k.t, k.s, k.id, orgsync.Manual))
		ok(k.t, err)
		k.at(midnight)
		for range 2 {
			same(k.t, k.due(), []string{})
			if sync := k.begin(); sync != nil {
				k.t.Errorf("began %+v beside another", sync)
			}
			k.planned("", "2026-01-11", midnight)
			same(k.t, len(eventsOf(k.t, k.s, k.id, event.Filter{Type: event.SyncQueued})), 2)
			if manual.Status == orgsync.Queued {
				storetest.Claim(k.t, k.s, orgsync.Fence{AccountID: k.id, SyncID: manual.ID, Epoch: 1})
				manual.Status = orgsync.Running
			}
		}
		k.at(midnight + time.Hour)
		ok(k.t, k.s.FinishSync(k.t.Context(), orgsync.Fence{AccountID: k.id, SyncID: manual.ID, Epoch: 1}, orgsync.Outcome{Status: orgsync.Succeeded}))
		k.sweep("2026-01-11")
	})
}

func TestF34DailySyncIsCaughtUpOnceWithin12Hours(t *testing.T) {
	t.Parallel()
	for late, want := range map[time.Duration]any{
		20 * time.Minute:              "2026-01-11",
		12 * time.Hour:                "2026-01-11",
		12*time.Hour + time.Second:    nil,
		24*time.Hour - time.Second:    nil,
		3*24*time.Hour + 11*time.Hour: "2026-01-14",
	} {
		nights(t, late.String(), func(k *keeper) {
			k.at(midnight + late)
			k.sweep(want)
			k.sweep(nil)
			days := int(late / (24 * time.Hour))
			next := time.Date(2026, 1, 12+days, 0, 0, 0, 0, time.UTC)
			last, _ := want.(string)
			k.planned(last, next.Format(time.DateOnly), next.Sub(k.since))
			missed := days
			if want == nil {
				missed++
			}
			facts := k.missed()
			if missed == 0 {
				same(k.t, len(facts), 0)
				return
			}
			if len(facts) != 1 || facts[0].SyncID != "" || facts[0].Detail == "" {
				k.t.Fatalf("%s late: events %+v", late, facts)
			}
			same(k.t, facts[0].After, event.Properties{"missed": float64(missed), "firstDate": "2026-01-11"})
		})
	}
}

// A date that the last run is before has had its sync: what is stored decides, not what is remembered of it.
func TestDateThatHasItsSyncIsLeftAlone(t *testing.T) {
	t.Parallel()
	eachNight(t, func(k *keeper) {
		k.at(midnight)
		k.sweep("2026-01-11")
		k.end(orgsync.CredentialsAccepted)
		storetest.Exec(k.t, k.s, "UPDATE integrations SET last_run_date = NULL, next_run_date = '2026-01-11', next_run_at = $1", k.now)
		k.sweep(nil)
		k.planned("2026-01-11", "2026-01-12", midnight+24*time.Hour)
		same(k.t, len(eventsOf(k.t, k.s, k.id, event.Filter{Type: event.SyncQueued})), 2)
	})
}

func TestF36ClockThatIsPutBackBeginsNothingTwice(t *testing.T) {
	t.Parallel()
	eachNight(t, func(k *keeper) {
		k.at(midnight)
		k.sweep("2026-01-11")
		k.end(orgsync.CredentialsAccepted)
		for _, back := range []time.Duration{6 * time.Hour, 30 * time.Hour, 0} {
			k.at(midnight - back)
			k.sweep(nil)
		}
		k.at(midnight + 6*24*time.Hour) // a clock that is ahead begins a date early
		k.sweep("2026-01-17")
		k.end(orgsync.CredentialsAccepted)
		k.at(midnight + 24*time.Hour)
		k.sweep(nil)
		k.at(midnight + 7*24*time.Hour)
		k.sweep("2026-01-18")
	})
}

func TestPausedAccountHasNoSyncByItself(t *testing.T) {
	t.Parallel()
	eachNight(t, func(k *keeper) {
		storetest.Exec(k.t, k.s, "UPDATE integrations SET daily_enabled = false, retry_at = $1", k.now)
		for _, at := range []time.Duration{midnight, midnight + 13*time.Hour} {
			k.at(at)
			same(k.t, k.due(), []string{})
			if sync := k.begin(); sync != nil {
				k.t.Errorf("began %+v while paused", sync)
			}
		}
		k.planned("", "2026-01-11", midnight)
		same(k.t, len(k.missed()), 0)
	})
}

func TestPauseStopsTheSyncThatBeganByItself(t *testing.T) {
	t.Parallel()
	me := event.Actor{TokenName: "me"}
	pause := func(k *keeper) {
		_, _, err := k.s.ChangeIntegration(k.t.Context(), k.id, func(in integration.Integration) (integration.Changed, error) {
			in.Daily.Enabled = false
			return integration.Changed{Integration: in, By: me, Facts: []event.Event{{Type: event.DailySyncPaused, Actor: me}}}, nil
		})
		ok(k.t, err)
	}
	nights(t, "daily", func(k *keeper) {
		k.at(midnight)
		sync := k.begin()
		storetest.Claim(k.t, k.s, orgsync.Fence{AccountID: k.id, SyncID: sync.ID, Epoch: 1})
		pause(k)
		got, err := k.s.Sync(k.t.Context(), k.id, sync.ID)
		ok(k.t, err)
		same(k.t, got.Status, orgsync.Cancelled)
		assertFenced(k.t, k.s, orgsync.Fence{AccountID: k.id, SyncID: sync.ID, Epoch: 1})
		facts := eventsOf(k.t, k.s, k.id, event.Filter{Type: event.SyncCancelled})
		same(k.t, []any{len(facts), facts[0].Actor}, []any{1, me})
	})
	nights(t, "manual", func(k *keeper) { // one that a person asked for goes on
		f := startClaimed(k.t, k.s, k.id, orgsync.Manual)
		pause(k)
		ok(k.t, k.s.FinishSync(k.t.Context(), f, orgsync.Outcome{Status: orgsync.Succeeded}))
	})
}

func TestScheduleThatCannotBeReadKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	eachNight(t, func(k *keeper) {
		ill := storetest.Account(k.t, k.s)
		storetest.Connected(k.t, k.s, ill)
		storetest.Daily(k.t, k.s, ill, "Atlantis/Poseidonis", "00:00")
		storetest.Exec(k.t, k.s, "UPDATE integrations SET next_run_date = '2026-01-01', next_run_at = $2 WHERE account_id = $1", ill, k.now.Add(-time.Hour))
		k.at(midnight)
		same(k.t, k.due(), []string{ill, k.id})
		_, _, err := k.s.StartDaily(k.t.Context(), ill, storetest.ID(k.t))
		wantCode(k.t, err, errs.ValidationFailed)
		k.begin()
		same(k.t, k.due(), []string{ill})
	})
}

func TestAccountThatIsNotConnectedHasNoDailySync(t *testing.T) {
	t.Parallel()
	eachNight(t, func(k *keeper) {
		k.at(midnight)
		_, err := k.s.Deactivate(k.t.Context(), k.id, event.Actor{})
		ok(k.t, err)
		same(k.t, k.due(), []string{})
		for _, id := range []string{k.id, noSuchID} {
			_, started, err := k.s.StartDaily(k.t.Context(), id, storetest.ID(k.t))
			ok(k.t, err)
			same(k.t, started, false)
		}
		same(k.t, storetest.Value[int](k.t, k.s, "SELECT count(*) FROM syncs WHERE kind = 'daily'"), 0)
	})
}

func TestWhoWaitsLongestIsDueFirst(t *testing.T) {
	t.Parallel()
	eachNight(t, func(k *keeper) {
		ids := map[string]string{"dated": k.id}
		for name, sql := range map[string]string{
			"retry":     "next_run_at = '2026-01-12 00:00:00+00:00', retry_at = '2026-01-10 18:00:00+00:00'",
			"older":     "next_run_at = '2026-01-10 12:30:00+00:00'",
			"unplanned": "next_run_at = NULL",
			"later":     "next_run_at = '2026-01-12 00:00:00+00:00', retry_at = '2026-01-11 18:00:00+00:00'",
		} {
			ids[name] = storetest.Account(k.t, k.s)
			storetest.Connected(k.t, k.s, ids[name])
			storetest.Exec(k.t, k.s, "UPDATE integrations SET daily_enabled = true, "+sql+" WHERE account_id = $1", ids[name])
		}
		k.at(midnight)
		same(k.t, k.due(), []string{ids["unplanned"], ids["older"], ids["retry"], ids["dated"]})
		two, err := k.s.DueAccounts(k.t.Context(), 2)
		ok(k.t, err)
		same(k.t, two, []string{ids["unplanned"], ids["older"]})
	})
}

func TestRefusedKeyIsTriedAgainByItself(t *testing.T) {
	t.Parallel()
	for name, learnt := range map[string]orgsync.Credentials{"refused": orgsync.CredentialsRejected, "no answer": orgsync.CredentialsUnknown} {
		nights(t, name, func(k *keeper) {
			k.sync(orgsync.CredentialsRejected)
			k.expect(true, 6*time.Hour)
			k.at(6*time.Hour - time.Second)
			k.sweep(nil)
			for _, step := range []struct {
				at, next time.Duration
				date     string
			}{
				{6 * time.Hour, 18 * time.Hour, ""},
				{midnight, 18 * time.Hour, "2026-01-11"}, // the night is no step
				{18 * time.Hour, 42 * time.Hour, ""},
				{midnight + 24*time.Hour, 42 * time.Hour, "2026-01-12"},
				{42 * time.Hour, never, ""},
				{midnight + 48*time.Hour, never, "2026-01-13"},
				{midnight + 72*time.Hour, never, "2026-01-14"},
			} {
				k.at(step.at)
				k.sweep(step.date)
				k.expect(true, step.next)
				k.sweep(nil)
				k.end(learnt)
				k.expect(true, step.next)
				k.sweep(nil) // however it ended
			}
			if name == "refused" {
				k.events(event.CredentialsRejected)
			}
		})
	}
}

func TestOneSyncServesTheNightAndARetry(t *testing.T) {
	t.Parallel()
	eachNight(t, func(k *keeper) {
		k.at(6 * time.Hour)
		k.since = k.now
		k.sync(orgsync.CredentialsRejected)
		k.at(6 * time.Hour)
		k.sweep("2026-01-11")
		k.expect(true, 18*time.Hour)
		k.end(orgsync.CredentialsRejected)
		k.sweep(nil)
		k.expect(true, 18*time.Hour)
	})
}

func TestNewKeyIsTriedOnceAndAtOnce(t *testing.T) {
	t.Parallel()
	eachNight(t, func(k *keeper) {
		k.sync(orgsync.CredentialsRejected)
		k.at(time.Hour)
		change(k.t, k.s, k.id, func(c *integration.Changed) { c.KeyAccepted, c.OtherKey = true, true })
		k.expect(false, time.Hour)
		k.sweep("")
		k.expect(false, never)
		k.sweep(nil)
		k.end(orgsync.CredentialsUnknown)
		k.sweep(nil)
		k.since = k.now
		k.sync(orgsync.CredentialsRejected) // the ladder begins anew
		k.expect(true, 6*time.Hour)
	})
}

func TestRetryLostWithItsNodeIsNotLost(t *testing.T) {
	t.Parallel()
	eachNight(t, func(k *keeper) {
		k.sync(orgsync.CredentialsRejected)
		k.at(6 * time.Hour)
		sync := k.begin()
		f := orgsync.Fence{AccountID: k.id, SyncID: sync.ID, Epoch: 1}
		_, err := k.s.ClaimSync(k.t.Context(), f, -time.Millisecond)
		ok(k.t, err)
		n, err := k.s.TakeOverSyncs(k.t.Context())
		ok(k.t, err)
		same(k.t, n, 1)
		k.sweep(nil)
		due, err := k.s.DueSyncs(k.t.Context(), 10)
		ok(k.t, err)
		f.Epoch = 2
		same(k.t, due, []orgsync.Waiting{{Fence: f, Patient: true}})
		k.end(orgsync.CredentialsRejected)
		k.expect(true, 18*time.Hour)
	})
}

func TestSyncsThatAPersonWaitsForComeFirst(t *testing.T) {
	t.Parallel()
	eachNight(t, func(k *keeper) {
		released := storetest.Account(k.t, k.s)
		storetest.Connected(k.t, k.s, released)
		storetest.Exec(k.t, k.s, "UPDATE syncs SET kind = 'daily', status = 'queued', finished_at = NULL, released_at = created_at WHERE account_id = $1",
			released)
		k.at(midnight)
		nightly := k.begin()
		manual := storetest.Account(k.t, k.s)
		f := storetest.Connect(k.t, k.s, manual)
		due, err := k.s.DueSyncs(k.t.Context(), 10)
		ok(k.t, err)
		if len(due) != 3 || due[2] != (orgsync.Waiting{Fence: orgsync.Fence{AccountID: k.id, SyncID: nightly.ID, Epoch: 1}, Patient: true}) ||
			due[0].Patient || due[1].Patient || (due[0].Fence != f && due[1].Fence != f) {
			k.t.Errorf("due %+v", due)
		}
	})
}

// TestSweepUsesIndexes looks at PostgreSQL's plan with many accounts, a few of which are due.
func TestSweepUsesIndexes(t *testing.T) {
	t.Parallel()
	s := storetest.Postgres(t)
	storetest.Exec(t, s, `WITH a AS (INSERT INTO accounts (id, name, created_at) SELECT gen_random_uuid(), 'x', now() FROM generate_series(1, 20000) RETURNING id)
		INSERT INTO integrations (account_id, id, region, sealed_key, api_key_hint, connected_at, auto_map, removal_limit_percent, daily_enabled,
			daily_time_zone, daily_time, next_run_date, next_run_at, retries)
		SELECT id, gen_random_uuid(), 'us', 'x', 'x', now(), 'off', 1, true, 'UTC', '00:00', '2026-01-01', now() + random() * interval '1 day', 0 FROM a`)
	storetest.Exec(t, s, `INSERT INTO syncs (id, account_id, integration_id, kind, status, epoch, attempt, phase, done, total, listed, unchanged,
			renamed, mapped, unmapped, held, skipped, created_at, finished_at)
		SELECT gen_random_uuid(), account_id, id, 'daily', 'succeeded', 1, 0, '', 0, 0, 0, 0, 0, 0, 0, 0, 0, now(), now() FROM integrations`)
	storetest.Exec(t, s, "VACUUM ANALYZE")
	plan := s.ExplainDue(t, time.Now())
	for _, table := range []string{"integrations", "syncs"} {
		if strings.Contains(plan, "Seq Scan on "+table) {
			t.Errorf("the sweep reads all of %s:\n%s", table, plan)
		}
	}
}
