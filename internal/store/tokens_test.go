package store_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/idempotency"
	"github.com/orgbridge/orgbridge/internal/page"
	"github.com/orgbridge/orgbridge/internal/precondition"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

func newToken(t *testing.T, accountID, name string) account.Token {
	t.Helper()
	id := storetest.ID(t)
	return account.Token{
		ID: id, AccountID: accountID, Role: account.Viewer, Name: name, Hint: "orgb_" + name, SecretHash: []byte(id), CreatedAt: storetest.Now(),
	}
}

func manyTokens(t *testing.T, s *store.Store, accountID string, n int) {
	t.Helper()
	for i := range n {
		storetest.Exec(t, s, `INSERT INTO tokens (id, account_id, role, name, hint, secret_hash, created_at)
			VALUES ($1, $2, 'viewer', 'x', 'x', $3, $4)`, storetest.ID(t), accountID, fmt.Appendf(nil, "%s %d", accountID, i), storetest.Now())
	}
}

func TestTokensAreListedNewestFirstAndWithoutRevokedOnes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, id, other := t.Context(), storetest.Account(t, s), storetest.Account(t, s)
		var all []account.Token
		for _, name := range []string{"a", "b", "c", "d"} {
			token := newToken(t, id, name)
			ok(t, s.CreateToken(ctx, token, event.Actor{}))
			all = append([]account.Token{token}, all...)
		}
		ok(t, s.CreateToken(ctx, newToken(t, other, "other"), event.Actor{}))
		ok(t, s.RevokeToken(ctx, id, all[1].ID, event.Actor{}))
		first, err := s.Tokens(ctx, id, account.Filter{Limit: 2})
		ok(t, err)
		same(t, first.Items, []account.Token{all[0], all[2]})
		rest, err := s.Tokens(ctx, id, account.Filter{Limit: 2, After: first.Next})
		ok(t, err)
		same(t, rest, page.Page[account.Token]{Items: []account.Token{all[3]}})
		n, err := s.CountTokens(ctx, id)
		ok(t, err)
		same(t, n, 3)
		for _, p := range []page.Position{{ID: "x"}, {Key: "k", ID: all[0].ID}, {}} {
			_, err = s.Tokens(ctx, id, account.Filter{After: &p})
			wantCode(t, err, errs.ValidationFailed)
		}
	})
}

func TestARevokedTokenIsGoneAndItsFactIsTold(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, id, other := t.Context(), storetest.Account(t, s), storetest.Account(t, s)
		by := event.Actor{TokenID: storetest.ID(t), TokenName: "somebody"}
		token := newToken(t, id, "a")
		later := storetest.Now().Add(time.Hour)
		token.ExpiresAt = &later
		ok(t, s.CreateToken(ctx, token, by))
		got, err := s.Token(ctx, id, token.ID)
		ok(t, err)
		same(t, got, token)
		for _, wrong := range [][2]string{{other, token.ID}, {id, noSuchID}, {id, "x"}, {id, strings.ToUpper(token.ID)}, {noSuchID, token.ID}} {
			_, err := s.Token(ctx, wrong[0], wrong[1])
			wantCode(t, err, errs.NotFound)
			wantCode(t, s.RevokeToken(ctx, wrong[0], wrong[1], by), errs.NotFound)
		}

		refuse := func(account.Token) error { return errs.New(errs.PreconditionFailed, "no") }
		wantCode(t, s.RevokeToken(precondition.With(ctx, refuse), id, token.ID, by), errs.PreconditionFailed)
		ok(t, s.RevokeToken(ctx, id, token.ID, by))
		wantCode(t, s.RevokeToken(ctx, id, token.ID, by), errs.NotFound)
		_, err = s.Token(ctx, id, token.ID)
		wantCode(t, err, errs.NotFound)
		revoked, err := s.TokenBySecretHash(ctx, token.SecretHash)
		ok(t, err)
		if revoked.RevokedAt == nil {
			t.Error("it opens its account still")
		}

		told := event.Properties{
			"tokenId": token.ID, "name": "a", "role": "viewer", "hint": "orgb_a", "expiresAt": later.Format(time.RFC3339Nano),
		}
		events, err := s.Events(ctx, id, event.Filter{})
		ok(t, err)
		if len(events.Items) != 2 {
			t.Fatalf("%+v", events.Items)
		}
		gone, made := events.Items[0], events.Items[1]
		same(t, []any{gone.Type, gone.Actor, gone.Before, gone.After}, []any{event.TokenRevoked, by, told, event.Properties(nil)})
		same(t, []any{made.Type, made.Actor, made.Before, made.After}, []any{event.TokenCreated, by, event.Properties(nil), told})
	})
}

