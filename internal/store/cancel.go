package store

import (
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/precondition"
)

// CancelSync ends a queued or running sync and returns it; one that was cancelled before stays as it is. What the sync's owner has
// committed is counted, what it would write from now on is refused with [errs.Fenced]. It answers [errs.NotFound], and
// [errs.SyncEnded] when the sync came to another end.
func (s *Store) CancelSync(ctx context.Context, accountID, id string, by event.Actor) (sync orgsync.Sync, err error) {
	err = s.inTx(ctx, of(accountID), "cancel sync", func(tx *gorm.DB) error {
		if _, err := lockIntegration(tx, accountID); err != nil && !errs.Is(err, errs.NotConnected) {
			return err
		}
		sync, err = syncOf(tx, accountID, id)
		if err == nil {
			err = checkSync(tx, &sync)
		}
		switch {
		case err != nil || sync.Status == orgsync.Cancelled:
			return err
		case sync.Status.Final():
			return errs.New(errs.SyncEnded, "The sync has ended: it is %s.", sync.Status)
		}
		cancelled, facts, err := s.cancelActive(tx, accountID, by)
		if err != nil {
			return err
		}
		if cancelled == nil {
			return errRaced
		}
		sync = *cancelled
		return s.record(tx, accountID, facts...)
	})
	return sync, err
}

// checkSync checks the precondition on a sync that is locked by the lock of the integration.
func checkSync(tx *gorm.DB, sync *orgsync.Sync) error {
	return precondition.Check(tx.Statement.Context, func() (orgsync.Sync, error) { return *sync, nil })
}

// cancelActive ends the account's queued or running sync, if there is one, for a transaction that holds the lock of the integration. It
// returns the sync, nil for none, and the facts to record.
func (s *Store) cancelActive(tx *gorm.DB, accountID string, by event.Actor) (*orgsync.Sync, []event.Event, error) {
	var rows []syncRow
	err := tx.Clauses(clause.Locking{Strength: "UPDATE"}).Where("account_id = ?", accountID).Where("status IN ?", activeStatuses()).
		Find(&rows).Error
	if err != nil || len(rows) == 0 {
		return nil, nil, err
	}
	columns, err := recounted(tx, &rows[0])
	if err != nil {
		return nil, nil, err
	}
	columns["status"], columns["finished_at"] = string(orgsync.Cancelled), s.now()
	columns["lease_until"], columns["not_before"], columns["released_at"] = nil, nil, nil
	columns["failure_code"], columns["failure_detail"] = nil, nil
	row, err := updateSync(tx, &rows[0], columns)
	if err != nil {
		return nil, nil, err
	}
	cancelled := row.sync()
	fact := syncEnded(&cancelled)
	fact.Actor = by
	return &cancelled, []event.Event{fact}, nil
}

// updateSync writes columns of a sync that the transaction has locked and returns it as it is now.
func updateSync(tx *gorm.DB, sync *syncRow, columns map[string]any) (row syncRow, err error) {
	err = tx.Model(&row).Clauses(clause.Returning{}).Where("account_id = ?", sync.AccountID).Where("id = ?", sync.ID).
		Updates(columns).Error
	return row, err
}
