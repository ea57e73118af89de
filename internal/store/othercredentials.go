package store

import (
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

// beginWithOthers has everything that came of the old credentials begin again with the new ones. Held and released removals do not go
// on: that an organization is gone takes a listing and a read by id of the same account, and the new key may be of another, where
// everything is gone. It returns the sync that can begin, nil for none, and the facts.
func (s *Store) beginWithOthers(
	tx *gorm.DB, in *integrationRow, changed *integration.Changed,
) (next *integration.QueuedSync, facts []event.Event, err error) {
	if err := integrationOf(tx, in.AccountID).Update("held_sync_id", nil).Error; err != nil {
		return nil, nil, err
	}
	active, err := activeSync(tx, in.AccountID)
	if err != nil {
		return nil, nil, err
	}
	if active != nil && active.ReleasedAt != nil {
		_, facts, err = s.cancelActive(tx, in.AccountID, changed.By)
	} else {
		next, err = beginAgain(tx, in.AccountID)
	}
	if err != nil || changed.ListAnew == "" {
		return next, facts, err
	}
	if err := forgetDirectory(tx, in.AccountID); err != nil || next != nil {
		return next, facts, err
	}
	listing, _, err := startSync(tx, newSyncRow(in.AccountID, &orgsync.Sync{
		ID: changed.ListAnew, IntegrationID: in.ID, Kind: orgsync.Manual, Status: orgsync.Queued, Epoch: 1, CreatedAt: s.now(),
		RequestedBy: changed.By,
	}))
	return &integration.QueuedSync{ID: listing.ID, Epoch: listing.Epoch}, append(facts, queued(&listing)), err
}

// beginAgain queues the account's queued or running sync under a new epoch. It is no fault of the sync, so it is no attempt.
func beginAgain(tx *gorm.DB, accountID string) (*integration.QueuedSync, error) {
	var rows []syncRow
	err := tx.Model(&rows).Clauses(clause.Returning{}).
		Where("account_id = ?", accountID).Where("status IN ?", activeStatuses()).
		Updates(map[string]any{
			"status": string(orgsync.Queued), "epoch": gorm.Expr("epoch + 1"), "lease_until": nil, "not_before": nil,
		}).Error
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &integration.QueuedSync{ID: rows[0].ID, Epoch: rows[0].Epoch}, nil
}

// forgetDirectory empties the directory, as if it had never been taken.
func forgetDirectory(tx *gorm.DB, accountID string) error {
	if err := integrationOf(tx, accountID).Update("listed_at", nil).Error; err != nil {
		return err
	}
	return tx.Where("account_id = ?", accountID).Delete(&directoryRow{}).Error
}
