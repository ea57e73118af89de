package store

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/schedule"
)

type syncRow struct {
	ID                   string `gorm:"primaryKey"`
	AccountID            string
	IntegrationID        string
	Kind                 string
	Status               string
	Epoch                int
	Attempt              int
	NotBefore            *time.Time
	Phase                string
	Done                 int
	Total                int
	Listed               int
	Unchanged            int
	Renamed              int
	Mapped               int
	Unmapped             int
	Held                 int
	Skipped              int
	FailureCode          *string
	FailureDetail        *string
	RequestedByTokenID   *string
	RequestedByTokenName *string
	RequestedBySubject   *string
	DueDate              *string
	CreatedAt            time.Time `gorm:"autoCreateTime:false"`
	StartedAt            *time.Time
	FinishedAt           *time.Time
	ReleasedAt           *time.Time
}

func (syncRow) TableName() string { return "syncs" }

func newSyncRow(accountID string, s *orgsync.Sync) syncRow {
	row := syncRow{
		ID: s.ID, AccountID: accountID, IntegrationID: s.IntegrationID, Kind: string(s.Kind), Status: string(s.Status),
		Epoch: s.Epoch, Attempt: s.Attempt, Phase: string(s.Progress.Phase), Done: s.Progress.Done, Total: s.Progress.Total,
		Listed: s.Counts.Listed, Unchanged: s.Counts.Unchanged, Renamed: s.Counts.Renamed, Mapped: s.Counts.Mapped,
		Unmapped: s.Counts.Unmapped, Held: s.Counts.Held, Skipped: s.Counts.Skipped,
		CreatedAt: instant(s.CreatedAt), StartedAt: utc(s.StartedAt), FinishedAt: utc(s.FinishedAt),
	}
	if !s.NotBefore.IsZero() {
		row.NotBefore = utc(&s.NotBefore)
	}
	if s.Failure != nil {
		row.FailureCode, row.FailureDetail = orNil(string(s.Failure.Code)), orNil(clean(s.Failure.Detail))
	}
	row.DueDate = orNil(string(s.DueDate))
	row.RequestedByTokenID, row.RequestedByTokenName = orNil(s.RequestedBy.TokenID), orNil(clean(s.RequestedBy.TokenName))
	row.RequestedBySubject = orNil(clean(s.RequestedBy.Subject))
	return row
}

func (r syncRow) sync() orgsync.Sync {
	s := orgsync.Sync{
		ID: r.ID, AccountID: r.AccountID, IntegrationID: r.IntegrationID, Kind: orgsync.Kind(r.Kind), Status: orgsync.Status(r.Status),
		DueDate: schedule.Date(orEmpty(r.DueDate)), Epoch: r.Epoch, Attempt: r.Attempt,
		Progress: orgsync.Progress{Phase: orgsync.Phase(r.Phase), Done: r.Done, Total: r.Total},
		Counts: orgsync.Counts{
			Listed: r.Listed, Unchanged: r.Unchanged, Renamed: r.Renamed, Mapped: r.Mapped, Unmapped: r.Unmapped, Held: r.Held, Skipped: r.Skipped,
		},
		RequestedBy: actorOf(r.RequestedByTokenID, r.RequestedByTokenName, r.RequestedBySubject),
		CreatedAt:   instant(r.CreatedAt), StartedAt: utc(r.StartedAt), FinishedAt: utc(r.FinishedAt),
		ReleasedAt: utc(r.ReleasedAt),
	}
	if r.NotBefore != nil {
		s.NotBefore = instant(*r.NotBefore)
	}
	if r.FailureCode != nil {
		s.Failure = &orgsync.Failure{Code: errs.Code(*r.FailureCode), Detail: orEmpty(r.FailureDetail)}
	}
	return s
}

// activeStatuses are those that at most one sync of an account has.
func activeStatuses() []string { return []string{string(orgsync.Queued), string(orgsync.Running)} }

