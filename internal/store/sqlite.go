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
	"time"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	moderncsqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteSettings make every connection durable and strict. _time_format keeps times as text that sorts like the times themselves.
// A large sync touches many pages: the cache and the write-ahead log have room for them, in KiB and in pages. The log stays at some
// 16 MiB, or it would fill a small disk, and then could not be moved into the database any more.
const sqliteSettings = "_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)" +
	"&_pragma=cache_size(-20000)&_pragma=temp_store(2)&_pragma=wal_autocheckpoint(4000)" +
	"&_txlock=immediate&_time_format=sqlite&_timezone=UTC"

const (
	// openTime is how long a file is waited for that another process is setting up: SQLite's own wait does not cover the change to a
	// write-ahead log. openPause is between two tries.
	openTime  = 10 * time.Second
	openPause = 50 * time.Millisecond
)

func (s *Store) openSQLite(ctx context.Context, path string) error {
	waiting, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	for {
		err := s.tryOpenSQLite(ctx, path)
		if !isSQLite(err, sqlite3.SQLITE_BUSY) {
			return err
		}
		if s.sql != nil {
			err = errors.Join(err, s.sql.Close())
			s.sql = nil
		}
		select {
		case <-waiting.Done():
			return err
		case <-time.After(openPause):
		}
	}
}

func (s *Store) tryOpenSQLite(ctx context.Context, path string) error {
	if path == "" || strings.ContainsAny(path, "?#") {
		return errors.New("the database URL must be sqlite:// followed by the path of a file")
	}
	path = filepath.Clean(path)
	if err := s.inspectSQLite(ctx, path); err != nil {
		return err
	}
	if err := createPrivate(path); err != nil {
		return fmt.Errorf("open the SQLite database: %w", err)
	}
	db, err := sql.Open("sqlite", fileURI(path)+"?"+sqliteSettings)
	if err != nil {
		return fmt.Errorf("open the SQLite database %s: %w", path, err)
	}
	// SQLite has one writer at a time; a second connection would only make it wait in a less fair queue.
	db.SetMaxOpenConns(1)
	s.sql = db
	if err := db.PingContext(ctx); err != nil {
		return fmt.Errorf("open the SQLite database %s: %w", path, err)
	}
	return s.attach(sqliteDialector{sqlite.New(sqlite.Config{Conn: db})})
}

func fileURI(path string) string {
	name := url.URL{Path: path}
	return "file:" + name.EscapedPath()
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

// inspectSQLite refuses a file that is damaged, of another program, or written by a newer one. It only reads: a file that is refused stays
// as it is, and nothing is put beside it that was not there.
func (s *Store) inspectSQLite(ctx context.Context, path string) (err error) {
	if size(path) == 0 {
		return nil // to be made
	}
	settings := "?mode=ro&_pragma=busy_timeout(5000)"
	if size(path+"-wal") == 0 {
		settings += "&immutable=1" // or a file for shared memory would be made
	}
	db, err := sql.Open("sqlite", fileURI(path)+settings)
	if err != nil {
		return fmt.Errorf("open the SQLite database %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	err = s.judgeSQLite(ctx, db, path)
	if isSQLite(err, sqlite3.SQLITE_NOTADB) || isSQLite(err, sqlite3.SQLITE_CORRUPT) {
		return damaged(path)
	}
	return err
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func damaged(path string) error {
	return fmt.Errorf("the file %s is damaged or not a SQLite database: put a backup back, or name another file", path)
}

func (s *Store) judgeSQLite(ctx context.Context, db *sql.DB, path string) error {
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return fmt.Errorf("open the SQLite database %s: %w", path, err)
	}
	if verdict != "ok" {
		return damaged(path)
	}
	var tables, versions int
	err := db.QueryRowContext(ctx, `SELECT count(*), count(*) FILTER (WHERE name = 'goose_db_version') FROM sqlite_master
		WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'`).Scan(&tables, &versions)
	switch {
	case err != nil:
		return fmt.Errorf("open the SQLite database %s: %w", path, err)
	case tables == 0:
		return nil
	case versions == 0:
		return fmt.Errorf("the database %s is not one of orgbridge: it has tables, and none of them tells a version", path)
	}
	known, err := s.newestMigration()
	if err != nil {
		return err
	}
	var applied sql.NullInt64
	if err := db.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version WHERE is_applied").Scan(&applied); err != nil {
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
