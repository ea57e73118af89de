package api_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/internal/oidc"
	"github.com/orgbridge/orgbridge/internal/oidc/oidctest"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// people is a world with an identity provider.
type people struct {
	*world
	*oidctest.Issuer

	accountID string
	auth      *oidc.Authenticator
}

func newPeople(t *testing.T, db *store.Store) *people {
	t.Helper()
	p := &people{Issuer: oidctest.New(t)}
	p.world = newWorldOn(t, db, func(d *api.Dependencies) {
		p.auth = oidc.New(oidc.Config{
			Issuer: p.URL, Audience: oidctest.Audience, AccountClaim: oidctest.AccountClaim, RoleClaim: oidctest.RoleClaim,
			Tokens: d.Authenticator, Accounts: db, Now: d.Now, Logger: d.Log,
		})
		d.Authenticator = p.auth
	})
	p.accountID = whoami(t, p.world, p.admin).Account.ID
	return p
}

// meView is who the caller is.
type meView struct {
	Account struct {
		ID string `json:"id"`
	} `json:"account"`
	Role  string `json:"role"`
	Token *struct {
		ID string `json:"id"`
	} `json:"token"`
	Subject *string `json:"subject"`
}

func whoami(t *testing.T, w *world, token string) (view meView) {
	t.Helper()
	a := do(t, w, request{method: "GET", path: api.Base + "/me", token: token})
	if a.status != http.StatusOK {
		t.Fatalf("me: %d %s", a.status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &view); err != nil {
		t.Fatal(err)
	}
	return view
}

// status is how the token is answered.
func (p *people) status(t *testing.T, token string) int {
	t.Helper()
	return do(t, p.world, request{method: "GET", path: api.Base + "/me", token: token}).status
}

// with is a JWT signed as it should be, with other claims.
func (p *people) with(t *testing.T, changes map[string]any) string {
	t.Helper()
	return oidctest.Sign(t, p.Key(), p.Claims(p.accountID, "admin", changes), nil)
}

func TestAPI2JWTOfTheIdentityProviderOpensItsAccount(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		p := newPeople(t, s)
		view := whoami(t, p.world, p.JWT(p.accountID, "viewer"))
		if view.Account.ID != p.accountID || view.Role != "viewer" || view.Token != nil || *view.Subject != "248289761001" {
			t.Errorf("me: %+v", view)
		}
		if view := whoami(t, p.world, p.viewer); view.Token == nil || view.Subject != nil {
			t.Errorf("a token of ours: %+v", view)
		}
		body := `{"name":"Contoso","domain":"contoso.com","emailPlatform":"microsoft_365"}`
		create := request{method: "POST", path: api.Base + "/organizations", body: body, token: p.JWT(p.accountID, "viewer")}
		wantProblem(t, do(t, p.world, create), http.StatusForbidden, "forbidden")
		create.token = p.JWT(p.accountID, "admin")
		if a := do(t, p.world, create); a.status != http.StatusCreated {
			t.Fatalf("create: %d %s", a.status, a.body)
		}
		events := do(t, p.world, request{method: "GET", path: api.Base + "/events", token: p.viewer})
		if !strings.Contains(events.body, `"actor":{"tokenId":null,"tokenName":null,"subject":"248289761001"}`) {
			t.Errorf("events do not name the person: %s", events.body)
		}
	})
}

func TestAPI2SyncsAndDeactivationNameThePersonWhoAskedForThem(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		p := newPeople(t, s)
		fill(p.world)
		token := p.JWT(p.accountID, "admin")
		body := `{"name":"Contoso","domain":"contoso.com","emailPlatform":"microsoft_365"}`
		do(t, p.world, request{method: "POST", path: api.Base + "/organizations", body: body, token: token})
		body = `{"apiKey":"` + canary + `","region":"eu"}`
		connect := do(t, p.world, request{method: "POST", path: api.Base + "/integrations/itglue/connect", body: body, token: token})
		if connect.status != http.StatusCreated {
			t.Fatalf("connect: %d %s", connect.status, connect.body)
		}
		p.work(t)
		const person = `{"tokenId":null,"tokenName":null,"subject":"248289761001"}`
		syncs := do(t, p.world, request{method: "GET", path: api.Base + "/syncs", token: p.viewer})
		if !strings.Contains(syncs.body, `"requestedBy":`+person) {
			t.Errorf("syncs: %s", syncs.body)
		}
		do(t, p.world, request{method: "DELETE", path: api.Base + "/integrations/itglue?confirm=true", token: token})
		for _, kind := range []string{"mapping.mapped", "mapping.unmapped", "integration.connected", "integration.deactivated"} {
			events := do(t, p.world, request{method: "GET", path: api.Base + "/events?type=" + kind, token: p.viewer})
			if !strings.Contains(events.body, `"actor":`+person) {
				t.Errorf("%s: %s", kind, events.body)
			}
		}
	})
}

