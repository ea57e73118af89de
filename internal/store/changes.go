package store

import (
	"context"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

type changeRow struct {
	AccountID        string
	SyncID           string `gorm:"primaryKey"`
	Seq              int    `gorm:"primaryKey;autoIncrement:false"`
	Action           string
	Status           string
	Reason           string
	OrganizationID   string
	OrganizationName string
	ITGlueID         string `gorm:"column:itglue_id"`
	ITGlueName       string `gorm:"column:itglue_name"`
	Before           string
	After            string
	Event            *int64
	AppliedAt        *time.Time
}

func (changeRow) TableName() string { return "sync_changes" }

func (r changeRow) change() orgsync.Change {
	return orgsync.Change{
		Seq: r.Seq, Action: orgsync.Action(r.Action), Status: orgsync.ChangeStatus(r.Status), Reason: orgsync.Reason(r.Reason),
		OrganizationID: r.OrganizationID, OrganizationName: r.OrganizationName, ITGlueID: r.ITGlueID, ITGlueName: r.ITGlueName,
		Before: r.Before, After: r.After,
	}
}

// ApplyChanges makes the planned changes, at most 10,000, each only if its row still is as the change says, and stores all of them
// after those of earlier calls. What no longer fits is stored as refused. With DryRun nothing is made. It answers [errs.Fenced].
func (s *Store) ApplyChanges(ctx context.Context, f orgsync.Fence, batch orgsync.Batch) error {
	return s.inTx(ctx, of(f.AccountID), "apply changes", func(tx *gorm.DB) (err error) {
		if _, err := s.fence(tx, f, nil); err != nil {
			return err
		}
		if err := s.lookUpByID(tx); err != nil {
			return err
		}
		made := slices.Clone(batch.Changes)
		if !batch.DryRun {
			a := s.applier(tx, f.AccountID, mapping.Active)
			if a.quiet, err = quietSince(tx, f.AccountID, batch.AsOf); err != nil {
				return err
			}
			if err := a.apply(made); err != nil {
				return err
			}
		}
		return s.storeChanges(ctx, tx, f.AccountID, f.SyncID, made)
	})
}

func countApplied(changes []orgsync.Change) (n int) {
	for i := range changes {
		if changes[i].Status == orgsync.ChangeApplied {
			n++
		}
	}
	return n
}

func (s *Store) storeChanges(ctx context.Context, tx *gorm.DB, accountID, syncID string, changes []orgsync.Change) error {
	if len(changes) == 0 {
		return nil
	}
	var seqs []int
	err := tx.Model(&changeRow{}).Where("account_id = ?", accountID).Where("sync_id = ?", syncID).
		Order("sync_id DESC, seq DESC").Limit(1).Pluck("seq", &seqs).Error // max(seq) would read them all
	if err != nil {
		return err
	}
	last := 0
	if len(seqs) > 0 {
		last = seqs[0]
	}
	event, err := reserveEvents(tx, accountID, countApplied(changes))
	if err != nil {
		return err
	}
	now := s.now()
	rows := make([][]any, len(changes))
	for i := range changes {
		c := &changes[i]
		rows[i] = []any{
			accountID, syncID, last + i + 1, string(c.Action), string(c.Status), string(c.Reason),
			c.OrganizationID, clean(c.OrganizationName), c.ITGlueID, clean(c.ITGlueName), clean(c.Before), clean(c.After), nil, nil,
		}
		if c.Status == orgsync.ChangeApplied {
			rows[i][12], rows[i][13] = event, now
			event++
		}
	}
	return s.insert(ctx, tx, `INSERT INTO sync_changes (account_id, sync_id, seq, action, status, reason,
			organization_id, organization_name, itglue_id, itglue_name, before, after, event, applied_at)`, []string{
		"uuid", "uuid", "integer", "text", "text", "text", "uuid", "text", "text", "text", "text", "text", "bigint", "timestamptz",
	}, rows, "")
}

// ApplyUnmatched writes reasons for organizations that are still unmapped and that no person unmapped; at most 10,000. It answers
// [errs.Fenced].
func (s *Store) ApplyUnmatched(ctx context.Context, f orgsync.Fence, updates []orgsync.UnmatchedUpdate) error {
	return s.inTx(ctx, of(f.AccountID), "apply unmatched reasons", func(tx *gorm.DB) error {
		if _, err := s.fence(tx, f, nil); err != nil || len(updates) == 0 {
			return err
		}
		if err := s.lookUpByID(tx); err != nil {
			return err
		}
		rows := make([][]string, len(updates))
		for i, u := range updates {
			rows[i] = []string{u.OrganizationID, string(u.Code)}
		}
		return tx.Exec(`WITH v(org_id, code) AS MATERIALIZED (?)
			UPDATE mappings SET unmatched_code = nullif(v.code, '') FROM v
			WHERE CAST(mappings.account_id AS text) = ? AND mappings.organization_id = v.org_id AND mappings.state || '' = ?
				AND (mappings.unmatched_code IS NULL OR mappings.unmatched_code <> ?)`,
			s.values([]string{"uuid", "text"}, rows), f.AccountID, string(mapping.Unmapped), string(mapping.UnmappedByPerson)).Error
	})
}
