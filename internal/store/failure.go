package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/orgbridge/orgbridge/internal/errs"
)

// retryAfter is the wait that a client is asked for when the database is busy or away.
const retryAfter = 2 * time.Second

func unavailable(detail string) *errs.Error {
	return errs.New(errs.Unavailable, "%s", detail).After(retryAfter)
}

// failure gives an error of a unit of work its final form: errors with a code stay, a database that is away is unavailable, and
// everything else is wrapped and so internal.
func failure(operation string, err error) error {
	var coded *errs.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &coded):
		return err
	case isAway(err), isRace(err):
		return unavailable("The database is busy or cannot be reached. Try again shortly.").Because(fmt.Errorf("%s: %w", operation, err))
	default:
		return fmt.Errorf("%s: %w", operation, err)
	}
}

// isAway tells whether the database could not be reached, was too busy, or took too long.
func isAway(err error) bool {
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network) || errors.As(err, &connect) || pgconn.SafeToRetry(err) ||
		isSQLite(err, sqlite3.SQLITE_BUSY) || isSQLite(err, sqlite3.SQLITE_LOCKED) || isPostgresAway(err)
}

// isPostgresAway knows the states that pass: lost connections, a server that shuts down, fails over or is full, and time-outs.
func isPostgresAway(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	return strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "57P") ||
		slices.Contains([]string{"53300", "57014", "55P03", "25006", "25P03"}, pg.Code)
}
