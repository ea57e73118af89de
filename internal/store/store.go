// Package store keeps everything in a database: SQLite for one process, PostgreSQL for many. Both give the same answers; what differs
// between them stays in this package.
//
// An exported method is one unit of work, in a transaction of its own where it writes. Methods for an account's data take the account
// id right after the context. A guard refuses statements on such data that do not ask for an account; it knows the mistakes that are
// easy to make, not every statement that could be written.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/organization"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

var (
	_ account.Store           = (*Store)(nil)
	_ integration.Store       = (*Store)(nil)
	_ integration.SealedStore = (*Store)(nil)
	_ organization.Store      = (*Store)(nil)
	_ mapping.Store           = (*Store)(nil)
	_ orgsync.SyncStore       = (*Store)(nil)
	_ orgsync.StateStore      = (*Store)(nil)
	_ orgsync.RefreshStore    = (*Store)(nil)
	_ orgsync.SweepStore      = (*Store)(nil)
	_ orgsync.DailyStore      = (*Store)(nil)
)

// Options are what a store needs besides its database.
type Options struct {
	Logger *slog.Logger // nil discards
	// Migrated is called, if given, with how many of the due migrations are applied: at the start, and after each.
	Migrated func(done, due int)
	// Now is the clock of everything. Without it, times that are noted are those of this node, and what is due is decided by the
	// database's clock, which is one for all nodes.
	Now func() time.Time
}

// Store is an open database. It is safe for concurrent use.
type Store struct {
	db   *gorm.DB
	sql  *sql.DB
	pool *pgxpool.Pool // nil on SQLite
	log  *slog.Logger
	now  func() time.Time

	migrated func(done, due int) // may be nil
	// writers has room for as many transactions as may run at the same time; nil on SQLite, where they wait for the one connection.
	writers chan struct{}
	// broken says that SQLite could not write to its disk, and has not since.
	broken atomic.Bool
	wakes  wakes

	nodesClock bool      // decides what is due
	opened     time.Time // by the monotonic clock, which nobody sets
}

// Open opens the database of a URL: sqlite://relative/path, sqlite:///absolute/path, postgres://… or postgresql://…. The schema is
// left as it is, see [Store.Migrate]. It fails when the URL is malformed, the database cannot be reached, or a SQLite file is damaged
// or newer than this program. No error shows a password.
func Open(ctx context.Context, databaseURL string, o Options) (*Store, error) {
	s := &Store{log: o.Logger, migrated: o.Migrated, now: o.clock(), nodesClock: o.Now != nil, opened: time.Now()}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	scheme, rest, _ := strings.Cut(databaseURL, "://")
	var err error
	switch scheme {
	case "sqlite":
		err = s.openSQLite(ctx, rest)
	case "postgres", "postgresql":
		err = s.openPostgres(ctx, databaseURL)
	default:
		err = errors.New("the database URL must begin with sqlite://, postgres:// or postgresql://")
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// clock gives times as both databases keep them: UTC, whole microseconds.
func (o Options) clock() func() time.Time {
	now := o.Now
	if now == nil {
		now = time.Now
	}
	return func() time.Time { return instant(now()) }
}

// dueTime is the time that decides which daily syncs are due. The node's own clock is good enough for SQLite, which one node has.
func (s *Store) dueTime(tx *gorm.DB) (now time.Time, err error) {
	if s.pool == nil || s.nodesClock {
		return s.now(), nil
	}
	err = tx.Raw("SELECT now()").Scan(&now).Error
	return instant(now), err
}

func instant(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// attach puts gorm on the open database.
func (s *Store) attach(dialector gorm.Dialector) error {
	db, err := gorm.Open(dialector, &gorm.Config{
		TranslateError:         true,
		SkipDefaultTransaction: true, // units of work begin their own
		NowFunc:                s.now,
		Logger:                 logger.Discard, // statements carry parameters, which are not for logs
		DisableAutomaticPing:   true,
	})
	if err != nil {
		return fmt.Errorf("set up gorm: %w", err)
	}
	s.db = db
	return setFirstFence(db)
}

// readyTimeout bounds how long it takes to find out that the database is away.
const readyTimeout = 3 * time.Second

// Ready tells whether the database can be reached, has all migrations that this program knows, and can be written as far as is known. It
// answers [errs.Unavailable] when not. A database that is newer is fine: that is what the last old node sees while a cluster is being
// upgraded.
func (s *Store) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if s.broken.Load() {
		if err := s.tryToWrite(ctx); err != nil {
			return err
		}
	}
	err := s.read(ctx, ofNone(), "check the database", func(tx *gorm.DB) error {
		known, err := s.newestMigration()
		if err != nil {
			return err
		}
		var applied sql.NullInt64
		if err := tx.Raw("SELECT max(version_id) FROM goose_db_version WHERE is_applied").Scan(&applied).Error; err != nil {
			return err
		}
		if applied.Int64 < known {
			return unavailable("The database is not migrated yet.")
		}
		return nil
	})
	if err == nil || errs.Is(err, errs.Unavailable) {
		return err
	}
	return unavailable("The database is not ready.").Because(err)
}

// tryToWrite has SQLite write a page that says what it said before.
func (s *Store) tryToWrite(ctx context.Context) error {
	return s.inTx(ctx, ofNone(), "try to write", func(tx *gorm.DB) error {
		var version int
		if err := tx.Raw("PRAGMA user_version").Scan(&version).Error; err != nil {
			return err
		}
		return tx.Exec(fmt.Sprintf("PRAGMA user_version = %d", version)).Error
	})
}

// Close closes all connections.
func (s *Store) Close() error {
	var err error
	if s.sql != nil {
		err = s.sql.Close()
	}
	if s.pool != nil {
		s.pool.Close()
	}
	return err
}

// PostgresPool returns the connections that the store uses; nil on SQLite.
func (s *Store) PostgresPool() *pgxpool.Pool { return s.pool }

// SQLite returns the database that the store uses, limited to one connection; nil on PostgreSQL.
func (s *Store) SQLite() *sql.DB {
	if s.pool != nil {
		return nil
	}
	return s.sql
}