// TestAPI2RolesOfAJWTNeverReachBeyondTheAccount is about the role claim: only the two roles of an account count.
func TestAPI2RolesOfAJWTNeverReachBeyondTheAccount(t *testing.T) {
	t.Parallel()
	p := newPeople(t, storetest.SQLite(t))
	for _, c := range []struct {
		name string
		role any
		want string // empty: refused with 403
	}{
		{"a list of one", []string{"viewer"}, "viewer"},
		{"both", []string{"viewer", "admin"}, "admin"},
		{"roles of other programs", []string{"offline_access", "viewer", "owner"}, "viewer"},
		{"operator beside viewer", []string{"viewer", "operator"}, "viewer"},
		{"operator", "operator", ""},
		{"a list with operator", []string{"operator"}, ""},
		{"other case", "Admin", ""},
		{"blanks", " admin", ""},
		{"several in a text", "viewer admin", ""},
		{"unknown", "root", ""},
		{"empty", "", ""},
		{"none", nil, ""},
		{"empty list", []string{}, ""},
		{"a list in a list", []any{[]string{"admin"}}, ""},
		{"a list with a number", []any{"admin", 1}, ""},
		{"an object", map[string]any{"admin": true}, ""},
		{"a boolean", true, ""},
		{"a number", 1, ""},
	} {
		token := p.with(t, map[string]any{oidctest.RoleClaim: c.role})
		if c.want == "" {
			wantProblem(t, do(t, p.world, request{method: "GET", path: api.Base + "/organizations", token: token}), 403, "forbidden")
			continue
		}
		if got := whoami(t, p.world, token); got.Role != c.want || got.Account.ID != p.accountID {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// part is base64url of a JSON text.
func part(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// forge is a JWT with a header of one's own, for which the provider's key has signed something else.
func forge(jwt, header string) string {
	parts := strings.Split(jwt, ".")
	return part(header) + "." + parts[1] + "." + parts[2]
}

func TestAPI2ForgedAndMisusedJWTsAreRefusedWithOneAnswer(t *testing.T) { //nolint:tparallel // its answers are all there already
	t.Parallel()
	p := newPeople(t, storetest.SQLite(t))
	p.Use(oidctest.RSAKey(t, "key-1"))
	p.auth.Warm(t.Context())
	var calls atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	defer elsewhere.Close()

	attacks := map[string]string{}
	maps.Copy(attacks, p.forgedSignatures(t))
	maps.Copy(attacks, p.badHeaders(t, elsewhere.URL))
	maps.Copy(attacks, p.badClaims(t))
	maps.Copy(attacks, p.badForms(t))

	want := do(t, p.world, request{method: "GET", path: api.Base + "/me", token: "orgb_unknown"})
	for name, a := range p.answers(t, attacks) {
		t.Run(name, func(t *testing.T) {
			checkAnswer(t, request{method: "GET", path: api.Base + "/me"}, a)
			wantProblem(t, a, http.StatusUnauthorized, "unauthenticated")
			if got, same := a.problem(t), want.problem(t); got.Detail != same.Detail || got.Title != same.Title || len(got.Params) > 0 {
				t.Errorf("the answer tells more than that of an unknown token: %s", a.body)
			}
			if a.header.Get("WWW-Authenticate") != want.header.Get("WWW-Authenticate") {
				t.Errorf("WWW-Authenticate: %q", a.header.Values("WWW-Authenticate"))
			}
		})
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("%d requests to addresses that JWTs named", n)
	}
	if got := p.status(t, p.with(t, nil)); got != http.StatusOK {
		t.Errorf("a good JWT afterwards: %d", got)
	}
	if strings.Contains(p.log.String(), strings.Split(p.with(t, nil), ".")[2]) {
		t.Error("a signature is in the log")
	}
}

// answers are those to the tokens, all sent at once: keys that are not known are looked for together.
func (p *people) answers(t *testing.T, tokens map[string]string) map[string]answer {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	answers := make(map[string]answer, len(tokens))
	for name, token := range tokens {
		all.Go(func() {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, api.Base+"/me", http.NoBody)
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			p.ServeHTTP(w, r)
			mu.Lock()
			defer mu.Unlock()
			answers[name] = answer{status: w.Code, header: w.Header(), body: w.Body.String()}
		})
	}
	all.Wait()
	return answers
}

// forgedSignatures are JWTs that the provider did not sign.
func (p *people) forgedSignatures(t *testing.T) map[string]string {
	t.Helper()
	good, key := p.with(t, nil), p.Key()
	claims := p.Claims(p.accountID, "admin", nil)
	parts := strings.Split(good, ".")
	public, _ := key.Private.Public().(*rsa.PublicKey)
	pkix, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	attacks := map[string]string{
		"RS256 with another key and the same kid": oidctest.Sign(t, oidctest.RSAKey(t, key.ID), claims, nil),
		"unknown kid":                   oidctest.Sign(t, oidctest.RSAKey(t, "unknown"), claims, nil),
		"no kid":                        oidctest.Sign(t, oidctest.Key{Algorithm: jose.RS256, Private: key.Private}, claims, nil),
		"another algorithm of the key":  oidctest.Sign(t, oidctest.Key{ID: key.ID, Algorithm: jose.PS512, Private: key.Private}, claims, nil),
		"ES256 with the kid of RSA":     oidctest.Sign(t, oidctest.Key{ID: key.ID, Algorithm: jose.ES256, Private: curve}, claims, nil),
		"RS256 in words, ES256 by hand": forge(good, `{"alg":"ES256","kid":"`+key.ID+`","typ":"JWT"}`),
		"claims exchanged":              parts[0] + "." + part(`{"iss":"`+p.URL+`"}`) + "." + parts[2],
		"signature cut":                 good[:len(good)-2],
		"signature of zeros":            parts[0] + "." + parts[1] + "." + strings.Repeat("A", 342),
	}
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "", "null", "none ", "\\u006eone"} {
		header := part(`{"alg":"` + alg + `","kid":"` + key.ID + `","typ":"JWT"}`)
		attacks["alg "+alg+" unsigned"] = header + "." + parts[1] + "."
		attacks["alg "+alg+" signed"] = header + "." + parts[1] + "." + parts[2]
	}
	for _, alg := range []string{`null`, `0`, `["RS256"]`, `{}`, `"rs256"`, `"RS256 "`, `"ES256K"`, `"dir"`, `"RSA-OAEP"`} {
		attacks["alg "+alg] = forge(good, `{"alg":`+alg+`,"kid":"`+key.ID+`"}`)
	}
	for name, secret := range map[string][]byte{
		"DER of PKIX": pkix, "DER of PKCS1": x509.MarshalPKCS1PublicKey(public), "modulus": public.N.Bytes(),
		"PEM of PKIX":  pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix}),
		"PEM of PKCS1": pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(public)}),
	} {
		for _, alg := range []jose.SignatureAlgorithm{jose.HS256, jose.HS384, jose.HS512} {
			attacks[string(alg)+" with the public key, "+name] = signSymmetric(t, alg, key.ID, secret, claims)
		}
	}
	return attacks
}

