package oidc_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/oidc"
	"github.com/orgbridge/orgbridge/internal/oidc/oidctest"
)

const ours = "0198c5d0-0000-7000-8000-00000000000a"

// house knows one account and no tokens of its own. Its clock can be put forward.
type house struct {
	*oidc.Authenticator
	*oidctest.Issuer

	t      *testing.T
	ahead  atomic.Int64
	broken atomic.Bool
}

func newHouse(t *testing.T, pause time.Duration) *house {
	t.Helper()
	h := &house{t: t, Issuer: oidctest.New(t)}
	h.Authenticator = h.node(h.URL, pause)
	return h
}

// node is one more authenticator in the house.
func (h *house) node(issuer string, pause time.Duration) *oidc.Authenticator {
	a := oidc.New(oidc.Config{
		Issuer: issuer, Audience: oidctest.Audience, AccountClaim: oidctest.AccountClaim, RoleClaim: oidctest.RoleClaim,
		Tokens: h, Accounts: h, Now: h.now, Logger: slog.New(slog.DiscardHandler),
	})
	a.SetPause(pause)
	return a
}

func (h *house) now() time.Time { return time.Now().Add(time.Duration(h.ahead.Load())) }

func (h *house) Authenticate(_ context.Context, secret string) (account.Principal, error) {
	if secret != "orgb_ours" {
		return account.Principal{}, errs.New(errs.Unauthenticated, "no such token")
	}
	return account.Principal{Token: account.Token{ID: "1"}}, nil
}

func (h *house) Account(_ context.Context, id string) (account.Account, error) {
	if h.broken.Load() {
		return account.Account{}, errs.New(errs.Unavailable, "The database cannot be reached.")
	}
	if id != ours {
		return account.Account{}, errs.New(errs.NotFound, "There is no such account.")
	}
	return account.Account{ID: ours}, nil
}

