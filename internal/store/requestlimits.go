package store

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/orgbridge/orgbridge/internal/integration"
)

// limitKept is how long the row of a key that is not used any more is kept.
const limitKept = 24 * time.Hour

// limitRow is an [integration.RequestLimit]. It belongs to a key, not to an account: accounts may have the same.
type limitRow struct {
	Fingerprint  string `gorm:"primaryKey"`
	SpentUntil   time.Time
	BlockedUntil time.Time
}

func (limitRow) TableName() string { return "request_limits" }

func (r limitRow) state() integration.RequestLimit {
	return integration.RequestLimit{SpentUntil: r.SpentUntil, BlockedUntil: r.BlockedUntil}
}

// timedLimit is a row with the database's clock.
type timedLimit struct {
	Row limitRow `gorm:"embedded"`
	Now int64    // microseconds since 1970
}

func (l timedLimit) now() time.Time { return time.UnixMicro(l.Now).UTC() }

// ReadLedger returns what the nodes know of a key, and the database's time.
func (s *Store) ReadLedger(ctx context.Context, key string) (state integration.RequestLimit, now time.Time, err error) {
	err = s.read(ctx, ofNone(), "read a request limit", func(tx *gorm.DB) error {
		row, _, err := s.limitOf(tx, key)
		state, now = row.Row.state(), row.now()
		return err
	})
	return state, now, err
}

// ChangeLedger replaces what the nodes know of a key by what the function makes of it.
func (s *Store) ChangeLedger(
	ctx context.Context, key string, change func(integration.RequestLimit, time.Time) integration.RequestLimit,
) error {
	return s.inTx(ctx, ofNone(), "change a request limit", func(tx *gorm.DB) error {
		row, found, err := s.limitOf(tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}), key)
		if err != nil {
			return err
		}
		changed := change(row.Row.state(), row.now())
		next := limitRow{Fingerprint: key, SpentUntil: instant(changed.SpentUntil), BlockedUntil: instant(changed.BlockedUntil)}
		if found {
			return tx.Where("fingerprint = ?", key).Select("spent_until", "blocked_until").Updates(&next).Error
		}
		if err := tx.Where("spent_until < ?", row.now().Add(-limitKept)).Where("blocked_until < ?", row.now()).
			Delete(&limitRow{}).Error; err != nil {
			return err
		}
		return raced(tx.Create(&next).Error)
	})
}

// limitOf finds the row of a key; the zero state when there is none.
func (s *Store) limitOf(tx *gorm.DB, key string) (row timedLimit, found bool, err error) {
	read := tx.Model(&limitRow{}).Select("*, "+s.databaseMicros()+" AS now").Where("fingerprint = ?", key).Limit(1).Find(&row)
	if read.Error != nil || read.RowsAffected == 1 {
		return row, read.Error == nil, read.Error
	}
	err = tx.Session(&gorm.Session{NewDB: true}).Raw("SELECT " + s.databaseMicros()).Scan(&row.Now).Error
	return row, false, err
}

// databaseMicros is the database's clock in microseconds since 1970, a type that both drivers give for what a query computes.
func (s *Store) databaseMicros() string {
	if s.pool != nil {
		return "CAST(extract(epoch FROM now()) * 1000000 AS bigint)"
	}
	return "CAST(unixepoch('subsec') * 1000000 AS integer)"
}