func signSymmetric(t *testing.T, alg jose.SignatureAlgorithm, kid string, secret []byte, claims map[string]any) string {
	t.Helper()
	options := &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{"kid": kid, "typ": "JWT"}}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: secret}, options)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	jwt, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return jwt
}

// badHeaders are JWTs whose header wants something that must not be done.
func (p *people) badHeaders(t *testing.T, elsewhere string) map[string]string {
	t.Helper()
	own := oidctest.RSAKey(t, "mine")
	claims := p.Claims(p.accountID, "admin", nil)
	jwk := jose.JSONWebKey{Key: own.Private.Public(), KeyID: own.ID, Algorithm: "RS256"}
	sign := func(key oidctest.Key, headers map[jose.HeaderKey]any) string {
		return oidctest.Sign(t, key, claims, headers)
	}
	disguised := own
	disguised.ID = p.Key().ID
	attacks := map[string]string{
		"jku":                            sign(own, map[jose.HeaderKey]any{"jku": elsewhere + "/keys"}),
		"jku with the kid of a key":      sign(disguised, map[jose.HeaderKey]any{"jku": elsewhere + "/keys"}),
		"x5u":                            sign(own, map[jose.HeaderKey]any{"x5u": elsewhere + "/chain.pem"}),
		"x5u with the kid of a key":      sign(disguised, map[jose.HeaderKey]any{"x5u": elsewhere + "/chain.pem"}),
		"jwk":                            sign(own, map[jose.HeaderKey]any{"jwk": jwk}),
		"jwk with the kid of a key":      sign(disguised, map[jose.HeaderKey]any{"jwk": jwk}),
		"crit":                           forge(p.with(t, nil), `{"alg":"RS256","kid":"`+p.Key().ID+`","crit":["exp"],"exp":1}`),
		"crit, signed":                   sign(p.Key(), map[jose.HeaderKey]any{"crit": []string{"https://example.com/x"}, "https://example.com/x": 1}),
		"kid of 10 kB":                   sign(p.Key(), map[jose.HeaderKey]any{"kid": strings.Repeat("k", 10_000)}),
		"kid of 20 kB":                   sign(p.Key(), map[jose.HeaderKey]any{"kid": strings.Repeat("k", 20_000)}),
		"kid twice":                      forge(p.with(t, nil), `{"alg":"RS256","kid":"`+p.Key().ID+`","kid":"`+p.Key().ID+`"}`),
		"a log-out token":                sign(p.Key(), map[jose.HeaderKey]any{"typ": "logout+jwt"}),
		"a proof of possession":          sign(p.Key(), map[jose.HeaderKey]any{"typ": "dpop+jwt"}),
		"typ is a list":                  sign(p.Key(), map[jose.HeaderKey]any{"typ": []string{"JWT"}}),
		"broken UTF-8 in the header":     forge(p.with(t, nil), "{\"alg\":\"RS256\",\"kid\":\"\xff\"}"),
		"a header that is a list":        forge(p.with(t, nil), `["RS256"]`),
		"a header that is null":          forge(p.with(t, nil), `null`),
		"a header of 10,000 brackets":    forge(p.with(t, nil), strings.Repeat("[", 10_000)),
		"something behind the header":    forge(p.with(t, nil), `{"alg":"RS256","kid":"`+p.Key().ID+`"}{}`),
		"header names in another case":   forge(p.with(t, nil), `{"ALG":"RS256","KID":"`+p.Key().ID+`"}`),
		"an algorithm that is not named": forge(p.with(t, nil), `{"kid":"`+p.Key().ID+`"}`),
	}
	for _, kid := range []string{
		"../../../../dev/null", "/etc/passwd", "file:///dev/null", elsewhere + "/keys", "key-1\x00", "KEY-1", " key-1", "key-1 ",
		"' OR '1'='1", "key-1' UNION SELECT 'x", "key-1;--", "${jndi:ldap://127.0.0.1/a}", "key-1\nX-Injected: 1", "*",
	} {
		attacks["kid "+kid] = sign(oidctest.Key{ID: kid, Algorithm: jose.RS256, Private: own.Private}, nil)
	}
	for _, kid := range []any{nil, 1, true, []string{p.Key().ID}, map[string]any{"kid": p.Key().ID}, ""} {
		text, err := json.Marshal(kid)
		if err != nil {
			t.Fatal(err)
		}
		attacks["kid of JSON "+string(text)] = forge(p.with(t, nil), `{"alg":"RS256","kid":`+string(text)+`}`)
	}
	return attacks
}

