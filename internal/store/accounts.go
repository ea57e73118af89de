package store

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/errs"
)

type accountRow struct {
	ID        string `gorm:"primaryKey"`
	Name      string
	CreatedAt time.Time `gorm:"autoCreateTime:false"`
}

func (accountRow) TableName() string { return "accounts" }

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

// CreateAccount stores an account. It answers [errs.Conflict] when the id is in use.
func (s *Store) CreateAccount(ctx context.Context, a account.Account) error {
	row := accountRow{ID: a.ID, Name: clean(a.Name), CreatedAt: instant(a.CreatedAt)}
	return s.inTx(ctx, "create account", func(tx *gorm.DB) error {
		return conflictIfThere(tx.Create(&row).Error, "There is an account with this id.")
	})
}

// Account returns an account, or [errs.NotFound].
func (s *Store) Account(ctx context.Context, id string) (account.Account, error) {
	var row accountRow
	if !isID(id) {
		return account.Account{}, noAccount()
	}
	err := s.read(ctx, "read account", func(tx *gorm.DB) error {
		return orNotFound(tx.Where("id = ?", id).Take(&row).Error, noAccount())
	})
	return account.Account{ID: row.ID, Name: row.Name, CreatedAt: instant(row.CreatedAt)}, err
}

func noAccount() *errs.Error { return errs.New(errs.NotFound, "There is no such account.") }

// CreateToken stores a token. It answers [errs.NotFound] without its account and [errs.Conflict] when the id or secret is in use.
func (s *Store) CreateToken(ctx context.Context, t account.Token) error {
	row := tokenRow{
		ID: t.ID, AccountID: orNil(t.AccountID), Role: string(t.Role), Name: clean(t.Name), Hint: t.Hint, SecretHash: t.SecretHash,
		CreatedAt: instant(t.CreatedAt), ExpiresAt: utc(t.ExpiresAt), LastUsedAt: utc(t.LastUsedAt), RevokedAt: utc(t.RevokedAt),
	}
	if t.AccountID != "" && !isID(t.AccountID) {
		return noAccount()
	}
	return s.inTx(ctx, "create token", func(tx *gorm.DB) error {
		err := acrossAccounts(tx).Create(&row).Error // an operator's token has no account
		if errors.Is(err, gorm.ErrForeignKeyViolated) {
			return noAccount()
		}
		return conflictIfThere(err, "There is a token with this id or secret.")
	})
}

// TokenBySecretHash returns the token, revoked or expired as it may be, or [errs.NotFound].
func (s *Store) TokenBySecretHash(ctx context.Context, hash []byte) (account.Token, error) {
	var row tokenRow
	err := s.read(ctx, "read token", func(tx *gorm.DB) error {
		err := acrossAccounts(tx).Where("secret_hash = ?", hash).Take(&row).Error // the token says which account it is
		return orNotFound(err, errs.New(errs.NotFound, "There is no such token."))
	})
	if err != nil {
		return account.Token{}, err
	}
	return row.token(), nil
}

// TouchToken notes the last use. A use that is older than the one noted, or of a token that is gone, changes nothing.
func (s *Store) TouchToken(ctx context.Context, id string, at time.Time) error {
	if !isID(id) {
		return nil
	}
	return s.inTx(ctx, "note the use of a token", func(tx *gorm.DB) error {
		return acrossAccounts(tx).Model(&tokenRow{}).Where("id = ?", id).
			Where("(last_used_at IS NULL OR last_used_at < ?)", instant(at)).Update("last_used_at", instant(at)).Error
	})
}

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
