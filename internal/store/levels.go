package store

import (
	"context"
	"time"

	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/orgsync"
)

// Levels says how much waits, in all accounts together.
func (s *Store) Levels(ctx context.Context) (l orgsync.Levels, err error) {
	err = s.read(ctx, ofEvery(), "read levels", func(tx *gorm.DB) error {
		l = orgsync.Levels{Integrations: map[string]int{"none": 0}}
		now, err := s.dueTime(tx)
		if err != nil {
			return err
		}
		steps := []func(*gorm.DB, time.Time, *orgsync.Levels) error{s.syncLevels, s.oldestDue, dailyLag, heldLevels, integrationLevels}
		for _, read := range steps {
			if err := read(tx, now, &l); err != nil {
				return err
			}
		}
		return nil
	})
	return l, err
}

func (s *Store) syncLevels(tx *gorm.DB, _ time.Time, l *orgsync.Levels) error {
	return acrossAccounts(tx).Model(&syncRow{}).
		Select("kind, CASE WHEN status = 'running' THEN 'running' WHEN not_before IS NULL OR not_before <= ? THEN 'due' ELSE 'delayed' END "+
			"AS state, count(*) AS count", s.databaseTime(0)).
		Where("status IN ('queued', 'running')").Group("kind, state").Order("kind, state").Find(&l.Syncs).Error
}

func (s *Store) oldestDue(tx *gorm.DB, now time.Time, l *orgsync.Levels) error {
	var rows []syncRow
	err := acrossAccounts(tx).Model(&syncRow{}).Select("not_before, created_at").
		Where("status = 'queued'").Where("(not_before IS NULL OR not_before <= ?)", s.databaseTime(0)).
		Order("coalesce(not_before, created_at)").Limit(1).Find(&rows).Error
	for _, r := range rows {
		since := r.CreatedAt
		if r.NotBefore != nil {
			since = *r.NotBefore
		}
		l.OldestDue = max(0, now.Sub(since))
	}
	return err
}

func dailyLag(tx *gorm.DB, now time.Time, l *orgsync.Levels) error {
	var due []time.Time
	err := acrossAccounts(tx).Model(&integrationRow{}).Where("daily_enabled").Where("next_run_at <= ?", now).
		Order("next_run_at").Limit(1).Pluck("next_run_at", &due).Error
	for _, at := range due {
		l.DailyLag = now.Sub(at)
	}
	return err
}

func heldLevels(tx *gorm.DB, now time.Time, l *orgsync.Levels) error {
	var rows []struct {
		Held       int
		FinishedAt *time.Time
	}
	err := acrossAccounts(tx).Model(&integrationRow{}).Select("s.held, s.finished_at").
		Joins("JOIN syncs s ON s.account_id = integrations.account_id AND s.id = integrations.held_sync_id").Find(&rows).Error
	for _, r := range rows {
		l.HeldSyncs++
		l.HeldRemovals += r.Held
		if r.FinishedAt != nil {
			l.OldestHeld = max(l.OldestHeld, now.Sub(*r.FinishedAt))
		}
	}
	return err
}

func integrationLevels(tx *gorm.DB, _ time.Time, l *orgsync.Levels) error {
	var rows []struct {
		Code  string
		Count int
	}
	err := acrossAccounts(tx).Model(&integrationRow{}).Select("coalesce(attention_code, 'none') AS code, count(*) AS count").
		Group("code").Find(&rows).Error
	for _, r := range rows {
		l.Integrations[r.Code] = r.Count
	}
	return err
}

// Connections is how the connections to the database are used, since the process began.
type Connections struct {
	Max, InUse, Idle int
	Waits            int64         // for a connection, when none was free
	Waited           time.Duration // all of them together
}

// Connections returns the use of connections by everything in this process.
func (s *Store) Connections() Connections {
	if s.pool == nil {
		stats := s.sql.Stats()
		return Connections{stats.MaxOpenConnections, stats.InUse, stats.Idle, stats.WaitCount, stats.WaitDuration}
	}
	stats := s.pool.Stat()
	return Connections{
		int(stats.MaxConns()), int(stats.AcquiredConns()), int(stats.IdleConns()), stats.EmptyAcquireCount(), stats.EmptyAcquireWaitTime(),
	}
}
