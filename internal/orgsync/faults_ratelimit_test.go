package orgsync_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// redial has the account's clients start with nothing remembered of earlier calls, as those of another process do.
func (w *world) redial(options ...integration.DialerOption) {
	w.redialAt(w.itglue.URL, options...)
}

// redialAt is redial for an IT Glue at another address.
func (w *world) redialAt(url string, options ...integration.DialerOption) {
	w.dial = func() *integration.Dialer {
		return integration.NewDialer(map[itglue.Region]string{
			itglue.RegionUS: url, itglue.RegionEU: "http://127.0.0.1:1", itglue.RegionAU: "http://127.0.0.1:1",
		}, 1_000_000, options...) // a test may ask as often as it likes, unless an option says how often
	}
	w.integrations.ITGlue = w.dial()
}

// due lets the time pass that a queued sync has to wait for.
func (w *world) due(s orgsync.Sync) orgsync.Sync {
	w.t.Helper()
	storetest.Exec(w.t, w.store, "UPDATE syncs SET not_before = created_at WHERE id = $1", s.ID)
	return w.read(s)
}

// TestF19RateLimitedSyncIsPutOffAsLongAsITGlueAsks has a 429 with each form of Retry-After. The sync waits in the queue with its reason, at
// least as long as asked for and hardly longer, uses up no attempt, and succeeds afterwards.
func TestF19RateLimitedSyncIsPutOffAsLongAsITGlueAsks(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs := w.theirs("Acme")
		ours := w.ours("Acme")
		w.connect()
		const minute, hour = time.Minute, time.Hour
		for name, c := range map[string]struct {
			header string
			wait   time.Duration
			calls  int // those that cannot be helped: a short or unknown wait is sat out in between
		}{
			"seconds":    {header: "120", wait: 2 * minute, calls: 1},
			"date":       {header: time.Now().Add(2 * minute).UTC().Format(http.TimeFormat), wait: 2*minute - 5*time.Second, calls: 1},
			"past date":  {header: time.Now().Add(-hour).UTC().Format(http.TimeFormat), wait: minute, calls: 3},
			"fraction":   {header: "90.5", wait: 90 * time.Second, calls: 1},
			"absent":     {wait: minute, calls: 3},
			"zero":       {header: "0", wait: minute, calls: 3},
			"negative":   {header: "-5", wait: minute, calls: 3},
			"garbage":    {header: "soon", wait: minute, calls: 3},
			"ten days":   {header: "864000", wait: hour, calls: 1},
			"never ends": {header: "1" + strconv.FormatInt(1<<62, 10) + "0", wait: hour, calls: 1},
		} {
			w.redial()
			w.itglue.ResetCalls()
			remove := w.itglue.Inject(itgluetest.RateLimited(c.header))
			s := w.run(w.start(orgsync.Manual))
			wait := time.Until(s.NotBefore)
			if s.Status != orgsync.Queued || s.Attempt != 0 || s.Failure == nil || s.Failure.Code != errs.ITGlueRateLimited {
				w.t.Fatalf("%s: %+v (%+v)", name, s, s.Failure)
			}
			if longest := c.wait + max(c.wait/10, 5*time.Second) + 5*time.Second; wait < c.wait-2*time.Second || wait > longest {
				w.t.Errorf("%s: put off for %s, want %s", name, wait, c.wait)
			}
			if n := w.itglue.CallCount(); n != c.calls {
				w.t.Errorf("%s: %d requests, want %d", name, n, c.calls)
			}
			remove()
			w.redial()
			w.expect(w.run(w.due(s)), orgsync.Succeeded)
			w.expectRow(ours[0], "Acme", theirs[0], "active")
		}
	})
}

// TestF19NobodyAsksBeforeTheAllowedTime has another sync and a person use the key that was told to wait.
func TestF19NobodyAsksBeforeTheAllowedTime(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		w.theirs("Acme")
		ours := w.ours("Acme")
		w.connect()
		w.itglue.ResetCalls()
		w.itglue.Inject(itgluetest.RateLimited("600"))
		s := w.run(w.start(orgsync.Manual))
		for range 5 {
			s = w.run(w.due(s))
		}
		_, err := w.syncs.Refresh(w.t.Context(), w.accountID, ours[0], w.token)
		if !errs.Is(err, errs.ITGlueRateLimited) {
			w.t.Errorf("refresh: %v", err)
		}
		if n := w.itglue.CallCount(); n != 1 {
			w.t.Errorf("%d requests, want the one that was limited", n)
		}
		if s.Status != orgsync.Queued || s.Attempt != 0 || time.Until(s.NotBefore) < 9*time.Minute {
			w.t.Errorf("%+v", s)
		}
	})
}

// TestF19ShortWaitIsSatOut has the sync itself wait for as long as IT Glue asks for.
func TestF19ShortWaitIsSatOut(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		w.theirs("Acme")
		w.ours("Acme")
		w.connect()
		limited := itgluetest.RateLimited("1")
		limited.Times = 1
		w.itglue.Inject(limited)
		w.itglue.ResetCalls()
		w.expect(w.sync(orgsync.Manual), orgsync.Succeeded)
		calls := w.itglue.Calls()
		if len(calls) != 2 || calls[1].At.Sub(calls[0].At) < time.Second {
			w.t.Errorf("calls %+v, want two with a second between them", calls)
		}
	})
}

// TestF19SyncThatIsLimitedAllNightFails bounds how long a sync is put off.
func TestF19SyncThatIsLimitedAllNightFails(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		w.connect()
		w.itglue.Inject(itgluetest.RateLimited("600"))
		s := w.run(w.start(orgsync.Manual))
		storetest.Exec(w.t, w.store, "UPDATE syncs SET created_at = $1 WHERE id = $2", time.Now().UTC().Add(-12*time.Hour), s.ID)
		if s = w.run(w.due(s)); s.Status != orgsync.Failed || s.Failure.Code != errs.ITGlueRateLimited {
			w.t.Errorf("%+v (%+v)", s, s.Failure)
		}
	})
}

// TestF19WaitOfOneNodeHoldsForTheOthers has one node told to wait, and another use the same key.
func TestF19WaitOfOneNodeHoldsForTheOthers(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		w.theirs("Acme")
		ours := w.ours("Acme")
		w.connect()
		w.redial(integration.Sharing(w.store, 0))
		limited := itgluetest.RateLimited("600")
		limited.Times = 1
		w.itglue.Inject(limited)
		w.itglue.ResetCalls()
		s := w.run(w.start(orgsync.Manual))
		w.redial(integration.Sharing(w.store, 0)) // another process, which was told nothing
		for range 3 {
			s = w.run(w.due(s))
			if s.Status != orgsync.Queued || s.Failure.Code != errs.ITGlueRateLimited || time.Until(s.NotBefore) < 9*time.Minute {
				w.t.Errorf("%+v (%+v)", s, s.Failure)
			}
		}
		if _, err := w.syncs.Refresh(w.t.Context(), w.accountID, ours[0], w.token); !errs.Is(err, errs.ITGlueRateLimited) {
			w.t.Errorf("refresh: %v", err)
		}
		if n := w.itglue.CallCount(); n != 1 {
			w.t.Errorf("%d requests, want the one that was limited", n)
		}
	})
}