// badClaims are JWTs that the provider has signed, and not for this.
func (p *people) badClaims(t *testing.T) map[string]string {
	t.Helper()
	now := time.Now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	claim := func(name string, value any) string { return p.with(t, map[string]any{name: value}) }
	account := func(value any) string { return claim(oidctest.AccountClaim, value) }
	id := p.accountID
	return map[string]string{
		"no iss":                       claim("iss", nil),
		"iss of another":               claim("iss", "https://attacker.example"),
		"iss with a slash":             claim("iss", p.URL+"/"),
		"iss in upper case":            claim("iss", strings.ToUpper(p.URL)),
		"iss is a list":                claim("iss", []string{p.URL}),
		"no aud":                       claim("aud", nil),
		"aud of another":               claim("aud", "another-api"),
		"aud in upper case":            claim("aud", strings.ToUpper(oidctest.Audience)),
		"aud with more behind it":      claim("aud", oidctest.Audience+".attacker.example"),
		"aud of several, none ours":    claim("aud", []string{"a", "b"}),
		"aud of several in a text":     claim("aud", "a "+oidctest.Audience),
		"aud is an object":             claim("aud", map[string]any{oidctest.Audience: true}),
		"aud is empty":                 claim("aud", []string{}),
		"aud by another name":          p.with(t, map[string]any{"aud": nil, "AUD": oidctest.Audience}),
		"iss by another name":          p.with(t, map[string]any{"iss": nil, "Iss": p.URL}),
		"exp by another name":          p.with(t, map[string]any{"exp": nil, "EXP": at(time.Hour)}),
		"no sub":                       claim("sub", nil),
		"sub is empty":                 claim("sub", ""),
		"sub is a number":              claim("sub", 1),
		"sub of 256 bytes":             claim("sub", strings.Repeat("s", 256)),
		"sub with a line break":        claim("sub", "a\nb"),
		"sub with NUL":                 claim("sub", "a\x00b"),
		"no exp":                       claim("exp", nil),
		"expired":                      claim("exp", at(-2*time.Minute)),
		"exp is 0":                     claim("exp", 0),
		"exp is negative":              claim("exp", -1),
		"exp is a text":                claim("exp", "9999999999"),
		"exp is a list":                claim("exp", []int64{at(time.Hour)}),
		"exp is huge":                  oidctest.Sign(t, p.Key(), p.text("exp", `1e308`), nil),
		"exp is beyond all numbers":    oidctest.Sign(t, p.Key(), p.text("exp", `1e999`), nil),
		"exp in a hundred years":       claim("exp", at(100*365*24*time.Hour)),
		"good for 25 hours":            claim("exp", at(25*time.Hour)),
		"good for a year, nearly over": p.with(t, map[string]any{"iat": at(-365 * 24 * time.Hour), "exp": at(time.Hour)}),
		"no iat":                       claim("iat", nil),
		"iat in the future":            claim("iat", at(10*time.Minute)),
		"nbf in the future":            claim("nbf", at(2*time.Minute)),
		"nbf far in the future":        claim("nbf", at(30*time.Minute)),
		"nbf is a text":                claim("nbf", "0"),
		"nbf is null":                  oidctest.Sign(t, p.Key(), p.text("nbf", `null`), nil),
		"no account":                   account(nil),
		"account is empty":             account(""),
		"account is a list":            account([]string{id}),
		"account is an object":         account(map[string]any{"id": id}),
		"account is a number":          account(1),
		"account is true":              account(true),
		"account in upper case":        account(strings.ToUpper(id)),
		"account in braces":            account("{" + id + "}"),
		"account as urn":               account("urn:uuid:" + id),
		"account without hyphens":      account(strings.ReplaceAll(id, "-", "")),
		"account with blanks":          account(" " + id),
		"account with NUL":             account(id + "\x00"),
		"account that does not exist":  account(storetest.ID(t)),
		"account by SQL":               account(id + "' OR '1'='1"),
		"account by another name":      p.with(t, map[string]any{oidctest.AccountClaim: nil, "Orgbridge_Account": id}),
		"account twice":                p.twice(t, oidctest.AccountClaim, `"`+id+`"`),
		"role twice":                   p.twice(t, oidctest.RoleClaim, `"admin"`),
		"aud twice":                    p.twice(t, "aud", `"`+oidctest.Audience+`"`),
		"iss twice":                    p.twice(t, "iss", `"`+p.URL+`"`),
		"a name twice further in":      oidctest.Sign(t, p.Key(), p.text("more", `{"a":1,"a":2}`), nil),
		"broken UTF-8 in a claim":      oidctest.Sign(t, p.Key(), p.text("name", "\"\xff\""), nil),
		"claims are a list":            oidctest.Sign(t, p.Key(), `[]`, nil),
		"claims are null":              oidctest.Sign(t, p.Key(), `null`, nil),
		"claims are not JSON":          oidctest.Sign(t, p.Key(), `sub=1`, nil),
		"claims are empty":             oidctest.Sign(t, p.Key(), `{}`, nil),
		"something behind the claims":  oidctest.Sign(t, p.Key(), p.text("more", `1`)+`{}`, nil),
	}
}

