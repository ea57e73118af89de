package store

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

// FinishSync ends a running sync. Of the counts it takes Listed and Unchanged; the others are counted from the stored changes. It
// answers [errs.Fenced]. When a sync of the whole account ends held, its removals are the ones that wait for a person; when it
// succeeds, none do.
func (s *Store) FinishSync(ctx context.Context, f orgsync.Fence, o orgsync.Outcome) error {
	if !o.Status.Final() {
		return fmt.Errorf("finish sync: %q is not a final status", o.Status)
	}
	return s.inTx(ctx, of(f.AccountID), "finish sync", func(tx *gorm.DB) error {
		row, err := s.fence(tx, f, nil)
		if err != nil {
			return err
		}
		columns, err := recounted(tx, &row)
		if err != nil {
			return err
		}
		columns["status"], columns["finished_at"], columns["lease_until"] = string(o.Status), s.now(), nil
		columns["released_at"], columns["phase"], columns["done"], columns["total"] =
			nil, string(o.Progress.Phase), o.Progress.Done, o.Progress.Total
		columns["listed"], columns["unchanged"] = o.Counts.Listed, o.Counts.Unchanged
		columns["failure_code"], columns["failure_detail"] = nil, nil
		if o.Failure != nil {
			columns["failure_code"], columns["failure_detail"] = string(o.Failure.Code), clean(o.Failure.Detail)
		}
		if row, err = updateSync(tx, &row, columns); err != nil {
			return err
		}
		ended := row.sync()
		learnt, err := s.finishIntegration(tx, &ended, &o)
		if err != nil {
			return err
		}
		return s.record(tx, f.AccountID, learntBy(&ended, learnt)...)
	})
}

// recounted is the columns of the counts that stored changes tell.
func recounted(tx *gorm.DB, sync *syncRow) (map[string]any, error) {
	counts, err := countChanges(tx, sync)
	return map[string]any{
		"renamed": counts.Renamed, "mapped": counts.Mapped, "unmapped": counts.Unmapped, "held": counts.Held, "skipped": counts.Skipped,
	}, err
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

// learntBy returns the facts that a sync found out, and its end.
func learntBy(sync *orgsync.Sync, facts []event.Event) []event.Event {
	for i := range facts {
		facts[i].Actor, facts[i].SyncID = sync.RequestedBy, sync.ID
	}
	return append(facts, syncEnded(sync))
}

// syncEnded is the fact that a sync came to its end.
func syncEnded(sync *orgsync.Sync) event.Event {
	types := map[orgsync.Status]event.Type{
		orgsync.Succeeded: event.SyncSucceeded, orgsync.Held: event.SyncHeld, orgsync.Failed: event.SyncFailed,
		orgsync.Cancelled: event.SyncCancelled,
	}
	c := sync.Counts
	ended := event.Event{
		Type: types[sync.Status], Actor: sync.RequestedBy, SyncID: sync.ID,
		After: event.Properties{"kind": string(sync.Kind), "counts": map[string]int{
			"listed": c.Listed, "unchanged": c.Unchanged, "renamed": c.Renamed, "mapped": c.Mapped, "unmapped": c.Unmapped,
			"held": c.Held, "skipped": c.Skipped,
		}},
	}
	if sync.Failure != nil {
		ended.Detail = sync.Failure.Detail
	}
	return ended
}

// finishIntegration notes when the directory was taken and when all mappings were compared, whose removals wait for a person, and what
// was learnt about the key. It returns the facts.
func (s *Store) finishIntegration(tx *gorm.DB, ended *orgsync.Sync, o *orgsync.Outcome) ([]event.Event, error) {
	columns := map[string]any{}
	if o.ListedAt != nil {
		columns["listed_at"] = instant(*o.ListedAt)
	}
	if o.ComparedAt != nil {
		columns["last_synced_at"] = instant(*o.ComparedAt)
	}
	if ended.Kind != orgsync.Preview && ended.Kind != orgsync.Organization {
		switch ended.Status {
		case orgsync.Held:
			columns["held_sync_id"] = ended.ID
		case orgsync.Succeeded:
			columns["held_sync_id"] = nil
		case orgsync.Queued, orgsync.Running, orgsync.Failed, orgsync.Cancelled:
		}
	}
	if len(columns) > 0 {
		if err := integrationOf(tx, ended.AccountID).Updates(columns).Error; err != nil {
			return nil, err
		}
	}
	facts, err := s.finishCredentials(tx, ended, o)
	return facts, errors.Join(err, s.noteAccount(tx, ended, o))
}

func (s *Store) finishCredentials(tx *gorm.DB, ended *orgsync.Sync, o *orgsync.Outcome) ([]event.Event, error) {
	switch o.Credentials {
	case orgsync.CredentialsAccepted:
		return acceptCredentials(tx, ended.AccountID)
	case orgsync.CredentialsRejected:
		detail := ""
		if o.Failure != nil {
			detail = o.Failure.Detail
		}
		return s.rejectCredentials(tx, ended.AccountID, detail)
	case orgsync.CredentialsUnknown:
	}
	return nil, nil
}

// noteAccount sets the attention for a sync that seemed to see another IT Glue account, keeping since when, and ends it with one that did
// not.
func (s *Store) noteAccount(tx *gorm.DB, ended *orgsync.Sync, o *orgsync.Outcome) error {
	different := string(integration.DifferentAccount)
	switch {
	case o.Failure != nil && o.Failure.Code == errs.DifferentITGlueAccount:
		return integrationOf(tx, ended.AccountID).Where("attention_code IS NULL").Updates(map[string]any{
			"attention_code": different, "attention_detail": clean(o.Failure.Detail), "attention_since": s.now(),
		}).Error
	case o.ComparedAt != nil:
		return integrationOf(tx, ended.AccountID).Where("attention_code = ?", different).
			Updates(map[string]any{"attention_code": nil, "attention_detail": nil, "attention_since": nil}).Error
	default:
		return nil
	}
}
