package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/idempotency"
	"github.com/orgbridge/orgbridge/internal/page"
)

// AccountStore reads accounts.
type AccountStore interface {
	// Account answers [errs.NotFound].
	Account(ctx context.Context, id string) (account.Account, error)
	Accounts(ctx context.Context, f account.Filter) (page.Page[account.Account], error)
	CountAccounts(ctx context.Context) (int, error)
}

// AccountService makes accounts and tokens.
type AccountService interface {
	// CreateAccount answers [errs.ValidationFailed].
	CreateAccount(ctx context.Context, name string, by event.Actor) (account.Account, error)
	// CreateToken also returns the secret. It answers [errs.ValidationFailed], [errs.NotFound] for an unknown account or
	// [errs.TooManyTokens].
	CreateToken(ctx context.Context, n account.NewToken, by event.Actor) (account.Token, string, error)
}

// listAccounts lists all accounts.
//
// @Summary List accounts
// @Description All accounts, newest first. What they hold is not for operators to see.
// @ID listAccounts
// @Tags Accounts
// @Security BearerAuth[operator]
// @Param limit query integer false "Most rows on a page" minimum(1) maximum(200) default(50)
// @Param cursor query string false "`nextCursor` of the page before"
// @Param count query boolean false "Include the total count" default(false)
// @Success 200 {object} list[accountDTO] "One page of accounts"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `operator`."
// @Router /accounts [get]
func (s *server) listAccounts(c echo.Context) error {
	q := newQuery(c)
	f := account.Filter{Limit: q.limit(), After: q.after(atID)}
	counted := q.count()
	if err := q.err(); err != nil {
		return err
	}
	ctx := c.Request().Context()
	rows, err := s.Accounts.Accounts(ctx, f)
	if err != nil {
		return err
	}
	n, err := total(counted, func() (int, error) { return s.Accounts.CountAccounts(ctx) })
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, list[accountDTO]{Items: toAccounts(rows.Items), NextCursor: q.next(rows.Next), Total: n})
}

// getAccount reads one account.
//
// @Summary Read an account
// @Description Its name and age. What it holds is not for operators to see.
// @ID getAccount
// @Tags Accounts
// @Security BearerAuth[operator]
// @Param accountId path string true "Id of the account" format(uuid)
// @Success 200 {object} accountDTO "The account"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `operator`."
// @Failure 404 {object} Problem "`not-found`: there is no account with this id."
// @Router /accounts/{accountId} [get]
func (s *server) getAccount(c echo.Context) error {
	id, err := pathID(c, "accountId")
	if err != nil {
		return err
	}
	a, err := s.Accounts.Account(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return answerShown(c, http.StatusOK, toAccount(a))
}

// createAccount makes an account.
//
// @Summary Create an account
// @Description One for each managed service provider. It is empty, and nobody has a token of it yet. Names need not be unique.
// @ID createAccount
// @Tags Accounts
// @Accept json
// @Security BearerAuth[operator]
// @Param request body createAccountRequest true "The account"
// @Success 201 {object} accountDTO "The new account"
// @Header 201 {string} Location "Address of the account"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `operator`."
// @Router /accounts [post]
func (s *server) createAccount(c echo.Context) error {
	var body createAccountRequest
	if err := s.bind(c, &body); err != nil {
		return err
	}
	a, err := s.AccountService.CreateAccount(c.Request().Context(), body.Name, actor(c))
	if err != nil {
		return err
	}
	return answerNewAccount(c, a)
}

func answerNewAccount(c echo.Context, a account.Account) error {
	c.Response().Header().Set(echo.HeaderLocation, base+"/accounts/"+a.ID)
	return answerShown(c, http.StatusCreated, toAccount(a))
}

// resumeAccount answers the account that was made.
func (s *server) resumeAccount(c echo.Context, done []idempotency.Effect) (bool, error) {
	made, ok := find(done, event.AccountCreated)
	if !ok {
		return false, nil
	}
	a, err := s.Accounts.Account(c.Request().Context(), made.AccountID)
	if err != nil {
		return true, err
	}
	return true, answerNewAccount(c, a)
}

// createAccountToken makes a token of an account.
//
// @Summary Create a token of an account
// @Description For the account's first admin, or one who has lost all tokens. The account's events tell of it, and who made it. The answer
// @Description has the token's `secret`, which is what clients send as `Authorization: Bearer SECRET`. It is in this one answer only:
// @Description orgbridge keeps a hash of it. When the answer is lost, and the request sent again with its Idempotency-Key, no second token
// @Description is made and the answer is 409 `secret-not-kept`: create another, and have the account's admin revoke that one.
// @ID createAccountToken
// @Tags Accounts
// @Accept json
// @Security BearerAuth[operator]
// @Param accountId path string true "Id of the account" format(uuid)
// @Param request body createTokenRequest true "The token"
// @Success 201 {object} newTokenDTO "The new token with its secret"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `operator`."
// @Failure 404 {object} Problem "`not-found`: there is no account with this id."
// @Failure 409 {object} Problem "`too-many-tokens`: the account has 1000 tokens already. `secret-not-kept`: an earlier request with this Idempotency-Key has made the token that `params` names."
// @Router /accounts/{accountId}/tokens [post]
func (s *server) createAccountToken(c echo.Context) error {
	id, err := pathID(c, "accountId")
	if err != nil {
		return err
	}
	return s.answerNewToken(c, id, func(account.Token) {})
}
