package store

import (
	"context"
	"strconv"

	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/page"
)

func noSync() *errs.Error { return errs.New(errs.NotFound, "There is no such sync.") }

// Sync returns one sync, or [errs.NotFound].
func (s *Store) Sync(ctx context.Context, accountID, id string) (sync orgsync.Sync, err error) {
	err = s.read(ctx, of(accountID), "read sync", func(tx *gorm.DB) error {
		sync, err = syncOf(tx, accountID, id)
		return err
	})
	return sync, err
}

func syncOf(tx *gorm.DB, accountID, id string) (orgsync.Sync, error) {
	var row syncRow
	if !isID(id) {
		return orgsync.Sync{}, noSync()
	}
	if err := tx.Where("account_id = ?", accountID).Where("id = ?", id).Take(&row).Error; err != nil {
		return orgsync.Sync{}, orNotFound(err, noSync())
	}
	return row.sync(), nil
}

// Syncs returns a page of syncs, newest first. A foreign position is [errs.ValidationFailed].
func (s *Store) Syncs(ctx context.Context, accountID string, f orgsync.Filter) (syncs page.Page[orgsync.Sync], err error) {
	if f.After != nil && !isID(f.After.ID) {
		return syncs, badCursor()
	}
	err = s.read(ctx, of(accountID), "list syncs", func(tx *gorm.DB) error {
		q := syncsOf(tx, accountID, f).Order("id DESC")
		if f.After != nil {
			q = q.Where("id < ?", f.After.ID)
		}
		syncs, err = pageOf(q, f.Limit, syncRow.sync, func(r syncRow) page.Position { return page.Position{ID: r.ID} })
		return err
	})
	return syncs, err
}

// CountSyncs counts the syncs on all pages.
func (s *Store) CountSyncs(ctx context.Context, accountID string, f orgsync.Filter) (n int, err error) {
	err = s.read(ctx, of(accountID), "count syncs", func(tx *gorm.DB) error {
		n, err = count(syncsOf(tx, accountID, f))
		return err
	})
	return n, err
}

func syncsOf(tx *gorm.DB, accountID string, f orgsync.Filter) *gorm.DB {
	q := tx.Model(&syncRow{}).Where("account_id = ?", accountID)
	if f.Kind != "" {
		q = q.Where("kind = ?", string(f.Kind))
	}
	if f.Status != "" {
		q = q.Where("status = ?", string(f.Status))
	}
	return q
}

// ActiveSync returns the queued or running sync; nil if there is none.
func (s *Store) ActiveSync(ctx context.Context, accountID string) (sync *orgsync.Sync, err error) {
	err = s.read(ctx, of(accountID), "read the active sync", func(tx *gorm.DB) error {
		sync, err = activeSync(tx, accountID)
		return err
	})
	return sync, err
}

func activeSync(tx *gorm.DB, accountID string) (*orgsync.Sync, error) {
	return firstSync(tx.Where("account_id = ?", accountID).Where("status IN ?", activeStatuses()))
}

// LastSync returns the ended sync of the whole account that began last under the connection of today, previews left out; nil if there is
// none.
func (s *Store) LastSync(ctx context.Context, accountID string) (sync *orgsync.Sync, err error) {
	err = s.read(ctx, of(accountID), "read the last sync", func(tx *gorm.DB) error {
		sync, err = lastSync(tx, accountID)
		return err
	})
	return sync, err
}

func lastSync(tx *gorm.DB, accountID string) (*orgsync.Sync, error) {
	return firstSync(tx.Where("account_id = ?", accountID).
		Where("integration_id = (?)", integrationOf(tx, accountID).Select("id")).Where("kind IN ('initial', 'daily', 'manual')").
		Where("status NOT IN ?", activeStatuses()).Order("id DESC"))
}

func firstSync(q *gorm.DB) (*orgsync.Sync, error) {
	var rows []syncRow
	if err := q.Limit(1).Find(&rows).Error; err != nil || len(rows) == 0 {
		return nil, err
	}
	sync := rows[0].sync()
	return &sync, nil
}

// SyncChanges returns a page of the changes of one sync, in order of Seq. It answers [errs.NotFound] when the account has no such sync;
// a foreign position is [errs.ValidationFailed].
func (s *Store) SyncChanges(
	ctx context.Context, accountID, syncID string, f orgsync.ChangeFilter,
) (changes page.Page[orgsync.Change], err error) {
	after := 0
	if f.After != nil {
		if after, err = strconv.Atoi(f.After.Key); err != nil || int(int32(after)) != after { //nolint:gosec // the check itself
			return changes, badCursor()
		}
	}
	err = s.read(ctx, of(accountID), "list changes", func(tx *gorm.DB) error {
		if _, err := syncOf(tx, accountID, syncID); err != nil {
			return err
		}
		q := changesOf(tx, accountID, syncID, f).Where("seq > ?", after).Order("seq")
		changes, err = pageOf(q, f.Limit, changeRow.change, func(r changeRow) page.Position {
			return page.Position{Key: strconv.Itoa(r.Seq)}
		})
		return err
	})
	return changes, err
}

// CountSyncChanges counts the changes on all pages. It answers [errs.NotFound] when the account has no such sync.
func (s *Store) CountSyncChanges(ctx context.Context, accountID, syncID string, f orgsync.ChangeFilter) (n int, err error) {
	err = s.read(ctx, of(accountID), "count changes", func(tx *gorm.DB) error {
		if _, err := syncOf(tx, accountID, syncID); err != nil {
			return err
		}
		n, err = count(changesOf(tx, accountID, syncID, f))
		return err
	})
	return n, err
}

func changesOf(tx *gorm.DB, accountID, syncID string, f orgsync.ChangeFilter) *gorm.DB {
	q := tx.Model(&changeRow{}).Where("account_id = ?", accountID).Where("sync_id = ?", syncID)
	if f.Action != "" {
		q = q.Where("action = ?", string(f.Action))
	}
	if f.Status != "" {
		q = q.Where("status = ?", string(f.Status))
	}
	return q
}
