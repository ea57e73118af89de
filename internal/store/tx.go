package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/failpoint"
)

const (
	// unitTimeout ends a unit of work whose caller set no deadline. On SQLite it is the only thing that does.
	unitTimeout = time.Minute
	// attempts is how often a transaction runs that lost a race with another.
	attempts = 3
)

// errRaced says that a transaction saw a state that another one changed at the same time: run again, it will see the new state.
var errRaced = errors.New("lost a race with another transaction")

// conn is the only way to the database.
func (s *Store) conn(ctx context.Context) *gorm.DB { return s.db.WithContext(ctx) }

// read runs queries that need no transaction. The operation is for the log.
func (s *Store) read(ctx context.Context, operation string, fn func(tx *gorm.DB) error) error {
	ctx, cancel := context.WithTimeout(ctx, unitTimeout)
	defer cancel()
	if err := failpoint.Hit(ctx, failpoint.Before, operation); err != nil {
		return failure(operation, err)
	}
	return failure(operation, fn(s.conn(ctx)))
}

// inTx runs one transaction. When it lost a race it runs again, so fn must not keep anything of an earlier run.
func (s *Store) inTx(ctx context.Context, operation string, fn func(tx *gorm.DB) error) error {
	ctx, cancel := context.WithTimeout(ctx, unitTimeout)
	defer cancel()
	if err := failpoint.Hit(ctx, failpoint.Before, operation); err != nil {
		return failure(operation, err)
	}
	var err error
	for attempt := range attempts {
		err = s.conn(ctx).Transaction(fn)
		if !isRace(err) {
			break
		}
		s.log.DebugContext(ctx, "transaction lost a race", "operation", operation, "attempt", attempt+1)
	}
	if err == nil {
		err = failpoint.Hit(ctx, failpoint.After, operation)
	}
	return failure(operation, err)
}

// raced marks a unique violation as a race, for statements that have checked for the other row before.
func raced(err error) error {
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		return fmt.Errorf("%w: %w", errRaced, err)
	}
	return err
}

func isRace(err error) bool {
	if errors.Is(err, errRaced) {
		return true
	}
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01") // serialization failure, deadlock
}