// text are good claims as JSON, with one more that is written as it is.
func (p *people) text(name, value string) string {
	claims := p.Claims(p.accountID, "admin", map[string]any{name: nil})
	text, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return `{"` + name + `":` + value + "," + string(text[1:])
}

// twice is signed, with one of the claims there twice.
func (p *people) twice(t *testing.T, name, value string) string {
	t.Helper()
	text, err := json.Marshal(p.Claims(p.accountID, "admin", nil))
	if err != nil {
		t.Fatal(err)
	}
	return oidctest.Sign(t, p.Key(), `{"`+name+`":`+value+","+string(text[1:]), nil)
}

// badForms are texts that look like JWTs.
func (p *people) badForms(t *testing.T) map[string]string {
	t.Helper()
	good := p.with(t, nil)
	parts := strings.Split(good, ".")
	encrypter, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.RSA_OAEP_256, Key: p.Key().Private.Public()},
		(&jose.EncrypterOptions{}).WithContentType("JWT").WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	encrypted, err := encrypter.Encrypt([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	nested, err := encrypted.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"two dots only":             "..",
		"one dot":                   parts[0] + "." + parts[1],
		"three dots":                good + ".",
		"no header":                 "." + parts[1] + "." + parts[2],
		"no claims":                 parts[0] + ".." + parts[2],
		"no signature":              parts[0] + "." + parts[1] + ".",
		"cut in the claims":         parts[0] + "." + parts[1][:len(parts[1])/2] + "." + parts[2],
		"encrypted":                 nested,
		"signed around a JWT":       oidctest.Sign(t, p.Key(), good, nil),
		"signed around, cty":        oidctest.Sign(t, p.Key(), good, map[jose.HeaderKey]any{"cty": "JWT"}),
		"padding":                   parts[0] + "." + parts[1] + "." + parts[2] + "==",
		"ordinary base64":           parts[0] + "." + parts[1] + "." + parts[2][:10] + "+/" + parts[2][12:],
		"JSON serialization":        `{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `","x":"..","y":""}`,
		"a blank in front":          " " + good,
		"a blank behind":            good + " ",
		"a comma behind":            good + ",",
		"twice":                     good + " " + good,
		"a line break inside":       parts[0] + "\n." + parts[1] + "." + parts[2],
		"larger than 16 KiB":        p.with(t, map[string]any{"padding": strings.Repeat("x", 16<<10)}),
		"our prefix in front":       "orgb_" + good,
		"our prefix in each part":   "orgb_a.orgb_b.orgb_c",
		"dots in one of our tokens": p.admin[:10] + "." + p.admin[10:20] + "." + p.admin[20:],
	}
}

