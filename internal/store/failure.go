package store

import (
	"context"
	"database/sql"
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

// failure gives an error of a unit of work its final form: errors with a code stay, a database that is away or cannot write is
// unavailable, and everything else is wrapped and so internal.
func failure(ctx context.Context, operation string, err error) error {
	var coded *errs.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &coded):
		return err
	}
	err = fmt.Errorf("%s: %w", operation, err)
	switch {
	case errors.Is(err, errUnknownCommit):
		return unavailable("The database was lost, and it is not known whether the change was made. Look before you try again.").
			Because(err)
	case isFull(err):
		return unavailable("The disk of the database is full. Nothing was changed.").Because(err)
	case cannotWrite(err):
		return unavailable("The database cannot be written at the moment. Nothing was changed.").Because(err)
	case isAway(err), isLost(err), isRace(err), ctx.Err() != nil && isCutOff(err):
		return unavailable("The database is busy or cannot be reached. Try again shortly.").Because(err)
	default:
		return err
	}
}

// isCutOff knows what is said when the context of a unit of work has ended and it goes on.
func isCutOff(err error) bool {
	return errors.Is(err, sql.ErrTxDone) || isSQLite(err, sqlite3.SQLITE_INTERRUPT)
}

// mayRunAgain tells whether a unit of work failed for a reason that may be gone the next time, and did nothing.
func mayRunAgain(err error) bool {
	return isRace(err) || errors.Is(err, errNotCommitted) || (isLost(err) && !errors.Is(err, errUnknownCommit))
}

// isRace knows transactions that were in each other's way.
func isRace(err error) bool {
	return errors.Is(err, errRaced) || isPostgres(err, "40001", "40P01") // serialization failure, deadlock
}

// isLost tells whether a connection ended that had been there.
func isLost(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return false
	}
	var network net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		(errors.As(err, &network) && !network.Timeout()) || pgconn.SafeToRetry(err) || isPostgres(err, "08", "57P01", "57P02")
}

// isAway tells whether the database could not be reached, was too busy, or took too long: lost connections, a server that shuts down,
// fails over, recovers or is full, and time-outs.
func isAway(err error) bool {
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) || errors.As(err, &connect) ||
		isSQLite(err, sqlite3.SQLITE_BUSY) || isSQLite(err, sqlite3.SQLITE_LOCKED) || isSQLite(err, sqlite3.SQLITE_PROTOCOL) ||
		isPostgres(err, "57P", "53", "57014", "55P03", "25006", "25P03")
}

func isFull(err error) bool { return isSQLite(err, sqlite3.SQLITE_FULL) || isPostgres(err, "53100") }

// cannotWrite knows the faults of a disk.
func cannotWrite(err error) bool {
	return isSQLite(err, sqlite3.SQLITE_IOERR) || isSQLite(err, sqlite3.SQLITE_CANTOPEN) || isSQLite(err, sqlite3.SQLITE_READONLY) ||
		isPostgres(err, "58")
}

// isPostgres compares the code of PostgreSQL's answer with codes, or the beginnings of codes.
func isPostgres(err error, codes ...string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && slices.ContainsFunc(codes, func(code string) bool { return strings.HasPrefix(pg.Code, code) })
}

// learn remembers what a failed unit of work says of the connections and the disk.
func (s *Store) learn(err error) {
	switch {
	case err == nil:
	case s.pool != nil && isLost(err):
		// The others most likely went the same way, and each would fail one more unit of work before it is found out.
		s.pool.Reset()
	case s.pool == nil && cannotWrite(err):
		s.broken.Store(true)
	}
}

// writable notes that something was written.
func (s *Store) writable() { s.broken.Store(false) }
