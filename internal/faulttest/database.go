package faulttest

import (
	"context"
	"database/sql"
	"net/url"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/internal/store/storetest"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"; that of SQLite comes with the store
)

// Database looks at a program's database past the program.
type Database struct {
	*sql.DB

	URL    string
	SQLite bool
}

// OpenDatabase opens the database of a URL, as the program is given it. It is closed when the test ends.
func OpenDatabase(tb testing.TB, databaseURL string) *Database {
	tb.Helper()
	d := &Database{URL: databaseURL}
	driver, source := "pgx", storetest.PastTheFence(databaseURL)
	if path, ok := strings.CutPrefix(databaseURL, "sqlite://"); ok {
		d.SQLite = true
		name := url.URL{Path: path}
		driver, source = "sqlite", "file:"+name.EscapedPath()+"?_pragma=busy_timeout(5000)&_time_format=sqlite&_timezone=UTC"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		tb.Fatalf("open the database: %v", err)
	}
	db.SetMaxOpenConns(1)
	d.DB = db
	tb.Cleanup(func() { _ = db.Close() })
	return d
}

// Run runs a statement. Parameters are $1, $2, … on both databases.
func (d *Database) Run(tb testing.TB, statement string, args ...any) {
	tb.Helper()
	if _, err := d.ExecContext(context.WithoutCancel(tb.Context()), statement, args...); err != nil {
		tb.Fatalf("run %q: %v", statement, err)
	}
}

// Texts returns the first column of a query, as text.
func (d *Database) Texts(ctx context.Context, query string, args ...any) (texts []string, err error) {
	rows, err := d.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var text sql.NullString
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		texts = append(texts, text.String)
	}
	return texts, rows.Err()
}

// Value reads one value.
func Value[T any](tb testing.TB, d *Database, query string, args ...any) (v T) {
	tb.Helper()
	if err := d.QueryRowContext(context.WithoutCancel(tb.Context()), query, args...).Scan(&v); err != nil {
		tb.Fatalf("run %q: %v", query, err)
	}
	return v
}
