package store

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/page"
	"github.com/orgbridge/orgbridge/internal/precondition"
)

type tokenRow struct {
	ID         string `gorm:"primaryKey"`
	AccountID  *string
	Role       string
	Name       string
	Hint       string
	SecretHash []byte
	CreatedAt  time.Time `gorm:"autoCreateTime:false"`
	ExpiresAt  *time.Time
	LastUsedAt *time.Time
	RevokedAt  *time.Time
}

func (tokenRow) TableName() string { return "tokens" }

func (r tokenRow) token() account.Token {
	return account.Token{
		ID: r.ID, AccountID: orEmpty(r.AccountID), Role: account.Role(r.Role), Name: r.Name, Hint: r.Hint, SecretHash: r.SecretHash,
		CreatedAt: instant(r.CreatedAt), ExpiresAt: utc(r.ExpiresAt), LastUsedAt: utc(r.LastUsedAt), RevokedAt: utc(r.RevokedAt),
	}
}

func noToken() *errs.Error { return errs.New(errs.NotFound, "There is no such token.") }

// CreateToken stores a token. It answers [errs.NotFound] without its account, [errs.TooManyTokens] when the account has
// [account.MaxTokens], and [errs.Conflict] when the id or secret is in use.
func (s *Store) CreateToken(ctx context.Context, t account.Token, by event.Actor) error {
	row := tokenRow{
		ID: t.ID, AccountID: orNil(t.AccountID), Role: string(t.Role), Name: clean(t.Name), Hint: t.Hint, SecretHash: t.SecretHash,
		CreatedAt: instant(t.CreatedAt), ExpiresAt: utc(t.ExpiresAt), LastUsedAt: utc(t.LastUsedAt), RevokedAt: utc(t.RevokedAt),
	}
	if t.AccountID != "" && !isID(t.AccountID) {
		return noAccount()
	}
	whose := of(t.AccountID)
	if t.AccountID == "" {
		whose = ofEvery()
	}
	return s.inTx(ctx, whose, "create token", func(tx *gorm.DB) error {
		if t.AccountID != "" {
			if err := roomForToken(tx, t.AccountID); err != nil {
				return err
			}
		}
		err := acrossAccounts(tx).Create(&row).Error // an operator's token has no account
		if err = conflictIfThere(err, "There is a token with this id or secret."); err != nil || t.AccountID == "" {
			return err
		}
		return s.record(tx, t.AccountID, event.Event{Type: event.TokenCreated, Actor: by, After: row.told()})
	})
}

// roomForToken locks the account, so that of two who take the last place one does.
func roomForToken(tx *gorm.DB, accountID string) error {
	var holder accountRow
	err := tx.Clauses(clause.Locking{Strength: "NO KEY UPDATE"}).Where("id = ?", accountID).Take(&holder).Error
	if err != nil {
		return orNotFound(err, noAccount())
	}
	n, err := count(tokensOf(tx, accountID))
	if err == nil && n >= account.MaxTokens {
		return errs.New(errs.TooManyTokens, "The account has %d tokens, which is the most. Revoke one that is not needed.", account.MaxTokens).
			With("limit", account.MaxTokens)
	}
	return err
}

// told is what the account's events say of a token. Its hint is part of the secret and no secret itself.
func (r tokenRow) told() event.Properties {
	p := event.Properties{event.PropertyTokenID: r.ID, "name": r.Name, "role": r.Role, "hint": r.Hint}
	if r.ExpiresAt != nil {
		p["expiresAt"] = instant(*r.ExpiresAt).Format(time.RFC3339Nano)
	}
	return p
}

// tokensOf is the account's tokens that are not revoked.
func tokensOf(tx *gorm.DB, accountID string) *gorm.DB {
	return tx.Model(&tokenRow{}).Where("account_id = ?", accountID).Where("revoked_at IS NULL")
}

// TokenBySecretHash returns the token, revoked or expired as it may be, or [errs.NotFound].
func (s *Store) TokenBySecretHash(ctx context.Context, hash []byte) (account.Token, error) {
	var row tokenRow
	err := s.read(ctx, ofEvery(), "read token", func(tx *gorm.DB) error {
		err := acrossAccounts(tx).Where("secret_hash = ?", hash).Take(&row).Error // the token says which account it is
		return orNotFound(err, noToken())
	})
	if err != nil {
		return account.Token{}, err
	}
	return row.token(), nil
}

