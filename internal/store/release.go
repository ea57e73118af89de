package store

import (
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

// decision makes of a held sync what a person decided. It returns the columns to write, and how many removals were decided on.
type decision func(tx *gorm.DB, held *syncRow) (columns map[string]any, removals int, err error)

// ReleaseRemovals has the held removals of a sync made: the sync is queued again, with a new epoch and no attempts. It answers
// [errs.NotFound], [errs.NotHeld], [errs.NotConnected], [errs.SyncActive], or [errs.HeldSetChanged] when the removals are no longer what
// a person was shown.
func (s *Store) ReleaseRemovals(ctx context.Context, accountID, syncID string, by event.Actor) (orgsync.Sync, error) {
	release := func(tx *gorm.DB, held *syncRow) (map[string]any, int, error) {
		removals, err := unchangedRemovals(tx, accountID, held.ID)
		return map[string]any{
			"status": string(orgsync.Queued), "epoch": held.Epoch + 1, "attempt": 0, "not_before": nil, "finished_at": nil,
			"phase": "", "done": 0, "total": 0, "released_at": s.now(),
		}, removals, err
	}
	return s.decide(ctx, "release removals", accountID, syncID, event.Event{Type: event.RemovalsReleased, Actor: by}, release)
}

// RejectRemovals has the held removals of a sync not made: they are refused, the mappings stay, and the sync has succeeded. It
// answers as [Store.ReleaseRemovals] does, but removes nothing, so it does not matter whether the mappings are as they were.
func (s *Store) RejectRemovals(ctx context.Context, accountID, syncID string, by event.Actor) (orgsync.Sync, error) {
	reject := func(tx *gorm.DB, held *syncRow) (map[string]any, int, error) {
		rejected := heldChanges(tx, held.AccountID, held.ID).Updates(map[string]any{
			"status": string(orgsync.ChangeRefused), "reason": string(orgsync.ReasonRejectedByPerson),
		})
		if rejected.Error != nil {
			return nil, 0, rejected.Error
		}
		columns, err := recounted(tx, held)
		columns["status"], columns["finished_at"] = string(orgsync.Succeeded), s.now()
		return columns, int(rejected.RowsAffected), err
	}
	return s.decide(ctx, "reject removals", accountID, syncID, event.Event{Type: event.RemovalsRejected, Actor: by}, reject)
}

// decide locks a held sync and writes the decision with its fact. From then on nothing of it waits for a person.
func (s *Store) decide(
	ctx context.Context, operation, accountID, syncID string, fact event.Event, made decision,
) (sync orgsync.Sync, err error) {
	err = s.inTx(ctx, of(accountID), operation, func(tx *gorm.DB) error {
		held, err := lockHeld(tx, accountID, syncID)
		if err != nil {
			return err
		}
		columns, removals, err := made(tx, &held)
		if err != nil {
			return err
		}
		columns["failure_code"], columns["failure_detail"] = nil, nil
		row, err := updateSync(tx, &held, columns)
		if err != nil {
			return err
		}
		if err := integrationOf(tx, accountID).Update("held_sync_id", nil).Error; err != nil {
			return err
		}
		sync = row.sync()
		decided := fact
		decided.SyncID, decided.After = sync.ID, event.Properties{"removals": removals}
		if !sync.Status.Final() {
			return s.record(tx, accountID, decided)
		}
		ended := syncEnded(&sync)
		ended.Actor = fact.Actor
		return s.record(tx, accountID, decided, ended)
	})
	return sync, err
}

// lockHeld returns a sync whose removals wait for a person, if it is the one to decide on. It keeps it so until the transaction ends.
func lockHeld(tx *gorm.DB, accountID, syncID string) (row syncRow, err error) {
	in, connection := lockIntegration(tx, accountID)
	if connection != nil && !errs.Is(connection, errs.NotConnected) {
		return row, connection
	}
	if !isID(syncID) {
		return row, noSync()
	}
	err = tx.Clauses(clause.Locking{Strength: "UPDATE"}).Where("account_id = ?", accountID).Where("id = ?", syncID).Take(&row).Error
	if err != nil {
		return row, orNotFound(err, noSync())
	}
	current := row.sync()
	if err := checkSync(tx, &current); err != nil {
		return row, err
	}
	if row.Status != string(orgsync.Held) {
		return row, errs.New(errs.NotHeld, "No removals of this sync wait for a decision: it is %s.", row.Status)
	}
	if connection != nil {
		return row, connection
	}
	active, err := activeSync(tx, accountID)
	if err != nil {
		return row, err
	}
	if active != nil {
		return row, errs.New(errs.SyncActive, "Another sync is %s. Wait for its end, or cancel it.", active.Status).With("syncId", active.ID)
	}
	if orEmpty(in.HeldSyncID) != row.ID {
		return row, errs.New(errs.HeldSetChanged, "A later sync, or another API key or region, has taken its place. Nothing was done.")
	}
	return row, nil
}

// unchangedRemovals counts the held changes of a sync, or answers [errs.HeldSetChanged] when one of their mappings is no longer active
// and as it was.
func unchangedRemovals(tx *gorm.DB, accountID, syncID string) (int, error) {
	var found struct{ Held, Standing int }
	err := tx.Table("sync_changes AS c").Select("count(*) AS held, count(m.organization_id) AS standing").
		Joins(`LEFT JOIN mappings m ON m.account_id = c.account_id AND m.organization_id = c.organization_id
			AND m.state = 'active' AND m.itglue_id = c.itglue_id`).
		Where("c.account_id = ?", accountID).Where("c.sync_id = ?", syncID).Where("c.status = ?", string(orgsync.ChangeHeld)).
		Scan(&found).Error
	if err != nil {
		return 0, err
	}
	if changed := found.Held - found.Standing; changed > 0 {
		return 0, errs.New(errs.HeldSetChanged, "%d of the %d mappings were changed since the sync. Start another one. Nothing was done.",
			changed, found.Held).With("changed", changed)
	}
	return found.Held, nil
}

func heldChanges(tx *gorm.DB, accountID, syncID string) *gorm.DB {
	return tx.Model(&changeRow{}).Where("account_id = ?", accountID).Where("sync_id = ?", syncID).
		Where("status = ?", string(orgsync.ChangeHeld))
}

// SettleRemovals makes those of the held changes that are planned now, each only if the mapping is active and still as the change says,
// takes their IT Glue organizations out of the directory, and stores what became of all of them. It answers [errs.Fenced].
func (s *Store) SettleRemovals(ctx context.Context, f orgsync.Fence, decided []orgsync.Change) error {
	return s.inTx(ctx, of(f.AccountID), "settle released removals", func(tx *gorm.DB) error {
		if _, err := s.fence(tx, f, nil); err != nil {
			return err
		}
		settled := slices.Clone(decided)
		planned := convert(plannedOf(settled, orgsync.ActionUnmap), func(c *orgsync.Change) string { return c.ITGlueID })
		if err := removeEntries(tx, f.AccountID, planned); err != nil {
			return err
		}
		if err := s.lookUpByID(tx); err != nil {
			return err
		}
		if err := s.applier(tx, f.AccountID, mapping.Active).apply(settled); err != nil {
			return err
		}
		return s.storeSettled(tx, f, settled)
	})
}

// storeSettled writes down what became of held changes. Those that were made are events.
func (s *Store) storeSettled(tx *gorm.DB, f orgsync.Fence, settled []orgsync.Change) error {
	refused, written := map[orgsync.Reason][]int{}, 0
	for i := range settled {
		if c := &settled[i]; c.Status == orgsync.ChangeRefused {
			refused[c.Reason] = append(refused[c.Reason], c.Seq)
		}
	}
	for reason, seqs := range refused {
		update := heldChanges(tx, f.AccountID, f.SyncID).Where("seq IN ?", seqs).
			Updates(map[string]any{"status": string(orgsync.ChangeRefused), "reason": string(reason)})
		if update.Error != nil {
			return update.Error
		}
		written += int(update.RowsAffected)
	}
	next, err := reserveEvents(tx, f.AccountID, countApplied(settled))
	if err != nil {
		return err
	}
	applied := make([][]any, 0, len(settled))
	for i := range settled {
		if c := &settled[i]; c.Status == orgsync.ChangeApplied {
			applied = append(applied, []any{c.Seq, next + int64(len(applied)), string(c.Reason)})
		}
	}
	update := tx.Exec(`WITH v(seq, event, reason) AS MATERIALIZED (?)
		UPDATE sync_changes SET status = ?, reason = v.reason, event = v.event, applied_at = ? FROM v
		WHERE sync_changes.account_id = ? AND sync_changes.sync_id = ? AND sync_changes.seq = v.seq AND sync_changes.status = ?`,
		s.values([]string{"integer", "bigint", "text"}, applied), string(orgsync.ChangeApplied), s.now(),
		f.AccountID, f.SyncID, string(orgsync.ChangeHeld))
	if written += int(update.RowsAffected); update.Error == nil && written != len(settled) {
		return fmt.Errorf("%d of %d settled changes are held", written, len(settled))
	}
	return update.Error
}