// jwt is signed now, by the clock of the house.
func (h *house) jwt() string {
	h.t.Helper()
	now := h.now()
	return oidctest.Sign(h.t, h.Key(), h.Claims(ours, "viewer", map[string]any{"iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}), nil)
}

func (h *house) want(token string, code errs.Code) {
	h.t.Helper()
	_, err := h.Authenticator.Authenticate(h.t.Context(), token)
	if errs.CodeOf(err) != code {
		h.t.Errorf("got %v, want %q", err, code)
	}
}

func TestAPI2JWTBecomesAPrincipalOfItsAccount(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 0)
	p, err := h.Authenticator.Authenticate(t.Context(), h.jwt())
	if err != nil || p.Account.ID != ours || p.Token.AccountID != ours || p.Token.Role != account.Viewer || p.Token.ID != "" ||
		p.Subject != "248289761001" || p.Token.ExpiresAt == nil || p.Key() != ours+" 248289761001" {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := h.Authenticator.Authenticate(t.Context(), "orgb_ours"); err != nil || p.Key() != "1" {
		t.Errorf("a token of ours: %+v, %v", p, err)
	}
	h.want("orgb_other", errs.Unauthenticated)
	h.want(oidctest.Sign(t, h.Key(), h.Claims(ours, "operator", nil), nil), errs.Forbidden)
	h.broken.Store(true)
	h.want(h.jwt(), errs.Unavailable)
}

func TestAPI2EachSecondOfAJWTsTimesCounts(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 0)
	for _, c := range []struct {
		claim string
		from  time.Duration // of now
		code  errs.Code
	}{
		{"exp", -55 * time.Second, ""},
		{"exp", -65 * time.Second, errs.Unauthenticated},
		{"exp", 24*time.Hour - time.Minute, ""},
		{"exp", 24*time.Hour + time.Minute, errs.Unauthenticated},
		{"iat", 55 * time.Second, ""},
		{"iat", 65 * time.Second, errs.Unauthenticated},
		{"nbf", 55 * time.Second, ""},
		{"nbf", 65 * time.Second, errs.Unauthenticated},
		{"nbf", -time.Hour, ""},
	} {
		claims := h.Claims(ours, "viewer", map[string]any{c.claim: time.Now().Add(c.from).Unix()})
		h.want(oidctest.Sign(t, h.Key(), claims, nil), c.code)
	}
	for _, typ := range []string{"JWT", "jwt", "at+jwt", "application/at+jwt"} {
		h.want(oidctest.Sign(t, h.Key(), h.Claims(ours, "viewer", nil), map[jose.HeaderKey]any{"typ": typ}), "")
	}
	several := h.Claims(ours, "viewer", map[string]any{"aud": []string{"another", oidctest.Audience}, "exp": float64(time.Now().Unix()) + 60.5})
	h.want(oidctest.Sign(t, h.Key(), several, nil), "")
}

func TestAPI2KeyRotationUnderLoadRefusesNobody(t *testing.T) {
	t.Parallel()
	const pause = 50 * time.Millisecond
	h := newHouse(t, pause)
	h.Slow(5 * time.Millisecond)
	began := time.Now()
	load, end := context.WithCancel(t.Context())
	defer end()
	var clients sync.WaitGroup
	var served, refused atomic.Int32
	var current atomic.Value
	current.Store(h.jwt())
	for range 6 {
		clients.Go(func() {
			for load.Err() == nil {
				if _, err := h.Authenticator.Authenticate(t.Context(), current.Load().(string)); err != nil { //nolint:forcetypeassert,contextcheck // stored above; a request outlives the load
					refused.Add(1)
					t.Errorf("false refusal: %v", err)
					return
				}
				served.Add(1)
			}
		})
	}
	forged := oidctest.Sign(t, oidctest.ECKey(t, "made-up"), h.Claims(ours, "admin", nil), nil)
	clients.Go(func() {
		for load.Err() == nil {
			h.want(forged, errs.Unauthenticated) //nolint:contextcheck // a request outlives the load
		}
	})
	for n := range 8 {
		before := h.Key()
		h.Use(oidctest.ECKey(t, fmt.Sprint("next-", n)), before) // as providers do: what was signed a moment ago is still good
		current.Store(h.jwt())
		for mark := served.Load(); served.Load() < mark+100 && !t.Failed(); {
			<-time.After(time.Millisecond)
		}
	}
	end()
	clients.Wait()
	most := int(time.Since(began)/pause) + 2
	if looks := h.Looks(); looks > most {
		t.Errorf("looked %d times at the keys in a time for %d", looks, most)
	}
	t.Logf("figure: JWTs served during 8 rotations, with made-up keys beside them: %d, refused falsely: %d, looks at the keys: %d",
		served.Load(), refused.Load(), h.Looks())
}

func TestAPI2MadeUpKeysMakeNoStormOfRequestsToTheProvider(t *testing.T) {
	t.Parallel()
	const pause = 200 * time.Millisecond
	h := newHouse(t, pause)
	h.want(h.jwt(), "")
	key := oidctest.ECKey(t, "")
	began := time.Now()
	var all sync.WaitGroup
	for n := range 200 {
		all.Go(func() {
			forged := oidctest.Key{ID: fmt.Sprint("made-up-", n), Algorithm: key.Algorithm, Private: key.Private}
			h.want(oidctest.Sign(t, forged, h.Claims(ours, "admin", nil), nil), errs.Unauthenticated)
		})
	}
	all.Wait()
	if most := int(time.Since(began)/pause) + 2; h.Looks() > most {
		t.Errorf("looked %d times at the keys in a time for %d", h.Looks(), most)
	}
	looks := h.Looks()
	for range 50 {
		forged := oidctest.Key{ID: h.Key().ID, Algorithm: key.Algorithm, Private: key.Private}
		h.want(oidctest.Sign(t, forged, h.Claims(ours, "admin", nil), nil), errs.Unauthenticated)
	}
	if h.Looks() != looks {
		t.Error("a wrong signature with a known key made the provider be asked")
	}
}

func TestAPI2WarmKeysServeWhileTheProviderIsDown(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 0)
	h.Warm(t.Context())
	h.Fail(true)
	for _, ahead := range []time.Duration{0, 4 * time.Minute, time.Hour, 23 * time.Hour} {
		h.ahead.Store(int64(ahead))
		h.want(h.jwt(), "")
	}
	unknown := oidctest.Sign(t, oidctest.ECKey(t, "unknown"), h.Claims(ours, "admin", nil), nil)
	h.want(unknown, errs.Unavailable) // it may be signed with a new key
	h.ahead.Store(int64(25 * time.Hour))
	h.want(h.jwt(), errs.Unavailable)
	h.Fail(false)
	h.ahead.Store(int64(26 * time.Hour))
	h.want(h.jwt(), "")
}

func TestAPI2WithdrawnKeyIsGoodForFiveMinutesMore(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 0)
	stolen := h.Key()
	h.want(h.jwt(), "")
	h.Use(oidctest.ECKey(t, "fresh"))
	h.ahead.Store(int64(5*time.Minute + time.Second))
	now := h.now()
	claims := h.Claims(ours, "admin", map[string]any{"iat": now.Unix(), "exp": now.Add(time.Hour).Unix()})
	h.want(oidctest.Sign(t, stolen, claims, nil), errs.Unauthenticated)
	h.want(h.jwt(), "")
}

