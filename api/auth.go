package api

import (
	"context"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/observe"
)

// Authenticator finds out who holds a token.
type Authenticator interface {
	// Authenticate answers [errs.Unauthenticated] for a secret that is unknown, expired or revoked. For a JWT it may also answer
	// [errs.Forbidden] when that gives no role, and [errs.Unavailable] when it cannot be checked.
	Authenticate(ctx context.Context, secret string) (account.Principal, error)
}

// permission is what a route demands of its caller. The zero value is refused when the server is built, so that no route is open
// because somebody forgot to say who may use it.
type permission int

const (
	undeclared    permission = iota
	public                   // anybody
	authenticated            // any token
	read                     // viewers and admins of an account
	write                    // admins of an account
	operate                  // operators
)

// allows tells whether a role may use a route. Operators manage accounts and have no access to their contents.
func (p permission) allows(r account.Role) bool {
	switch p {
	case authenticated:
		return r.Valid()
	case read:
		return r == account.Viewer || r == account.Admin
	case write:
		return r == account.Admin
	case operate:
		return r == account.Operator
	case undeclared, public:
		return false
	default:
		return false
	}
}

const principalKey = "principal"

// authorize lets a request through to the handler when its token may use the route.
func (s *server) authorize(p permission, next echo.HandlerFunc) echo.HandlerFunc {
	if p == public {
		return next
	}
	return func(c echo.Context) error {
		secret, ok := bearer(c.Request().Header.Values(echo.HeaderAuthorization))
		if !ok {
			return errs.New(errs.Unauthenticated, "no bearer token")
		}
		who, err := s.attempts.authenticate(c.Request().Context(), c.RealIP(), secret, s.Authenticator)
		if err != nil {
			return err
		}
		c.Set(principalKey, who)
		c.SetRequest(c.Request().WithContext(observe.With(c.Request().Context(), observe.AccountID, who.Account.ID)))
		if err := spend(c.Response().Header(), s.quota, who.Key()); err != nil {
			return err
		}
		if !p.allows(who.Token.Role) {
			return errs.New(errs.Forbidden, "This token's role, %s, does not allow this.", who.Token.Role)
		}
		return next(c)
	}
}

// bearer reads the token of a request that names exactly one.
func bearer(headers []string) (string, bool) {
	if len(headers) != 1 {
		return "", false
	}
	scheme, secret, ok := strings.Cut(headers[0], " ")
	return secret, ok && secret != "" && strings.EqualFold(scheme, "Bearer")
}

// caller is who makes the request; zero on public routes.
func caller(c echo.Context) account.Principal {
	who, _ := c.Get(principalKey).(account.Principal)
	return who
}

// actor is who makes the request, as events name them.
func actor(c echo.Context) event.Actor {
	who := caller(c)
	return event.Actor{TokenID: who.Token.ID, TokenName: who.Token.Name, Subject: who.Subject}
}

// accountID is the account that the request is about: always the token's own.
func accountID(c echo.Context) string { return caller(c).Account.ID }