// Tokens returns a page of the account's tokens that are not revoked, newest first. A foreign position is [errs.ValidationFailed].
func (s *Store) Tokens(ctx context.Context, accountID string, f account.Filter) (rows page.Page[account.Token], err error) {
	err = s.read(ctx, of(accountID), "list tokens", func(tx *gorm.DB) error {
		q, err := newestFirst(tokensOf(tx, accountID), f.After)
		if err != nil {
			return err
		}
		rows, err = pageOf(q, f.Limit, tokenRow.token, func(r tokenRow) page.Position { return page.Position{ID: r.ID} })
		return err
	})
	return rows, err
}

// CountTokens counts the tokens on all pages.
func (s *Store) CountTokens(ctx context.Context, accountID string) (n int, err error) {
	err = s.read(ctx, of(accountID), "count tokens", func(tx *gorm.DB) error {
		n, err = count(tokensOf(tx, accountID))
		return err
	})
	return n, err
}

// Token returns one of the account's tokens, or [errs.NotFound] when there is none or it is revoked.
func (s *Store) Token(ctx context.Context, accountID, id string) (account.Token, error) {
	var row tokenRow
	if !isID(id) {
		return account.Token{}, noToken()
	}
	err := s.read(ctx, of(accountID), "read a token", func(tx *gorm.DB) error {
		return orNotFound(tokensOf(tx, accountID).Where("id = ?", id).Take(&row).Error, noToken())
	})
	if err != nil {
		return account.Token{}, err
	}
	return row.token(), nil
}

// RevokeToken has one of the account's tokens open nothing any more, on all nodes, from its commit on. It answers [errs.NotFound] when
// there is none or it is revoked already.
func (s *Store) RevokeToken(ctx context.Context, accountID, id string, by event.Actor) error {
	if !isID(id) {
		return noToken()
	}
	return s.inTx(ctx, of(accountID), "revoke token", func(tx *gorm.DB) error {
		var row tokenRow
		one := tokensOf(tx, accountID).Where("id = ?", id).Clauses(clause.Locking{Strength: "NO KEY UPDATE"})
		if err := orNotFound(one.Take(&row).Error, noToken()); err != nil {
			return err
		}
		err := precondition.Check(ctx, func() (account.Token, error) { return row.token(), nil })
		if err != nil {
			return err
		}
		if err := tokensOf(tx, accountID).Where("id = ?", id).Update("revoked_at", s.now()).Error; err != nil {
			return err
		}
		return s.record(tx, accountID, event.Event{Type: event.TokenRevoked, Actor: by, Before: row.told()})
	})
}

// RevokeOperatorToken is [Store.RevokeToken] for a token of an operator, who is in no account and has no log of events.
func (s *Store) RevokeOperatorToken(ctx context.Context, id string) error {
	if !isID(id) {
		return noToken()
	}
	return s.inTx(ctx, ofEvery(), "revoke an operator's token", func(tx *gorm.DB) error {
		revoked := acrossAccounts(tx).Model(&tokenRow{}).Where("id = ?", id).Where("account_id IS NULL").Where("revoked_at IS NULL").
			Update("revoked_at", s.now())
		if revoked.Error == nil && revoked.RowsAffected == 0 {
			return noToken()
		}
		return revoked.Error
	})
}

// TouchToken notes the last use, unless one is noted that is no longer ago than the precision: of many requests at the same time one
// writes. A token that is gone is not noted.
func (s *Store) TouchToken(ctx context.Context, id string, at time.Time, precision time.Duration) error {
	if !isID(id) {
		return nil
	}
	return s.inTx(ctx, ofEvery(), "note the use of a token", func(tx *gorm.DB) error {
		return acrossAccounts(tx).Model(&tokenRow{}).Where("id = ?", id).
			Where("(last_used_at IS NULL OR last_used_at <= ?)", instant(at.Add(-precision))).Update("last_used_at", instant(at)).Error
	})
}
