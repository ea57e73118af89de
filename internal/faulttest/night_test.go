package faulttest_test

import (
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/faulttest"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// comesDue gives the account a daily sync at a time that has just come.
func (w *sweep) comesDue(s *subject, at time.Time) {
	w.t.Helper()
	w.database.Run(w.t, `UPDATE integrations SET daily_enabled = true, daily_time_zone = 'UTC', daily_time = $1, last_run_date = NULL,
		next_run_date = $2, next_run_at = $3 WHERE account_id = $4`, at.Format("15:04"), at.Format(time.DateOnly), at, s.id)
}

func (w *sweep) nightEnds(server *e2e.Server, s *subject) {
	w.t.Helper()
	e2e.Eventually(w.t, 2*e2e.Patience, "the end of the night of "+s.String(), func() bool {
		select {
		case <-server.Exited():
			return true
		case <-time.After(50 * time.Millisecond):
		}
		daily := w.states()[s.id]["daily"]
		return daily.status != "" && daily.status != "queued" && daily.status != "running"
	})
}

// TestF1KillAtEveryStepOfTheSweepLosesNoNight kills the process at each step of the sweep that begins an account's daily sync, and of that
// beginning. After a new start the account has had its one sync.
func TestF1KillAtEveryStepOfTheSweepLosesNoNight(t *testing.T) {
	t.Parallel()
	for engine, fresh := range map[string]func(testing.TB) string{"sqlite": storetest.SQLiteURL, "postgres": storetest.PostgresURL} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			const sweepSteps, nightSteps = 8, 2
			for step := 1; step <= sweepSteps+nightSteps; step++ {
				s := &subject{script: syncing, kind: "sweep", step: step, action: "kill"}
				if step > sweepSteps {
					s.kind, s.step = "night", step-sweepSteps
				}
				if !faulttest.Long() && step != sweepSteps+1 {
					continue
				}
				t.Run(s.String(), func(t *testing.T) {
					t.Parallel()
					killedInTheSweep(t, fresh(t), s)
				})
			}
		})
	}
}

func killedInTheSweep(t *testing.T, url string, s *subject) {
	t.Helper()
	unharmed := &subject{script: s.script}
	w, now := newSweep(t, url, []*subject{unharmed, s}), time.Now().UTC().Truncate(time.Minute)
	w.comesDue(unharmed, now)
	server := w.serve(nil)
	w.nightEnds(server, unharmed)
	e2e.Terminated(t, server)

	w.comesDue(s, now)
	server = w.serve([]*subject{s})
	w.nightEnds(server, s)
	w.reached([]*subject{s})
	server.Kill()
	server = w.serve(nil)
	w.nightEnds(server, s)
	e2e.Terminated(t, server)
	w.compare(w.subjects)
	w.database.Check(t)
}