func TestAPI2JWTInTheAddressIsNotACredential(t *testing.T) {
	t.Parallel()
	p := newPeople(t, storetest.SQLite(t))
	jwt := p.with(t, nil)
	for _, query := range []string{"access_token=", "token=", "jwt=", "id_token="} {
		a := do(t, p.world, request{method: "GET", path: api.Base + "/me?" + query + jwt})
		wantProblem(t, a, http.StatusUnauthorized, "unauthenticated")
	}
	for _, header := range []string{"Basic " + jwt, "JWT " + jwt, jwt, "Bearer"} {
		a := do(t, p.world, request{method: "GET", path: api.Base + "/me", header: http.Header{"Authorization": {header}}})
		wantProblem(t, a, http.StatusUnauthorized, "unauthenticated")
	}
	both := http.Header{"Authorization": {"Bearer " + jwt, "Bearer " + p.admin}}
	wantProblem(t, do(t, p.world, request{method: "GET", path: api.Base + "/me", header: both}), http.StatusUnauthorized, "unauthenticated")
	if strings.Contains(p.log.String(), jwt) {
		t.Error("the JWT is in the log")
	}
}

func TestAPI2JWTIsRefusedWithoutAnIdentityProvider(t *testing.T) {
	t.Parallel()
	p := newPeople(t, storetest.SQLite(t))
	w := newWorldOn(t, p.db)
	a := do(t, w, request{method: "GET", path: api.Base + "/me", token: p.with(t, nil)})
	wantProblem(t, a, http.StatusUnauthorized, "unauthenticated")
}

func TestAPI2JWTIsNotJudgedWhileTheIdentityProviderIsOutOfReach(t *testing.T) {
	t.Parallel()
	p := newPeople(t, storetest.SQLite(t))
	p.Fail(true)
	a := do(t, p.world, request{method: "GET", path: api.Base + "/me", token: p.with(t, nil)})
	wantProblem(t, a, http.StatusServiceUnavailable, "unavailable")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if got := p.status(t, p.viewer); got != http.StatusOK {
		t.Errorf("a token of ours is answered %d meanwhile", got)
	}
}
