package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/failpoint"
	"github.com/orgbridge/orgbridge/internal/observe"
)

const (
	// unitTimeout ends a unit of work whose caller set no deadline. On SQLite it is the only thing that does.
	unitTimeout = time.Minute
	// acquireTimeout is how long a unit of work waits for a connection when all are taken.
	acquireTimeout = 10 * time.Second
	// attempts is how often a unit of work runs that lost a race with another, or its connection.
	attempts = 3
	// retryPause is the longest wait before the second attempt; it doubles for the next.
	retryPause = 50 * time.Millisecond
)

// errRaced says that a transaction saw a state that another one changed at the same time: run again, it will see the new state.
var errRaced = errors.New("lost a race with another transaction")

// conn is the only way to the database.
func (s *Store) conn(ctx context.Context) *gorm.DB { return s.db.WithContext(ctx) }

// read runs queries on one account's data, or on what the scope says. The operation is for the log. When the connection is lost it runs
// again, so fn must not keep anything of an earlier run.
func (s *Store) read(ctx context.Context, whose scope, operation string, fn func(tx *gorm.DB) error) error {
	ctx, cancel := context.WithTimeout(whose.within(ctx), unitTimeout)
	defer cancel()
	if err := failpoint.Hit(ctx, failpoint.Before, operation); err != nil {
		return failure(ctx, operation, err)
	}
	return s.unit(ctx, operation, func(conn *gorm.DB) error { return s.look(conn, fn) })
}

// look runs queries: on PostgreSQL in a transaction, which is what has a scope there.
func (s *Store) look(conn *gorm.DB, fn func(tx *gorm.DB) error) error {
	if s.pool == nil {
		return fn(conn)
	}
	tx := conn.Begin(&sql.TxOptions{ReadOnly: true})
	if tx.Error != nil {
		return tx.Error
	}
	defer tx.Rollback()
	return fn(tx)
}

// inTx runs one transaction on one account's data, or on what the scope says. When it lost a race, or its connection before it was to
// commit, it runs again, so fn must not keep anything of an earlier run. Transactions leave some connections to those who only read.
func (s *Store) inTx(ctx context.Context, whose scope, operation string, fn func(tx *gorm.DB) error) error {
	ctx, cancel := context.WithTimeout(whose.within(ctx), unitTimeout)
	defer cancel()
	if err := failpoint.Hit(ctx, failpoint.Before, operation); err != nil {
		return failure(ctx, operation, err)
	}
	if err := s.admitted(ctx, operation, fn); err != nil {
		return err
	}
	s.wakes.note(whose.account)
	return failure(ctx, operation, failpoint.Hit(ctx, failpoint.After, operation))
}

// admitted runs one transaction as soon as there is room for it.
func (s *Store) admitted(ctx context.Context, operation string, fn func(tx *gorm.DB) error) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return failure(ctx, operation, err)
	}
	defer leave()
	return s.unit(ctx, operation, func(conn *gorm.DB) error { return s.transaction(ctx, conn, fn) })
}

// enter waits until there is room for one more transaction, and returns what ends it.
func (s *Store) enter(ctx context.Context) (leave func(), err error) {
	if s.writers == nil {
		return func() {}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, acquireTimeout)
	defer cancel()
	select {
	case s.writers <- struct{}{}:
		return func() { <-s.writers }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("too many transactions at the same time: %w", ctx.Err())
	}
}

// unit does work on one connection. Before it runs again it waits a little, so that those who were in each other's way are not again.
func (s *Store) unit(ctx context.Context, operation string, work func(conn *gorm.DB) error) (err error) {
	ctx, span := observe.Call(ctx, "database: "+operation)
	defer func() { span.End(err) }()
	for attempt := 1; ; attempt++ {
		err = s.onConnection(ctx, work)
		s.learn(err)
		if attempt == attempts || !mayRunAgain(err) || !pause(ctx, attempt) {
			return failure(ctx, operation, err)
		}
		s.log.DebugContext(ctx, "runs again", "operation", operation, "attempt", attempt, "error", err)
	}
}

func (s *Store) onConnection(ctx context.Context, work func(conn *gorm.DB) error) error {
	waiting, cancel := context.WithTimeout(ctx, acquireTimeout)
	conn, err := s.sql.Conn(waiting)
	cancel()
	if err != nil {
		return fmt.Errorf("get a connection: %w", err)
	}
	defer conn.Close()
	db := s.conn(ctx)
	db.Statement.ConnPool = conn
	return work(db)
}

// transaction runs fn and commits. What became of a commit that was not answered, the server is asked.
func (s *Store) transaction(ctx context.Context, conn *gorm.DB, fn func(tx *gorm.DB) error) error {
	tx := conn.Begin()
	if tx.Error != nil {
		return tx.Error
	}
	open := true
	defer func() {
		if open { // also after a panic
			tx.Rollback()
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	id, err := s.transactionID(tx)
	if err != nil {
		return err
	}
	open = false
	if err := tx.Commit().Error; err != nil {
		return s.settle(ctx, id, err)
	}
	s.writable()
	return nil
}

// pause waits before the next attempt, at random up to a limit that grows. It is false when ctx ends.
func pause(ctx context.Context, attempt int) bool {
	longest := retryPause << (attempt - 1)
	wait := time.NewTimer(longest/2 + rand.N(longest/2)) //nolint:gosec // no secret hangs on it
	defer wait.Stop()
	select {
	case <-wait.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// raced marks a unique violation as a race, for statements that have checked for the other row before.
func raced(err error) error {
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		return fmt.Errorf("%w: %w", errRaced, err)
	}
	return err
}
