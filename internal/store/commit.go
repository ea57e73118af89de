package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
)

const (
	// settleTime is how long the server is asked what became of a commit, and settlePause how often.
	settleTime  = 5 * time.Second
	settlePause = 100 * time.Millisecond
)

var (
	// errUnknownCommit says that a transaction may have been committed or not.
	errUnknownCommit = errors.New("it is not known whether the transaction was committed")
	// errNotCommitted says that a transaction came to its end without being committed.
	errNotCommitted = errors.New("the transaction was not committed")
)

// transactionID is what the server is asked by when the answer to a commit is lost: the transaction's number, which a server that crashed
// may give to another one, and when it began. It is empty on SQLite, and for a transaction that has written nothing.
func (s *Store) transactionID(tx *gorm.DB) (id string, err error) {
	if s.pool == nil {
		return "", nil
	}
	err = tx.Raw("SELECT coalesce(pg_current_xact_id_if_assigned() || ' ' || extract(epoch FROM now()), '')").Scan(&id).Error
	return id, err
}

// outcomeOf tells what became of a transaction, and whether its number is certainly still its own: after a crash the numbers of what was
// lost are given again. A crash starts the checkpointer anew, which not every user may see, and recovery from it ends with a checkpoint:
// one of the two must be older than the transaction.
const outcomeOf = `SELECT pg_xact_status(CAST(split_part($1, ' ', 1) AS xid8)),
	coalesce((SELECT max(extract(epoch FROM backend_start)) FROM pg_stat_activity WHERE backend_type = 'checkpointer')
		< CAST(split_part($1, ' ', 2) AS numeric), false)
	OR (SELECT extract(epoch FROM checkpoint_time) < floor(CAST(split_part($1, ' ', 2) AS numeric)) FROM pg_control_checkpoint())`

// settle finds out what became of a transaction whose commit failed: it is nil when the transaction was committed all the same.
//
// An answer of the server, or of SQLite, is final. A lost connection is none: the server may have been on either side of it. Then another
// connection asks, and as long as nobody answers the outcome stays unknown and the transaction must not be run again.
func (s *Store) settle(ctx context.Context, id string, failed error) error {
	if s.pool == nil || id == "" || answered(failed) {
		return failed
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	ticker := time.NewTicker(settlePause)
	defer ticker.Stop()
	for {
		var status *string
		var same bool
		err := s.pool.QueryRow(ctx, outcomeOf, id).Scan(&status, &same)
		switch {
		case err != nil || status == nil: // away, or it does not remember
		case *status == "committed" && !same:
			return fmt.Errorf("%w: %w", errUnknownCommit, failed)
		case *status == "committed":
			s.log.WarnContext(ctx, "a commit was not answered, and made", "error", failed)
			return nil
		case *status == "aborted":
			return fmt.Errorf("%w: %w", errNotCommitted, failed)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errUnknownCommit, failed)
		}
	}
}

// answered tells whether the server itself refused to commit. What it says while it ends is no answer.
func answered(err error) bool {
	var pg *pgconn.PgError
	return errors.Is(err, pgx.ErrTxCommitRollback) || (errors.As(err, &pg) && pg.Severity == "ERROR")
}
