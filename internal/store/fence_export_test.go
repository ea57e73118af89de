package store

import (
	"context"
	"testing"

	"gorm.io/gorm"
)

// WithoutGuard takes the account guard off, for the tests that look at PostgreSQL's fence alone.
func (s *Store) WithoutGuard(t *testing.T) {
	t.Helper()
	const guard = "orgbridge:accounts"
	callbacks := s.db.Callback()
	for _, err := range []error{
		callbacks.Query().Remove(guard), callbacks.Row().Remove(guard), callbacks.Raw().Remove(guard),
		callbacks.Update().Remove(guard), callbacks.Delete().Remove(guard), callbacks.Create().Remove(guard),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Mistake is a statement that somebody forgot the account in. It returns how many rows it got at.
func (s *Store) Mistake(ctx context.Context, accountID string, write bool, fn func(tx *gorm.DB) *gorm.DB) (rows int, err error) {
	unit := s.read
	if write {
		unit = s.inTx
	}
	err = unit(ctx, of(accountID), "make a mistake", func(tx *gorm.DB) error {
		done := fn(tx)
		rows = int(done.RowsAffected)
		return done.Error
	})
	return rows, err
}

// GuardedTables are the tables that the account guard knows.
const GuardedTables = guardedTables
