package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

// DueAccounts returns the accounts for which a sync without a person may be due or is not planned yet, the longest waiting first. Those
// with a queued or running sync are left out.
//
// The clock is the database's, so that no node with a wrong one begins a night early. And whatever it shows, no night begins twice: a
// date is begun only if it is later than the last one, which is stored with the sync, and syncs_due_date has each date once.
func (s *Store) DueAccounts(ctx context.Context, limit int) (accountIDs []string, err error) {
	err = s.read(ctx, ofEvery(), "find due accounts", func(tx *gorm.DB) error {
		now, err := s.dueTime(tx)
		if err != nil {
			return err
		}
		return dueAccounts(tx, now).Limit(limit).Pluck("account_id", &accountIDs).Error
	})
	return accountIDs, err
}

func dueAccounts(tx *gorm.DB, now time.Time) *gorm.DB {
	return acrossAccounts(tx).Model(&integrationRow{}).
		Where("daily_enabled").Where("(next_run_at IS NULL OR next_run_at <= ? OR retry_at <= ?)", now, now).
		Where("NOT EXISTS (SELECT 1 FROM syncs a WHERE a.account_id = integrations.account_id AND a.status IN ('queued', 'running'))").
		Order("CASE WHEN retry_at < next_run_at THEN retry_at ELSE next_run_at END NULLS FIRST, account_id")
}

// StartDaily decides by [orgsync.DecideDaily] and does all of it or nothing. A sync that is to begin is stored as queued, with the given
// id, unless the account has a queued or running one: then nothing is changed, and a later sweep decides again.
func (s *Store) StartDaily(ctx context.Context, accountID, syncID string) (f orgsync.Fence, started bool, err error) {
	f = orgsync.Fence{AccountID: accountID, SyncID: syncID, Epoch: 1}
	err = s.inTx(ctx, of(accountID), "start a daily sync", func(tx *gorm.DB) error {
		started = false
		in, err := lockIntegration(tx, accountID)
		if errs.Is(err, errs.NotConnected) {
			return nil // no more
		} else if err != nil {
			return err
		}
		now, err := s.dueTime(tx)
		if err != nil {
			return err
		}
		decided, err := orgsync.DecideDaily(in.dailyState(), now)
		if err != nil || decided == (orgsync.DailyDecision{}) {
			return err
		}
		facts := missedDates(&in, decided.Missed)
		if decided.Start {
			queuedNow, stands, err := s.insertDaily(tx, &in, syncID, decided)
			if err != nil || stands {
				return err
			}
			started, facts = len(queuedNow) > 0, append(facts, queuedNow...)
		}
		if err := integrationOf(tx, accountID).Updates(dailyColumns(&decided)).Error; err != nil {
			return err
		}
		return s.record(tx, accountID, facts...)
	})
	return f, started && err == nil, err
}

func (r integrationRow) dailyState() orgsync.DailyState {
	return orgsync.DailyState{
		Daily: r.integration().Daily, RetryAt: utc(r.RetryAt), Retries: r.Retries,
		KeyRejected: orEmpty(r.AttentionCode) == string(integration.CredentialsRejected),
	}
}

func dailyColumns(d *orgsync.DailyDecision) map[string]any {
	columns := map[string]any{
		"next_run_date": string(d.Next.Date), "next_run_at": d.Next.At, "retry_at": d.RetryAt, "retries": d.Retries,
	}
	if d.Run != nil {
		columns["last_run_date"] = string(d.Run.Date)
	}
	return columns
}

// insertDaily stores the sync and returns that fact; none when the date has had its sync already. Stands tells that another sync stands
// in the way.
func (s *Store) insertDaily(
	tx *gorm.DB, in *integrationRow, syncID string, d orgsync.DailyDecision,
) (facts []event.Event, stands bool, err error) {
	sync := orgsync.Sync{
		ID: syncID, AccountID: in.AccountID, IntegrationID: in.ID, Kind: orgsync.Daily, Status: orgsync.Queued, Epoch: 1, CreatedAt: s.now(),
	}
	if d.Run != nil {
		sync.DueDate = d.Run.Date
	}
	row := newSyncRow(in.AccountID, &sync)
	created := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
	if created.Error != nil || created.RowsAffected == 1 {
		return []event.Event{queued(&sync)}, false, created.Error
	}
	active, err := activeSync(tx, in.AccountID)
	return nil, active != nil, err
}

// missedDates is the fact that dates will have no sync.
func missedDates(in *integrationRow, n int) []event.Event {
	if n == 0 {
		return nil
	}
	return []event.Event{{
		Type: event.DailySyncMissed, After: event.Properties{"missed": n, "firstDate": orEmpty(in.NextRunDate)},
		Detail: fmt.Sprintf("Daily syncs that could not begin in time: %d.", n),
	}}
}

// stopDaily cancels the queued or running sync that nobody asked for, if there is one, when a change pauses such syncs. It returns the
// facts.
func (s *Store) stopDaily(tx *gorm.DB, before *integrationRow, changed *integration.Changed) ([]event.Event, error) {
	if !before.DailyEnabled || changed.Integration.Daily.Enabled {
		return nil, nil
	}
	active, err := activeSync(tx, before.AccountID)
	if err != nil || active == nil || active.Kind != orgsync.Daily || active.ReleasedAt != nil {
		return nil, err
	}
	_, facts, err := s.cancelActive(tx, before.AccountID, changed.By)
	return facts, err
}
