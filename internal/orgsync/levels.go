package orgsync

import (
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
)

// RunOutcome is how one run went: like the final status of its sync, or one of those below.
type RunOutcome string

// A sync has another run after one that was handed back. A lost one was cancelled or taken over meanwhile; what became of an unrecorded
// one could not be written.
const (
	RunSucceeded  RunOutcome = RunOutcome(Succeeded)
	RunHeld       RunOutcome = RunOutcome(Held)
	RunFailed     RunOutcome = RunOutcome(Failed)
	RunHandedBack RunOutcome = "handed_back"
	RunLost       RunOutcome = "lost"
	RunUnrecorded RunOutcome = "unrecorded"
)

// Ran is one run of a sync, or the refresh of one organization.
type Ran struct {
	Kind    Kind
	Outcome RunOutcome
	Took    time.Duration
}

func (s Status) ran() RunOutcome { return RunOutcome(s) }

// recorded is the run after its last write, which may have failed.
func (r Ran) recorded(err error, took time.Duration) Ran {
	r.Took = took
	switch {
	case errs.Is(err, errs.Fenced):
		r.Outcome = RunLost
	case err != nil:
		r.Outcome = RunUnrecorded
	}
	return r
}

func refreshed(err error, took time.Duration) Ran {
	if err != nil {
		return Ran{Kind: Organization, Outcome: RunFailed, Took: took}
	}
	return Ran{Kind: Organization, Outcome: RunSucceeded, Took: took}
}

// Levels is how much waits, in all accounts together.
type Levels struct {
	Syncs []SyncLevel
	// OldestDue is how long the sync has waited that is due for the longest time and does not run.
	OldestDue time.Duration
	// DailyLag is how long ago the daily sync was due that is due for the longest time and has not even been queued.
	DailyLag time.Duration
	// HeldSyncs wait for a person to decide on HeldRemovals, the first one for OldestHeld.
	HeldSyncs    int
	HeldRemovals int
	OldestHeld   time.Duration
	// Integrations counts them by what they need attention for, or "none".
	Integrations map[string]int
}

// Waiting syncs are due or, until their time has come, delayed.
const (
	LevelRunning = "running"
	LevelDue     = "due"
	LevelDelayed = "delayed"
)

// SyncLevel is how many syncs of a kind are in a state.
type SyncLevel struct {
	Kind  Kind
	State string
	Count int
}
