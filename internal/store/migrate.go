package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/orgbridge/orgbridge/migrations"
)

// migrationLock is the advisory lock that nodes take in turn; the number only has to be ours.
const migrationLock = 7_305_803_412_650_147

// Migrate brings the schema to the newest version and then calls also, if given. On PostgreSQL nodes that start at once do so one after
// the other; also runs under the same lock. On SQLite, what another process does at the same time is not done again. It is safe to call
// again.
func (s *Store) Migrate(ctx context.Context, also func(ctx context.Context) error) error {
	if s.pool == nil {
		return s.migrateSQLite(ctx, also)
	}
	// A connection of its own, since building an index may take longer than a request's statement may.
	cfg := s.pool.Config().ConnConfig.Copy()
	cfg.RuntimeParams["statement_timeout"], cfg.RuntimeParams["lock_timeout"] = "0", "0"
	cfg.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	cfg.RuntimeParams[everySetting] = "on"
	db := stdlib.OpenDB(*cfg)
	err := s.locked(ctx, db, func() error { return s.migrate(ctx, db, also) })
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	return s.warnWithoutFence(ctx)
}

// warnWithoutFence says so when PostgreSQL shows the login all rows, as it does to superusers.
func (s *Store) warnWithoutFence(ctx context.Context) error {
	var fenced bool
	if err := s.pool.QueryRow(ctx, "SELECT row_security_active('accounts')").Scan(&fenced); err != nil {
		return fmt.Errorf("ask for row-level security: %w", err)
	}
	if !fenced {
		s.log.WarnContext(ctx, "PostgreSQL does not fence accounts for this login: use one that is neither superuser nor has BYPASSRLS")
	}
	return nil
}

// migrateSQLite tries again as long as the schema was changed meanwhile: then another process may have made what was about to be made.
// Each step is a transaction, so none is made twice or in part.
func (s *Store) migrateSQLite(ctx context.Context, also func(ctx context.Context) error) error {
	for {
		before, err := s.schemaChanges(ctx)
		if err != nil {
			return err
		}
		failed := s.migrate(ctx, s.sql, also)
		if failed == nil {
			return nil
		}
		if after, err := s.schemaChanges(ctx); err != nil || after == before {
			return errors.Join(failed, err)
		}
	}
}

// schemaChanges is how often the schema of a SQLite database was changed.
func (s *Store) schemaChanges(ctx context.Context) (n int64, err error) {
	if err := s.sql.QueryRowContext(ctx, "PRAGMA schema_version").Scan(&n); err != nil {
		return 0, fmt.Errorf("read the version of the schema: %w", err)
	}
	return n, nil
}

func (s *Store) locked(ctx context.Context, db *sql.DB, fn func() error) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect to migrate: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(migrationLock)); err != nil {
		return fmt.Errorf("wait for other nodes to migrate: %w", err)
	}
	defer func() {
		// Also when the caller gave up: the next node waits for this lock.
		free, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_, unlockErr := conn.ExecContext(free, "SELECT pg_advisory_unlock($1)", int64(migrationLock))
		err = errors.Join(err, unlockErr)
	}()
	return fn()
}

func (s *Store) migrate(ctx context.Context, db *sql.DB, also func(ctx context.Context) error) error {
	files, err := s.migrationFiles()
	if err != nil {
		return err
	}
	dialect := goose.DialectPostgres
	if s.pool == nil {
		dialect = goose.DialectSQLite3
	}
	provider, err := goose.NewProvider(dialect, db, files, goose.WithDisableGlobalRegistry(true), goose.WithSlog(s.log))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if err := s.applyDue(ctx, provider); err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	if also == nil {
		return nil
	}
	return also(ctx)
}

// applyDue applies what is due, one migration after the other.
func (s *Store) applyDue(ctx context.Context, provider *goose.Provider) error {
	due, err := dueMigrations(ctx, provider)
	if err != nil || due == 0 {
		return err
	}
	for done := 0; ; done++ {
		if s.migrated != nil {
			s.migrated(done, due)
		}
		_, err := provider.UpByOne(ctx)
		if errors.Is(err, goose.ErrNoNextVersion) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func dueMigrations(ctx context.Context, provider *goose.Provider) (due int, err error) {
	// Far cheaper than asking for each migration, and mostly the end of it.
	if pending, err := provider.HasPending(ctx); err != nil || !pending {
		return 0, err
	}
	all, err := provider.Status(ctx)
	for _, m := range all {
		if m.State == goose.StatePending {
			due++
		}
	}
	return due, err
}

func (s *Store) migrationFiles() (fs.FS, error) {
	dir := "postgres"
	if s.pool == nil {
		dir = "sqlite"
	}
	files, err := fs.Sub(migrations.FS, dir)
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return files, nil
}

// newestMigration returns the highest number among this program's migrations.
func (s *Store) newestMigration() (int64, error) {
	files, err := s.migrationFiles()
	if err != nil {
		return 0, err
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return 0, fmt.Errorf("read the migrations: %w", err)
	}
	var newest int64
	for _, name := range names {
		number, err := goose.NumericComponent(name)
		if err != nil {
			return 0, fmt.Errorf("read the migrations: %w", err)
		}
		newest = max(newest, number)
	}
	return newest, nil
}
