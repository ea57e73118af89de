package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	moderncsqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteSettings make every connection durable and strict. _time_format keeps times as text that sorts like the times themselves.
// A large sync touches many pages: the cache and the write-ahead log have room for them, in KiB and in pages.
const sqliteSettings = "_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)" +
	"&_pragma=cache_size(-20000)&_pragma=temp_store(2)&_pragma=wal_autocheckpoint(20000)" +
	"&_txlock=immediate&_time_format=sqlite&_timezone=UTC"

func (s *Store) openSQLite(ctx context.Context, path string) error {
	if path == "" || strings.ContainsAny(path, "?#") {
		return errors.New("the database URL must be sqlite:// followed by the path of a file")
	}
	path = filepath.Clean(path)
	if err := createPrivate(path); err != nil {
		return fmt.Errorf("open the SQLite database: %w", err)
	}
	name := url.URL{Path: path}
	db, err := sql.Open("sqlite", "file:"+name.EscapedPath()+"?"+sqliteSettings)
	if err != nil {
		return fmt.Errorf("open the SQLite database %s: %w", path, err)
	}
	// SQLite has one writer at a time; a second connection would only make it wait in a less fair queue.
	db.SetMaxOpenConns(1)
	s.sql = db
	if err := s.inspectSQLite(ctx, path); err != nil {
		return err
	}
	return s.attach(sqliteDialector{sqlite.New(sqlite.Config{Conn: db})})
}

// createPrivate makes a new file that only its owner can read: it will hold sealed keys and hashes of tokens. SQLite gives the files
// that it puts beside it the same permissions.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator says which file
	if err != nil {
		return err
	}
	return f.Close()
}

// inspectSQLite refuses a file that is damaged or that a newer program wrote.
func (s *Store) inspectSQLite(ctx context.Context, path string) error {
	var verdict string
	err := s.sql.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict)
	switch {
	case isSQLite(err, sqlite3.SQLITE_NOTADB), isSQLite(err, sqlite3.SQLITE_CORRUPT), err == nil && verdict != "ok":
		return fmt.Errorf("the file %s is damaged or not a SQLite database", path)
	case err != nil:
		return fmt.Errorf("open the SQLite database %s: %w", path, err)
	}
	known, err := s.newestMigration()
	if err != nil {
		return err
	}
	var tables int
	if err := s.sql.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE name = 'goose_db_version'").Scan(&tables); err != nil {
		return fmt.Errorf("open the SQLite database %s: %w", path, err)
	}
	if tables == 0 {
		return nil
	}
	var applied sql.NullInt64
	if err := s.sql.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version").Scan(&applied); err != nil {
		return fmt.Errorf("read the version of the SQLite database %s: %w", path, err)
	}
	if applied.Int64 > known {
		return fmt.Errorf("the database %s was made by a newer orgbridge: it is at migration %d, this program knows %d",
			path, applied.Int64, known)
	}
	return nil
}

// sqliteDialector is gorm's dialector for another driver: the errors are those of modernc.org/sqlite.
type sqliteDialector struct{ gorm.Dialector }

// Translate gives violated constraints the names that gorm has for them.
func (d sqliteDialector) Translate(err error) error {
	switch {
	case isSQLite(err, sqlite3.SQLITE_CONSTRAINT_UNIQUE), isSQLite(err, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
		return gorm.ErrDuplicatedKey
	case isSQLite(err, sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY):
		return gorm.ErrForeignKeyViolated
	case isSQLite(err, sqlite3.SQLITE_CONSTRAINT_CHECK):
		return gorm.ErrCheckConstraintViolated
	default:
		return err
	}
}

// isSQLite compares the extended code, or the primary code when that is what is asked for.
func isSQLite(err error, code int) bool {
	var e *moderncsqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Code() == code || e.Code()&0xff == code
}
