package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

// FinishSync ends a running sync. Of the counts it takes Listed and Unchanged; the others are counted from the stored changes. It
// answers [errs.Fenced].
func (s *Store) FinishSync(ctx context.Context, f orgsync.Fence, o orgsync.Outcome) error {
	if !o.Status.Final() {
		return fmt.Errorf("finish sync: %q is not a final status", o.Status)
	}
	return s.inTx(ctx, "finish sync", func(tx *gorm.DB) error {
		row, err := s.fence(tx, f, nil)
		if err != nil {
			return err
		}
		counts, err := countChanges(tx, &row)
		if err != nil {
			return err
		}
		columns := map[string]any{
			"renamed": counts.Renamed, "mapped": counts.Mapped, "unmapped": counts.Unmapped, "held": counts.Held, "skipped": counts.Skipped,
		}
		columns["status"], columns["finished_at"], columns["lease_until"] = string(o.Status), s.now(), nil
		columns["listed"], columns["unchanged"] = o.Counts.Listed, o.Counts.Unchanged
		columns["failure_code"], columns["failure_detail"] = nil, nil
		if o.Failure != nil {
			columns["failure_code"], columns["failure_detail"] = string(o.Failure.Code), clean(o.Failure.Detail)
		}
		if _, err := s.fence(tx, f, columns); err != nil {
			return err
		}
		return s.finishIntegration(tx, f.AccountID, &o)
	})
}

// countChanges counts what a sync did by its stored changes; what a preview would do, they are planned.
func countChanges(tx *gorm.DB, sync *syncRow) (counts orgsync.Counts, err error) {
	var groups []struct {
		Action string
		Status string
		N      int
	}
	err = tx.Model(&changeRow{}).Select("action, status, count(*) AS n").Where("account_id = ?", sync.AccountID).
		Where("sync_id = ?", sync.ID).Group("action, status").Scan(&groups).Error
	done := orgsync.ChangeApplied
	if orgsync.Kind(sync.Kind) == orgsync.Preview {
		done = orgsync.ChangePlanned
	}
	for _, g := range groups {
		if counted := countedAs(&counts, orgsync.Action(g.Action), orgsync.ChangeStatus(g.Status), done); counted != nil {
			*counted += g.N
		}
	}
	return counts, err
}

// countedAs is the count that a change belongs to; nil when to none.
func countedAs(counts *orgsync.Counts, action orgsync.Action, status, done orgsync.ChangeStatus) *int {
	switch {
	case status == orgsync.ChangeHeld:
		return &counts.Held
	case status == orgsync.ChangeRefused:
		return &counts.Skipped
	case status != done:
		return nil
	}
	switch action {
	case orgsync.ActionRename:
		return &counts.Renamed
	case orgsync.ActionMap:
		return &counts.Mapped
	case orgsync.ActionUnmap:
		return &counts.Unmapped
	case orgsync.ActionSkip:
	}
	return nil
}

// finishIntegration notes when all mappings were compared and what was learnt about the key.
func (s *Store) finishIntegration(tx *gorm.DB, accountID string, o *orgsync.Outcome) error {
	of := func() *gorm.DB { return tx.Model(&integrationRow{}).Where("account_id = ?", accountID) }
	if o.ComparedAt != nil {
		if err := of().Update("last_synced_at", instant(*o.ComparedAt)).Error; err != nil {
			return err
		}
	}
	switch o.Credentials {
	case orgsync.CredentialsAccepted:
		return clearRejected(tx, accountID)
	case orgsync.CredentialsRejected:
		detail := ""
		if o.Failure != nil {
			detail = o.Failure.Detail
		}
		return of().Updates(rejected(detail, s.now())).Error
	case orgsync.CredentialsUnknown:
	}
	return nil
}

// clearRejected ends the attention for a refused key, and no other.
func clearRejected(tx *gorm.DB, accountID string) error {
	return tx.Model(&integrationRow{}).Where("account_id = ?", accountID).
		Where("attention_code = ?", string(integration.CredentialsRejected)).
		Updates(map[string]any{"attention_code": nil, "attention_detail": nil, "attention_since": nil}).Error
}

func rejected(detail string, now time.Time) map[string]any {
	code := string(integration.CredentialsRejected)
	return map[string]any{
		"attention_code": code, "attention_detail": clean(detail),
		"attention_since": gorm.Expr("CASE WHEN attention_code = ? THEN attention_since ELSE ? END", code, now),
	}
}
