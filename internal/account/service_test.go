package account_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// clock is set by the test.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func each(t *testing.T, scenario func(t *testing.T, s *store.Store, service *account.Service, c *clock)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		c := &clock{at: storetest.Now()}
		scenario(t, s, account.NewService(s, c.now), c)
	})
}

func TestTokenOpensItsAccountUntilItExpiresOrIsRevoked(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *store.Store, service *account.Service, c *clock) {
		t.Helper()
		a, err := service.CreateAccount(t.Context(), "Northwind IT", event.Actor{})
		if err != nil {
			t.Fatal(err)
		}
		expires := c.at.Add(time.Hour)
		token, secret, err := service.CreateToken(t.Context(), account.NewToken{AccountID: a.ID, Role: account.Viewer, Name: "x", ExpiresAt: &expires}, event.Actor{})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(secret, token.Hint) || strings.Contains(string(token.SecretHash), secret) {
			t.Errorf("token %+v", token)
		}
		p, err := service.Authenticate(t.Context(), secret)
		if err != nil || p.Account.ID != a.ID || p.Account.Name != a.Name || p.Token.Role != account.Viewer {
			t.Fatalf("principal %+v, %v", p, err)
		}
		used, err := s.TokenBySecretHash(t.Context(), token.SecretHash)
		if err != nil || used.LastUsedAt == nil || !used.LastUsedAt.Equal(c.at) {
			t.Errorf("last used %v, %v", used.LastUsedAt, err)
		}
		c.at = expires
		if _, err := service.Authenticate(t.Context(), secret); !errs.Is(err, errs.Unauthenticated) {
			t.Errorf("an expired token: %v", err)
		}
		c.at = expires.Add(-time.Minute)
		storetest.Exec(t, s, "UPDATE tokens SET revoked_at = created_at WHERE id = $1", token.ID)
		if _, err := service.Authenticate(t.Context(), secret); !errs.Is(err, errs.Unauthenticated) {
			t.Errorf("a revoked token: %v", err)
		}
	})
}

func TestUnknownAndMistypedTokensGetOneAnswer(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *store.Store, service *account.Service, _ *clock) {
		t.Helper()
		_, known, err := service.CreateToken(t.Context(), account.NewToken{Role: account.Operator, Name: "x"}, event.Actor{})
		if err != nil {
			t.Fatal(err)
		}
		texts := map[string]bool{}
		for _, secret := range []string{"", "orgb_", known + "a", known[:len(known)-1], "orgb_" + strings.Repeat("a", 39)} {
			_, err := service.Authenticate(t.Context(), secret)
			if !errs.Is(err, errs.Unauthenticated) {
				t.Errorf("%q: %v", secret, err)
			}
			texts[err.Error()] = true
		}
		if len(texts) != 1 {
			t.Errorf("answers differ: %v", texts)
		}
		if p, err := service.Authenticate(t.Context(), known); err != nil || p.Account.ID != "" || p.Token.Role != account.Operator {
			t.Errorf("operator %+v, %v", p, err)
		}
	})
}

func TestBadAccountsAndTokensAreRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *store.Store, service *account.Service, c *clock) {
		t.Helper()
		id := storetest.Account(t, s)
		for _, name := range []string{"", " \t", strings.Repeat("a", 256), "a\x00b", "a\xffb"} {
			if _, err := service.CreateAccount(t.Context(), name, event.Actor{}); !errs.Is(err, errs.ValidationFailed) {
				t.Errorf("account %q: %v", name, err)
			}
		}
		for name, n := range map[string]account.NewToken{
			"blank name":          {AccountID: id, Role: account.Admin, Name: " "},
			"no such role":        {AccountID: id, Role: "root", Name: "x"},
			"expired":             {AccountID: id, Role: account.Admin, Name: "x", ExpiresAt: &c.at},
			"admin of nothing":    {Role: account.Admin, Name: "x"},
			"operator of account": {AccountID: id, Role: account.Operator, Name: "x"},
		} {
			if _, _, err := service.CreateToken(t.Context(), n, event.Actor{}); !errs.Is(err, errs.ValidationFailed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, _, err := service.CreateToken(t.Context(), account.NewToken{AccountID: storetest.ID(t), Role: account.Admin, Name: "x"}, event.Actor{})
		if !errs.Is(err, errs.NotFound) {
			t.Errorf("token of no account: %v", err)
		}
	})
}
