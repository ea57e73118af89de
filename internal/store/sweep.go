package store

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/orgbridge/orgbridge/internal/orgsync"
)

// longestLease is more than anybody takes. A lease beyond it was given by a clock that has been put back since; how far back must not be
// how long a lost sync rests.
const longestLease = 10 * time.Minute

// TakeOverSyncs makes running syncs whose lease ran out queued again, with epoch and attempt + 1, and says how many.
func (s *Store) TakeOverSyncs(ctx context.Context) (n int, err error) {
	err = s.inTx(ctx, ofEvery(), "take over syncs", func(tx *gorm.DB) error {
		absurd := acrossAccounts(tx).Model(&syncRow{}).
			Where("status = ?", string(orgsync.Running)).Where("lease_until > ?", s.databaseTime(longestLease)).
			Update("lease_until", s.databaseTime(orgsync.DefaultLease))
		if absurd.Error != nil {
			return absurd.Error
		}
		lapsed := acrossAccounts(tx).Model(&syncRow{}).Select("id").
			Where("status = ?", string(orgsync.Running)).Where("lease_until < ?", s.databaseTime(0)).
			// A sync that a frozen transaction holds must not keep those of all other accounts waiting.
			Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate, Options: clause.LockingOptionsSkipLocked})
		taken := acrossAccounts(tx).Model(&syncRow{}).Where("id IN (?)", lapsed).
			Updates(map[string]any{
				"status": string(orgsync.Queued), "epoch": gorm.Expr("epoch + 1"), "attempt": gorm.Expr("attempt + 1"),
				"lease_until": nil, "not_before": nil,
			})
		n = int(taken.RowsAffected)
		return taken.Error
	})
	return n, err
}

// DueSyncs returns queued syncs whose time has come by the database's clock: those that a person waits for before others, and the longest
// waiting first.
func (s *Store) DueSyncs(ctx context.Context, limit int) ([]orgsync.Waiting, error) {
	var rows []struct {
		ID, AccountID string
		Epoch         int
		Patient       bool
	}
	err := s.read(ctx, ofEvery(), "find due syncs", func(tx *gorm.DB) error {
		return acrossAccounts(tx).Model(&syncRow{}).
			Select("id, account_id, epoch, kind = 'daily' AND released_at IS NULL AS patient").
			Where("status = ?", string(orgsync.Queued)).
			Where("(not_before IS NULL OR not_before <= ?)", s.databaseTime(0)).
			Order("patient, coalesce(not_before, created_at), id").Limit(limit).Find(&rows).Error
	})
	due := make([]orgsync.Waiting, len(rows))
	for i, r := range rows {
		due[i] = orgsync.Waiting{Fence: orgsync.Fence{AccountID: r.AccountID, SyncID: r.ID, Epoch: r.Epoch}, Patient: r.Patient}
	}
	return due, err
}
