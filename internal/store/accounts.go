package store

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/page"
)

type accountRow struct {
	ID        string `gorm:"primaryKey"`
	Name      string
	CreatedAt time.Time `gorm:"autoCreateTime:false"`
}

func (accountRow) TableName() string { return "accounts" }

func (r accountRow) account() account.Account {
	return account.Account{ID: r.ID, Name: r.Name, CreatedAt: instant(r.CreatedAt)}
}

// CreateAccount stores an account. It answers [errs.Conflict] when the id is in use.
func (s *Store) CreateAccount(ctx context.Context, a account.Account, by event.Actor) error {
	row := accountRow{ID: a.ID, Name: clean(a.Name), CreatedAt: instant(a.CreatedAt)}
	return s.inTx(ctx, of(a.ID), "create account", func(tx *gorm.DB) error {
		if err := conflictIfThere(tx.Create(&row).Error, "There is an account with this id."); err != nil {
			return err
		}
		return s.record(tx, a.ID, event.Event{Type: event.AccountCreated, Actor: by, After: event.Properties{"name": row.Name}})
	})
}

// Account returns an account, or [errs.NotFound].
func (s *Store) Account(ctx context.Context, id string) (account.Account, error) {
	var row accountRow
	if !isID(id) {
		return account.Account{}, noAccount()
	}
	err := s.read(ctx, of(id), "read account", func(tx *gorm.DB) error {
		return orNotFound(tx.Where("id = ?", id).Take(&row).Error, noAccount())
	})
	if err != nil {
		return account.Account{}, err
	}
	return row.account(), nil
}

// Accounts returns a page of all accounts, newest first. A foreign position is [errs.ValidationFailed].
func (s *Store) Accounts(ctx context.Context, f account.Filter) (rows page.Page[account.Account], err error) {
	err = s.read(ctx, ofEvery(), "list accounts", func(tx *gorm.DB) error {
		q, err := newestFirst(tx.Model(&accountRow{}), f.After)
		if err != nil {
			return err
		}
		rows, err = pageOf(q, f.Limit, accountRow.account, func(r accountRow) page.Position { return page.Position{ID: r.ID} })
		return err
	})
	return rows, err
}

// CountAccounts counts all accounts.
func (s *Store) CountAccounts(ctx context.Context) (n int, err error) {
	err = s.read(ctx, ofEvery(), "count accounts", func(tx *gorm.DB) error {
		n, err = count(tx.Model(&accountRow{}))
		return err
	})
	return n, err
}

// newestFirst orders rows by their ids, which begin with the time, and begins after the position, if there is one.
func newestFirst(q *gorm.DB, after *page.Position) (*gorm.DB, error) {
	if after == nil {
		return q.Order("id DESC"), nil
	}
	if after.Key != "" || !isID(after.ID) {
		return nil, badCursor()
	}
	return q.Where("id < ?", after.ID).Order("id DESC"), nil
}

func noAccount() *errs.Error { return errs.New(errs.NotFound, "There is no such account.") }

func orNotFound(err error, answer *errs.Error) error {
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return answer
	}
	return err
}

func conflictIfThere(err error, detail string) error {
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		return errs.New(errs.Conflict, "%s", detail)
	}
	return err
}