// StartSync stores a queued sync. When the account has a queued or running one, it returns that one with started false. It answers
// [errs.NotConnected] when the sync's integration is not the account's.
func (s *Store) StartSync(ctx context.Context, sync orgsync.Sync) (stored orgsync.Sync, started bool, err error) {
	row := newSyncRow(sync.AccountID, &sync)
	row.Status, row.Epoch, row.StartedAt, row.FinishedAt = string(orgsync.Queued), max(1, sync.Epoch), nil, nil
	err = s.inTx(ctx, of(row.AccountID), "start sync", func(tx *gorm.DB) error {
		in, err := lockIntegration(tx, row.AccountID)
		if err != nil {
			return err
		}
		if in.ID != row.IntegrationID {
			return notConnected()
		}
		stored, started, err = startSync(tx, row)
		if err != nil || !started {
			return err
		}
		return s.record(tx, row.AccountID, queued(&stored))
	})
	return stored, started, err
}

// queued is the fact that a sync waits to begin.
func queued(sync *orgsync.Sync) event.Event {
	after := event.Properties{"kind": string(sync.Kind)}
	if sync.DueDate != "" {
		after["dueDate"] = string(sync.DueDate)
	}
	return event.Event{Type: event.SyncQueued, Actor: sync.RequestedBy, SyncID: sync.ID, After: after}
}

// startSync inserts the row or finds the one that stands in its way. That one may end in between; then the whole transaction runs
// again.
func startSync(tx *gorm.DB, row syncRow) (stored orgsync.Sync, started bool, err error) {
	created := tx.Clauses(clause.OnConflict{
		Columns:     []clause.Column{{Name: "account_id"}},
		TargetWhere: clause.Where{Exprs: []clause.Expression{gorm.Expr("status IN ('queued', 'running')")}},
		DoNothing:   true,
	}).Create(&row)
	if created.Error != nil || created.RowsAffected == 1 {
		return row.sync(), created.Error == nil, conflictIfThere(created.Error, "There is a sync with this id.")
	}
	active, err := activeSync(tx, row.AccountID)
	if err != nil {
		return stored, false, err
	}
	if active == nil {
		return stored, false, errRaced
	}
	return *active, false, nil
}

// ClaimSync makes a queued sync of the fence's epoch running with a lease, at the beginning of its first phase, sets StartedAt if it is
// the first time, and drops the changes of an earlier attempt that were not applied, unless removals are released. The sync it returns
// has the counts of the changes that remain. It answers [errs.Fenced] when the sync is not there to be claimed.
func (s *Store) ClaimSync(ctx context.Context, f orgsync.Fence, lease time.Duration) (claimed orgsync.Sync, err error) {
	err = s.inTx(ctx, of(f.AccountID), "claim sync", func(tx *gorm.DB) error {
		row, err := s.write(tx, f, orgsync.Queued, map[string]any{
			"status": string(orgsync.Running), "lease_until": s.databaseTime(lease), "not_before": nil,
			"started_at":   gorm.Expr("coalesce(started_at, ?)", s.now()),
			"failure_code": nil, "failure_detail": nil, "done": 0, "total": 0,
			"phase": gorm.Expr("CASE WHEN released_at IS NULL THEN ? ELSE ? END", string(orgsync.Listing), string(orgsync.Confirming)),
		})
		if err != nil {
			return err
		}
		if err := dropUnapplied(tx, &row); err != nil {
			return err
		}
		claimed = row.sync()
		if claimed.Counts, err = countChanges(tx, &row); err != nil {
			return err
		}
		claimed.Counts.Listed, claimed.Counts.Unchanged = row.Listed, row.Unchanged
		return nil
	})
	return claimed, err
}

