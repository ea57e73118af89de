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
		columns, err := countChanges(tx, &row)
		if err != nil {
			return err
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
func countChanges(tx *gorm.DB, sync *syncRow) (map[string]any, error) {
	var groups []struct {
		Action string
		Status string
		N      int
	}
	err := tx.Model(&changeRow{}).Select("action, status, count(*) AS n").Where("account_id = ?", sync.AccountID).
		Where("sync_id = ?", sync.ID).Group("action, status").Scan(&groups).Error
	if err != nil {
		return nil, err
	}
	done := orgsync.ChangeApplied
	if orgsync.Kind(sync.Kind) == orgsync.Preview {
		done = orgsync.ChangePlanned
	}
	counts := map[string]int{"renamed": 0, "mapped": 0, "unmapped": 0, "held": 0, "skipped": 0}
	for _, g := range groups {
		if column := countedAs(orgsync.Action(g.Action), orgsync.ChangeStatus(g.Status), done); column != "" {
			counts[column] += g.N
		}
	}
	columns := make(map[string]any, len(counts))
	for name, n := range counts {
		columns[name] = n
	}
	return columns, nil
}

func countedAs(action orgsync.Action, status, done orgsync.ChangeStatus) string {
	switch {
	case status == orgsync.ChangeHeld:
		return "held"
	case status == orgsync.ChangeRefused:
		return "skipped"
	case status != done:
		return ""
	}
	switch action {
	case orgsync.ActionRename:
		return "renamed"
	case orgsync.ActionMap:
		return "mapped"
	case orgsync.ActionUnmap:
		return "unmapped"
	case orgsync.ActionSkip:
	}
	return ""
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
		return of().Where("attention_code = ?", string(integration.CredentialsRejected)).
			Updates(map[string]any{"attention_code": nil, "attention_detail": nil, "attention_since": nil}).Error
	case orgsync.CredentialsRejected:
		return of().Updates(rejected(o, s.now())).Error
	case orgsync.CredentialsUnknown:
	}
	return nil
}

func rejected(o *orgsync.Outcome, now time.Time) map[string]any {
	detail := "IT Glue refused the API key."
	if o.Failure != nil && o.Failure.Detail != "" {
		detail = clean(o.Failure.Detail)
	}
	code := string(integration.CredentialsRejected)
	return map[string]any{
		"attention_code": code, "attention_detail": detail,
		"attention_since": gorm.Expr("CASE WHEN attention_code = ? THEN attention_since ELSE ? END", code, now),
	}
}
