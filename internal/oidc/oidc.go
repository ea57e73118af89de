// Package oidc takes the JWTs of one identity provider for bearer tokens, beside the tokens that orgbridge gives out by itself. It reads
// the provider's keys over HTTP, when they are needed; what a JWT says is believed once its signature, its times and whom it is for are
// right.
package oidc

import (
	"context"
	"log/slog"
	"strings"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/errs"
)

// Tokens tells who holds a token that orgbridge has given out.
type Tokens interface {
	Authenticate(ctx context.Context, secret string) (account.Principal, error)
}

// Accounts knows the accounts.
type Accounts interface {
	// Account answers [errs.NotFound] when there is none.
	Account(ctx context.Context, id string) (account.Account, error)
}

// Config is whose JWTs are taken, and what is asked about them. All fields are required.
type Config struct {
	// Issuer is the provider's address, as its JWTs name it.
	Issuer string
	// Audience is orgbridge, as the provider calls it.
	Audience string
	// AccountClaim and RoleClaim are the names of the claims with the id of the account and the role in it.
	AccountClaim string
	RoleClaim    string

	Tokens   Tokens
	Accounts Accounts
	Now      func() time.Time
	Logger   *slog.Logger
}

// Authenticator tells who sends a request, by a JWT or by a token of ours.
type Authenticator struct {
	tokens   Tokens
	accounts Accounts
	now      func() time.Time
	issuer   string
	checks   gooidc.Config
	rules    rules
	keys     *keyRing
}

// New returns an authenticator. It asks the provider for nothing yet.
func New(c Config) *Authenticator {
	return &Authenticator{
		tokens: c.Tokens, accounts: c.Accounts, now: c.Now, issuer: c.Issuer,
		checks: gooidc.Config{
			ClientID: c.Audience, SupportedSigningAlgs: algorithms(), Now: func() time.Time { return c.Now().Add(-skew) },
		},
		rules: rules{issuer: c.Issuer, audience: c.Audience, accountClaim: c.AccountClaim, roleClaim: c.RoleClaim},
		keys:  newKeyRing(c.Issuer, c.Now, c.Logger),
	}
}

// Warm reads the provider's keys, so that the first JWT need not wait for them. A provider that cannot be reached is told in the log, and
// asked again when a JWT comes.
func (a *Authenticator) Warm(ctx context.Context) { _ = a.keys.renew(ctx) }

// Authenticate tells who sends the token. A JWT that is not to be believed, or that is for an account that does not exist, gets the same
// [errs.Unauthenticated] as a token that is unknown; one whose role is none of an account's gets [errs.Forbidden]; and while it cannot be
// checked because the provider is out of reach, it gets [errs.Unavailable].
func (a *Authenticator) Authenticate(ctx context.Context, secret string) (account.Principal, error) {
	if strings.Count(secret, ".") != 2 {
		return a.tokens.Authenticate(ctx, secret) // ours have no dots
	}
	who, err := a.identify(ctx, secret)
	if err != nil {
		return account.Principal{}, err
	}
	owner, err := a.accounts.Account(ctx, who.accountID)
	if errs.Is(err, errs.NotFound) {
		return account.Principal{}, refused("there is no such account")
	}
	if err != nil {
		return account.Principal{}, err
	}
	if who.role == "" {
		return account.Principal{}, errs.New(errs.Forbidden, "The identity provider gives you no role in this account.")
	}
	return account.Principal{
		Token:   account.Token{AccountID: owner.ID, Role: who.role, ExpiresAt: &who.expiresAt},
		Account: owner, Subject: who.subject,
	}, nil
}

// identify believes a JWT or refuses it.
func (a *Authenticator) identify(ctx context.Context, jwt string) (identity, error) {
	h, err := readHeader(jwt)
	if err != nil {
		return identity{}, err
	}
	key, err := a.keys.find(ctx, h)
	if err != nil {
		return identity{}, err
	}
	signed := gooidc.NewVerifier(a.issuer, &gooidc.StaticKeySet{PublicKeys: key}, &a.checks)
	token, err := signed.Verify(ctx, jwt)
	if err != nil {
		return identity{}, refused("").Because(err)
	}
	var claims jsontext.Value
	if err := token.Claims(&claims); err != nil {
		return identity{}, refused("").Because(err)
	}
	return a.rules.identity(claims, a.now())
}

// refused is the one answer to all JWTs that are not believed. The reason is for the log.
func refused(reason string) *errs.Error {
	return errs.New(errs.Unauthenticated, "The JWT is refused: %s", reason)
}