// dropUnapplied has an earlier attempt leave only what it did. A release goes on with what is still held, and keeps the rest.
func dropUnapplied(tx *gorm.DB, sync *syncRow) error {
	if sync.ReleasedAt != nil {
		return nil
	}
	return tx.Where("account_id = ?", sync.AccountID).Where("sync_id = ?", sync.ID).
		Where("status <> ?", string(orgsync.ChangeApplied)).Delete(&changeRow{}).Error
}

// Heartbeat renews the lease and writes the progress, or answers [errs.Fenced].
func (s *Store) Heartbeat(ctx context.Context, f orgsync.Fence, lease time.Duration, p orgsync.Progress) error {
	return s.inTx(ctx, of(f.AccountID), "renew the lease of a sync", func(tx *gorm.DB) error {
		_, err := s.fence(tx, f, map[string]any{
			"lease_until": s.databaseTime(lease), "phase": string(p.Phase), "done": p.Done, "total": p.Total,
		})
		return err
	})
}

// RequeueSync hands a running sync back: queued, epoch + 1, not to be started before the delay is over. With a failure it counts as
// one more attempt and keeps the failure. It returns the new epoch, or answers [errs.Fenced].
func (s *Store) RequeueSync(ctx context.Context, f orgsync.Fence, delay time.Duration, failure *orgsync.Failure) (epoch int, err error) {
	columns := map[string]any{}
	if failure != nil {
		columns["attempt"] = gorm.Expr("attempt + 1")
		columns["failure_code"], columns["failure_detail"] = string(failure.Code), clean(failure.Detail)
	}
	if err := s.handBack(ctx, f, delay, columns); err != nil {
		return 0, err
	}
	return f.Epoch + 1, nil
}

// DeferSync hands a running sync back as RequeueSync does, with the failure and without counting an attempt.
func (s *Store) DeferSync(ctx context.Context, f orgsync.Fence, delay time.Duration, failure orgsync.Failure) error {
	return s.handBack(ctx, f, delay, map[string]any{"failure_code": string(failure.Code), "failure_detail": clean(failure.Detail)})
}

func (s *Store) handBack(ctx context.Context, f orgsync.Fence, delay time.Duration, columns map[string]any) error {
	columns["status"], columns["epoch"], columns["lease_until"], columns["not_before"] =
		string(orgsync.Queued), f.Epoch+1, nil, s.databaseTime(delay)
	return s.inTx(ctx, of(f.AccountID), "requeue sync", func(tx *gorm.DB) error {
		_, err := s.fence(tx, f, columns)
		return err
	})
}

// fence is the first statement of every write of a running sync. It answers [errs.Fenced] unless the sync is running in the fence's
// epoch and its integration is still there, writes the columns, if any, and keeps both rows as they are until the transaction ends.
// Without columns it renews the lease: heartbeats wait while the transaction holds the row.
func (s *Store) fence(tx *gorm.DB, f orgsync.Fence, columns map[string]any) (syncRow, error) {
	if columns == nil {
		columns = map[string]any{"lease_until": s.later("lease_until", orgsync.DefaultLease)}
	}
	return s.write(tx, f, orgsync.Running, columns)
}

func (s *Store) write(tx *gorm.DB, f orgsync.Fence, status orgsync.Status, columns map[string]any) (syncRow, error) {
	var row syncRow
	fenced := errs.New(errs.Fenced, "The sync has ended or has another owner.")
	if !isID(f.SyncID) {
		return row, fenced
	}
	in, err := lockIntegration(tx, f.AccountID)
	if errs.Is(err, errs.NotConnected) {
		return row, fenced
	} else if err != nil {
		return row, err
	}
	written := tx.Model(&row).Clauses(clause.Returning{}).
		Where("account_id = ?", f.AccountID).Where("id = ?", f.SyncID).Where("epoch = ?", f.Epoch).Where("status = ?", string(status)).
		Where("integration_id = ?", in.ID).
		Updates(columns)
	if written.Error == nil && written.RowsAffected == 0 {
		return row, fenced
	}
	return row, written.Error
}