func TestOperatorsTokensAreRevokedApart(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, admin, operator := t.Context(), newToken(t, storetest.Account(t, s), "x"), newToken(t, "", "x")
		operator.Role = account.Operator
		ok(t, s.CreateToken(ctx, admin, event.Actor{}))
		ok(t, s.CreateToken(ctx, operator, event.Actor{}))
		for _, id := range []string{admin.ID, noSuchID, "x"} {
			wantCode(t, s.RevokeOperatorToken(ctx, id), errs.NotFound)
		}
		wantCode(t, s.RevokeToken(ctx, admin.AccountID, operator.ID, event.Actor{}), errs.NotFound)
		ok(t, s.RevokeOperatorToken(ctx, operator.ID))
		wantCode(t, s.RevokeOperatorToken(ctx, operator.ID), errs.NotFound)
		got, err := s.TokenBySecretHash(ctx, operator.SecretHash)
		ok(t, err)
		if got.RevokedAt == nil {
			t.Error("it opens still")
		}
	})
}

// takeAtOnce has many make a token at the same time, and returns the ids of those that were made. The others have to be refused.
func takeAtOnce(t *testing.T, s *store.Store, accountID string, n int) (made []string) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	start := make(chan struct{})
	for range n {
		token := newToken(t, accountID, "x")
		all.Go(func() {
			<-start
			err := s.CreateToken(t.Context(), token, event.Actor{})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				made = append(made, token.ID)
			case !errs.Is(err, errs.TooManyTokens):
				t.Error(err)
			}
		})
	}
	close(start)
	all.Wait()
	return made
}

func TestAPI6TheLastPlaceForATokenIsTakenOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		manyTokens(t, s, id, account.MaxTokens-1)
		for range 5 {
			made := takeAtOnce(t, s, id, 12)
			if len(made) != 1 {
				t.Fatalf("%d took the last place", len(made))
			}
			ok(t, s.RevokeToken(t.Context(), id, made[0], event.Actor{}))
		}
		ok(t, s.CreateToken(t.Context(), newToken(t, id, "x"), event.Actor{}))
		wantCode(t, s.CreateToken(t.Context(), newToken(t, id, "x"), event.Actor{}), errs.TooManyTokens)
		ok(t, s.CreateToken(t.Context(), newToken(t, storetest.Account(t, s), "x"), event.Actor{})) // another account's
		rows, err := s.Tokens(t.Context(), id, account.Filter{Limit: 1})
		ok(t, err)
		ok(t, s.RevokeToken(t.Context(), id, rows.Items[0].ID, event.Actor{}))
		ok(t, s.CreateToken(t.Context(), newToken(t, id, "x"), event.Actor{}))
	})
}

func TestTheLastUseIsNotedNoMoreOftenThanItsPrecision(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, token := t.Context(), newToken(t, storetest.Account(t, s), "x")
		ok(t, s.CreateToken(ctx, token, event.Actor{}))
		at := storetest.Now()
		for _, step := range []struct {
			use  time.Duration
			want time.Duration
		}{{0, 0}, {time.Minute - time.Microsecond, 0}, {-time.Hour, 0}, {time.Minute, time.Minute}, {90 * time.Second, time.Minute}} {
			ok(t, s.TouchToken(ctx, token.ID, at.Add(step.use), time.Minute))
			got, err := s.TokenBySecretHash(ctx, token.SecretHash)
			ok(t, err)
			same(t, *got.LastUsedAt, at.Add(step.want))
		}
		ok(t, s.TouchToken(ctx, "x", at, time.Minute))
		ok(t, s.TouchToken(ctx, noSuchID, at, time.Minute))
	})
}

func TestAccountsAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		by := event.Actor{TokenID: storetest.ID(t), TokenName: "provisioning"}
		var all []account.Account
		for _, name := range []string{"a", "b", "c"} {
			a := account.Account{ID: storetest.ID(t), Name: name, CreatedAt: storetest.Now()}
			ok(t, s.CreateAccount(ctx, a, by))
			all = append([]account.Account{a}, all...)
		}
		first, err := s.Accounts(ctx, account.Filter{Limit: 2})
		ok(t, err)
		same(t, first.Items, all[:2])
		rest, err := s.Accounts(ctx, account.Filter{Limit: 2, After: first.Next})
		ok(t, err)
		same(t, rest, page.Page[account.Account]{Items: all[2:]})
		n, err := s.CountAccounts(ctx)
		ok(t, err)
		same(t, n, 3)
		_, err = s.Accounts(ctx, account.Filter{After: &page.Position{ID: "x"}})
		wantCode(t, err, errs.ValidationFailed)
		events, err := s.Events(ctx, all[0].ID, event.Filter{})
		ok(t, err)
		if len(events.Items) != 1 || events.Items[0].Type != event.AccountCreated || events.Items[0].Actor != by {
			t.Errorf("%+v", events.Items)
		}
	})
}

func TestKeysOfOperatorsAreTheirOwn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		first := claimed(t, s, "", "k", "body")
		_, err := s.ClaimKey(t.Context(), "", keyed("k", "body"))
		wantCode(t, err, errs.IdempotencyKeyInUse)
		_, err = s.ClaimKey(t.Context(), "", keyed("k", "other body"))
		wantCode(t, err, errs.IdempotencyKeyReused)
		claimed(t, s, id, "k", "an account's body")
		ok(t, s.RenewKey(t.Context(), first))

		ctx := idempotency.With(t.Context(), first)
		made := account.Account{ID: storetest.ID(t), Name: "New", CreatedAt: storetest.Now()}
		ok(t, s.CreateAccount(ctx, made, event.Actor{}))
		token := newToken(t, id, "x")
		ok(t, s.CreateToken(ctx, token, event.Actor{}))
		ok(t, s.ReleaseKey(t.Context(), first))
		again := claimed(t, s, "", "k", "body")
		same(t, again.Effects, []idempotency.Effect{
			{Type: event.AccountCreated, AccountID: made.ID}, {Type: event.TokenCreated, TokenID: token.ID, AccountID: id},
		})

		late := account.Account{ID: storetest.ID(t), Name: "Late", CreatedAt: storetest.Now()}
		wantCode(t, s.CreateAccount(ctx, late, event.Actor{}), errs.IdempotencyKeyInUse)
		answer := idempotency.Answer{Status: 201, Header: map[string]string{}, Body: []byte("{}")}
		ok(t, s.AnswerKey(t.Context(), again, answer))
		same(t, *claimed(t, s, "", "k", "body").Answer, answer)
		storetest.Exec(t, s, "UPDATE operator_idempotency_keys SET expires_at = '2000-01-01 00:00:00+00:00'")
		claimed(t, s, "", "k", "yet another body")
		storetest.Exec(t, s, "UPDATE operator_idempotency_keys SET expires_at = '2000-01-01 00:00:00+00:00'")
		ok(t, s.ForgetKeys(context.WithoutCancel(t.Context())))
		if n := storetest.Value[int](t, s, "SELECT count(*) FROM operator_idempotency_keys"); n != 0 {
			t.Errorf("%d keys are kept", n)
		}
	})
}
