package account

import (
	"context"
	"time"

	"github.com/orgbridge/orgbridge/internal/event"
)

// Store keeps accounts and tokens.
type Store interface {
	CreateAccount(ctx context.Context, a Account, by event.Actor) error
	// Account answers [errs.NotFound] when there is none.
	Account(ctx context.Context, id string) (Account, error)
	// CreateToken answers [errs.NotFound] without its account and [errs.TooManyTokens] when the account has [MaxTokens].
	CreateToken(ctx context.Context, t Token, by event.Actor) error
	// TokenBySecretHash answers [errs.NotFound] when there is none; revoked and expired tokens are returned as they are.
	TokenBySecretHash(ctx context.Context, hash []byte) (Token, error)
	// TouchToken notes the last use, unless one is noted that is no longer ago than the precision.
	TouchToken(ctx context.Context, id string, at time.Time, precision time.Duration) error
}
