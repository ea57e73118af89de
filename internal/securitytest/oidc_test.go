package securitytest_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/orgbridge/orgbridge/internal/e2e"
)

const (
	oidcClient   = "orgbridge"
	oidcSecret   = "known-to-this-test"
	oidcCallback = "http://localhost:9/callback"
)

// provider is ZITADEL's example of an OpenID provider. Its ID tokens name the account and the role. There can be one in a process: the
// example writes its settings to variables of its package.
type provider struct {
	*storage.Storage

	url string

	mu            sync.Mutex // held while a person signs in
	account, role string
}

// SetUserinfoFromRequest is asked by the example for more claims.
func (p *provider) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, r op.IDTokenRequest, _ []string) error {
	info.Subject = r.GetSubject()
	info.AppendClaims("orgbridge_account", p.account)
	info.AppendClaims("orgbridge_role", p.role)
	return nil
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	server := httptest.NewUnstartedServer(nil) // it has its address already, which the provider has to know
	issuer := "http://" + server.Listener.Addr().String()
	clients := map[string]*storage.Client{oidcClient: storage.WebClient(oidcClient, oidcSecret, oidcCallback)}
	p := &provider{url: issuer, Storage: storage.NewStorageWithClients(storage.NewUserStore(issuer), clients)}
	server.Config.Handler = exampleop.SetupServer(issuer, p, slog.New(slog.DiscardHandler), false)
	server.Start()
	t.Cleanup(server.Close)
	return p
}

// signIn is what a browser and the frontend do: a person signs in, and the frontend gets their ID token.
func (p *provider) signIn(t *testing.T, account, role string) (idToken string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.account, p.role = account, role
	var last *url.URL
	browser := &http.Client{CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		last = r.URL
		if strings.HasPrefix(r.URL.String(), oidcCallback) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	p.send(t, browser, http.MethodGet, "/auth?"+url.Values{
		"client_id": {oidcClient}, "redirect_uri": {oidcCallback}, "response_type": {"code"}, "scope": {"openid"}, "state": {"s"},
	}.Encode(), nil)
	p.send(t, browser, http.MethodPost, "/login/username", url.Values{
		"id": {last.Query().Get("authRequestID")}, "username": {"test-user@127.0.0.1"}, "password": {"verysecure"},
	})
	answer := p.send(t, browser, http.MethodPost, "/oauth/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {last.Query().Get("code")}, "redirect_uri": {oidcCallback},
	})
	var tokens struct {
		IDToken string `json:"id_token"` //nolint:tagliatelle // the standard's name
	}
	if err := json.Unmarshal(answer, &tokens); err != nil || tokens.IDToken == "" {
		t.Fatalf("no ID token: %v: %s", err, answer)
	}
	return tokens.IDToken
}

func (p *provider) send(t *testing.T, client *http.Client, method, path string, form url.Values) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(oidcClient, oidcSecret)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestAPI2PersonSignsInAtAnOpenIDProviderAndUsesTheirAccountOnly(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		mine, theirs := s.CLI("account", "create", "Lighthouse IT Services"), s.CLI("account", "create", "Harbor IT")
		server := s.With("ORGBRIDGE_OIDC_ISSUER="+p.url, "ORGBRIDGE_OIDC_AUDIENCE="+oidcClient).Serve()
		c := server.Client(p.signIn(t, mine, "admin"))
		id := c.AddOrganization("Contoso", "contoso.com")
		for _, e := range e2e.All[struct {
			Type  string `json:"type"`
			Actor struct {
				Subject string `json:"subject"`
			} `json:"actor"`
		}](c, "/events") {
			if e.Type == "organization.created" && e.Actor.Subject != "id1" {
				t.Errorf("the event names %q", e.Actor.Subject)
			}
		}
		status := func(idToken, path string) int {
			got, _ := server.Client(idToken).Do(http.MethodGet, path, nil)
			return got
		}
		if got := status(p.signIn(t, theirs, "admin"), "/organizations/"+id); got != http.StatusNotFound {
			t.Errorf("an organization of another account: %d", got)
		}
		if got := status(p.signIn(t, mine, "operator"), "/accounts"); got != http.StatusForbidden {
			t.Errorf("operator by JWT: %d", got)
		}
		good := p.signIn(t, mine, "viewer")
		if got := status(good[:len(good)-4]+"AAAA", "/me"); got != http.StatusUnauthorized {
			t.Errorf("another signature: %d", got)
		}
	})
}
