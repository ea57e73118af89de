package orgsync

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/orgbridge/orgbridge/internal/failpoint"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/schedule"
)

// maxDue is how many accounts are looked up at once; more are found by the next sweep.
const maxDue = 10_000

// DailyStore begins the syncs that no person asks for: those of the schedule, and those that try a refused key again.
type DailyStore interface {
	// DueAccounts returns the accounts for which one may be due or is not planned yet, the longest waiting first. Those with a queued
	// or running sync are left out: theirs comes after it.
	DueAccounts(ctx context.Context, limit int) (accountIDs []string, err error)
	// StartDaily decides by [DecideDaily] and does all of it or nothing, in one transaction. A sync that is to begin is stored as
	// queued, with the given id, unless the account has a queued or running one: then nothing is changed.
	StartDaily(ctx context.Context, accountID, syncID string) (f Fence, started bool, err error)
}

// DailyState is what an account's next sync without a person hangs on.
type DailyState struct {
	Daily integration.DailySync
	// RetryAt is when a refused key is to be tried again, or a new one for the first time; nil for never. Retries counts the times that
	// were planned since the key was refused.
	RetryAt     *time.Time
	Retries     int
	KeyRejected bool
}

// DailyDecision is what is to be stored together. The zero value changes nothing.
type DailyDecision struct {
	// Start is that a sync is to begin now; Run is the date that it is for, nil when it only tries a key.
	Start  bool
	Run    *schedule.DailyRun
	Missed int // dates that will have no sync
	Next   schedule.DailyRun
	// RetryAt and Retries replace those of the state.
	RetryAt *time.Time
	Retries int
}

// DecideDaily decides whether a sync is to begin now without a person. While paused none does. One sync serves a date and a retry that
// are due at the same time.
//
// Beginning a retry plans the next one, so that however the sync ends, the key is not tried again sooner.
func DecideDaily(s DailyState, now time.Time) (DailyDecision, error) {
	if !s.Daily.Enabled {
		return DailyDecision{}, nil
	}
	plan, err := schedule.New(s.Daily.TimeZone, s.Daily.Time)
	if err != nil {
		return DailyDecision{}, err
	}
	due := plan.Due(schedule.Date(s.Daily.LastDate), schedule.Date(s.Daily.NextDate), now)
	d := DailyDecision{
		Start: due.Run != nil, Run: due.Run, Missed: due.Missed, Next: due.Next, RetryAt: s.RetryAt, Retries: s.Retries,
	}
	if s.RetryAt != nil && !s.RetryAt.After(now) {
		d.Start = true
		d.RetryAt, d.Retries = nextRetry(s, now)
	}
	return d, nil
}

// nextRetry: a refused key is tried again later and later, a new one only once.
func nextRetry(s DailyState, now time.Time) (at *time.Time, retries int) {
	if !s.KeyRejected {
		return nil, 0
	}
	if delay, again := CredentialsRetry(s.Retries); again {
		return new(now.Add(delay)), s.Retries + 1
	}
	return nil, s.Retries + 1
}

// Nights begins the syncs that no person asks for.
type Nights struct {
	store  DailyStore
	logger *slog.Logger
}

// NewNights returns a Nights.
func NewNights(store DailyStore, logger *slog.Logger) *Nights {
	return &Nights{store: store, logger: logger}
}

// Due returns the accounts for which a sync may be due, the longest waiting first.
func (n *Nights) Due(ctx context.Context) (accountIDs []string, err error) {
	return n.store.DueAccounts(ctx, maxDue)
}

// Start begins the syncs of those accounts for which one is due, and returns them. An account that fails is logged and left to the next
// sweep, so that it does not keep the others waiting. When ctx ends, the rest is left to the next sweep.
func (n *Nights) Start(ctx context.Context, accountIDs []string) (started []Fence) {
	for _, accountID := range accountIDs {
		if ctx.Err() != nil {
			break
		}
		f, begun, err := n.store.StartDaily(failpoint.Mark(ctx, failpoint.Night, accountID), accountID, uuid.Must(uuid.NewV7()).String())
		switch {
		case err != nil:
			n.logger.ErrorContext(ctx, "daily sync not started", "accountId", accountID, "error", err)
		case begun:
			started = append(started, f)
		}
	}
	return started
}
