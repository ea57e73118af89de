package store

import (
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/orgbridge/orgbridge/internal/orgsync"
)

// TakeOverSyncs makes running syncs whose lease ran out queued again, with epoch and attempt + 1, and says how many.
func (s *Store) TakeOverSyncs(ctx context.Context) (n int, err error) {
	err = s.inTx(ctx, "take over syncs", func(tx *gorm.DB) error {
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

// DueSyncs returns queued syncs whose time has come by the database's clock, the longest waiting first.
func (s *Store) DueSyncs(ctx context.Context, limit int) ([]orgsync.Fence, error) {
	var rows []syncRow
	err := s.read(ctx, "find due syncs", func(tx *gorm.DB) error {
		return acrossAccounts(tx).Where("status = ?", string(orgsync.Queued)).
			Where("(not_before IS NULL OR not_before <= ?)", s.databaseTime(0)).
			Order("coalesce(not_before, created_at), id").Limit(limit).Find(&rows).Error
	})
	return convert(rows, func(r syncRow) orgsync.Fence {
		return orgsync.Fence{AccountID: r.AccountID, SyncID: r.ID, Epoch: r.Epoch}
	}), err
}