func TestAPI2ProviderThatIsDownAtTheStartIsFoundLater(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 0)
	h.Fail(true)
	h.Warm(t.Context())
	looks := h.Looks()
	for range 20 {
		h.want(h.jwt(), errs.Unavailable)
	}
	if h.Looks() != looks {
		t.Errorf("asked %d times although it had just failed", h.Looks()-looks)
	}
	h.Fail(false)
	h.ahead.Store(int64(6 * time.Second))
	h.want(h.jwt(), "")
}

func TestAPI2WaitForASlowProviderEndsWithTheRequest(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 0)
	h.Slow(2 * time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := h.Authenticator.Authenticate(ctx, h.jwt()); err == nil || ctx.Err() == nil {
		t.Errorf("got %v", err)
	}
}

// TestAPI10OddAnswersOfTheProviderAreNotTaken is about a provider, or somebody between, that answers something else than keys.
func TestAPI10OddAnswersOfTheProviderAreNotTaken(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	t.Cleanup(elsewhere.Close)
	away := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusFound))
	t.Cleanup(away.Close)
	constant := func(text string) func(*house) {
		return func(h *house) { h.Distort(func([]byte) []byte { return []byte(text) }) }
	}
	for name, distort := range map[string]func(*house){
		"keys elsewhere without https": func(h *house) { h.KeysAt("http://keys.example/keys") },
		"keys in a file":               func(h *house) { h.KeysAt("file:///etc/passwd") },
		"keys nowhere":                 func(h *house) { h.KeysAt("") },
		"a redirect to another host":   func(h *house) { h.KeysAt(away.URL) },
		"an endless answer": func(h *house) {
			h.Distort(func(set []byte) []byte { return append(set, strings.Repeat(" ", 2<<20)...) })
		},
		"not JSON":             constant("<html>"),
		"no keys":              constant(`{"keys":[]}`),
		"keys that are a text": constant(`{"keys":"x"}`),
		"a secret key":         constant(`{"keys":[{"kty":"oct","kid":"key-1","k":"AAAA","alg":"HS256"}]}`),
		"a key for encryption": func(h *house) {
			h.Distort(func(set []byte) []byte { return bytes.ReplaceAll(set, []byte(`"use":"sig"`), []byte(`"use":"enc"`)) })
		},
		"a key for another algorithm": func(h *house) {
			h.Distort(func(set []byte) []byte {
				return bytes.ReplaceAll(set, []byte(`"alg":"ES256"`), []byte(`"alg":"ES384"`))
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, 0)
			distort(h)
			code := errs.Unavailable
			if name == "a key for another algorithm" {
				code = errs.Unauthenticated
			}
			h.want(h.jwt(), code)
		})
	}
	t.Cleanup(func() {
		if n := calls.Load(); n != 0 {
			t.Errorf("%d requests to another host", n)
		}
	})
}

func TestAPI10ProviderUnderAnotherNameIsNotTaken(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 0)
	other := h.node(h.URL+"/", 0)
	if _, err := other.Authenticate(t.Context(), h.jwt()); !errs.Is(err, errs.Unavailable) {
		t.Errorf("got %v", err)
	}
}

func TestKeysOfAllKindsAreTaken(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 0)
	odd := []byte(`{"keys":[{"kty":"EC","crv":"secp256k1","kid":"a"},{"kty":"OKP","crv":"Ed448","x":"AA","kid":"b"},7,`)
	h.Distort(func(set []byte) []byte { return bytes.Replace(set, []byte(`{"keys":[`), odd, 1) })
	for _, key := range keysOfAllKinds(t) {
		h.Use(key)
		h.want(h.jwt(), "")
	}
}
