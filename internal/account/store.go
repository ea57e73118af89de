package account

import (
	"context"
	"time"
)

// Store keeps accounts and tokens.
type Store interface {
	CreateAccount(ctx context.Context, a Account) error
	// Account answers [errs.NotFound] when there is none.
	Account(ctx context.Context, id string) (Account, error)
	CreateToken(ctx context.Context, t Token) error
	// TokenBySecretHash answers [errs.NotFound] when there is none; revoked and expired tokens are returned as they are.
	TokenBySecretHash(ctx context.Context, hash []byte) (Token, error)
	// TouchToken notes the last use.
	TouchToken(ctx context.Context, id string, at time.Time) error
}
