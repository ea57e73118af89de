package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/idempotency"
	"github.com/orgbridge/orgbridge/internal/page"
)

// TokenStore reads and revokes an account's tokens.
type TokenStore interface {
	// Token answers [errs.NotFound] when the account has no such token, or it is revoked.
	Token(ctx context.Context, accountID, id string) (account.Token, error)
	Tokens(ctx context.Context, accountID string, f account.Filter) (page.Page[account.Token], error)
	CountTokens(ctx context.Context, accountID string) (int, error)
	// RevokeToken answers [errs.NotFound].
	RevokeToken(ctx context.Context, accountID, id string, by event.Actor) error
}

// listTokens lists the account's tokens.
//
// @Summary List tokens
// @Description The account's tokens, newest first, expired ones included and revoked ones not. Their secrets are never shown again.
// @ID listTokens
// @Tags Access
// @Security BearerAuth[admin]
// @Param limit query integer false "Most rows on a page" minimum(1) maximum(200) default(50)
// @Param cursor query string false "`nextCursor` of the page before"
// @Param count query boolean false "Include the total count" default(false)
// @Success 200 {object} list[tokenDTO] "One page of tokens"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `admin`."
// @Router /tokens [get]
func (s *server) listTokens(c echo.Context) error {
	q := newQuery(c)
	f := account.Filter{Limit: q.limit(), After: q.after(atID)}
	counted := q.count()
	if err := q.err(); err != nil {
		return err
	}
	ctx, id := c.Request().Context(), accountID(c)
	rows, err := s.Tokens.Tokens(ctx, id, f)
	if err != nil {
		return err
	}
	n, err := total(counted, func() (int, error) { return s.Tokens.CountTokens(ctx, id) })
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, list[tokenDTO]{Items: toTokens(rows.Items), NextCursor: q.next(rows.Next), Total: n})
}

// getToken reads one token.
//
// @Summary Read a token
// @Description What is known of one token of the account, without its secret.
// @ID getToken
// @Tags Access
// @Security BearerAuth[admin]
// @Param tokenId path string true "Id of the token" format(uuid)
// @Success 200 {object} tokenDTO "The token"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `admin`."
// @Failure 404 {object} Problem "`not-found`: the account has nothing with this id."
// @Router /tokens/{tokenId} [get]
func (s *server) getToken(c echo.Context) error {
	id, err := pathID(c, "tokenId")
	if err != nil {
		return err
	}
	t, err := s.Tokens.Token(c.Request().Context(), accountID(c), id)
	if err != nil {
		return err
	}
	return answerShown(c, http.StatusOK, toToken(t))
}

// createToken makes a token of the account.
//
// @Summary Create a token
// @Description The answer has the token's `secret`, which is what clients send as `Authorization: Bearer SECRET`. It is in this one answer
// @Description only: orgbridge keeps a hash of it. When the answer is lost, and the request sent again with its Idempotency-Key, no second
// @Description token is made and the answer is 409 `secret-not-kept`: revoke that token and create another.
// @ID createToken
// @Tags Access
// @Accept json
// @Security BearerAuth[admin]
// @Param request body createTokenRequest true "The token"
// @Success 201 {object} newTokenDTO "The new token with its secret"
// @Header 201 {string} Location "Address of the token"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `admin`."
// @Failure 409 {object} Problem "`too-many-tokens`: the account has 1000 tokens already. `secret-not-kept`: an earlier request with this Idempotency-Key has made the token that `params` names."
// @Router /tokens [post]
func (s *server) createToken(c echo.Context) error {
	return s.answerNewToken(c, accountID(c), func(t account.Token) {
		c.Response().Header().Set(echo.HeaderLocation, base+"/tokens/"+t.ID)
	})
}

// answerNewToken makes the token of the request's body in an account.
func (s *server) answerNewToken(c echo.Context, accountID string, made func(account.Token)) error {
	var body createTokenRequest
	if err := s.bind(c, &body); err != nil {
		return err
	}
	t, secret, err := s.AccountService.CreateToken(c.Request().Context(), body.token(accountID), actor(c))
	if err != nil {
		return err
	}
	made(t)
	shown := toToken(t)
	setTag(c, shown)
	return c.JSON(http.StatusCreated, newTokenDTO{tokenDTO: shown, Secret: secret})
}

// resumeToken refuses: a token that was made is not made again, and its secret is not known any more.
func (*server) resumeToken(_ echo.Context, done []idempotency.Effect) (bool, error) {
	made, ok := find(done, event.TokenCreated)
	if !ok {
		return false, nil
	}
	return true, errs.New(errs.SecretNotKept, "A token was made by an earlier request with this Idempotency-Key, and its secret was in that "+
		"answer only. Revoke it and create another with another key.").With("tokenId", made.TokenID)
}

// revokeToken revokes one token.
//
// @Summary Revoke a token
// @Description From this answer on the token opens nothing, on any node; requests that it has begun are finished. The token of this very
// @Description request may be revoked too, and the last one of the account: the operator can make another.
// @ID revokeToken
// @Tags Access
// @Security BearerAuth[admin]
// @Param tokenId path string true "Id of the token" format(uuid)
// @Success 204 "The token is revoked"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `admin`."
// @Failure 404 {object} Problem "`not-found`: the account has nothing with this id."
// @Router /tokens/{tokenId} [delete]
func (s *server) revokeToken(c echo.Context) error {
	id, err := pathID(c, "tokenId")
	if err != nil {
		return err
	}
	ifMatch(c, toToken)
	if err := s.Tokens.RevokeToken(c.Request().Context(), accountID(c), id, actor(c)); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
