// Package oidctest is an identity provider for tests: it signs whatever it is told to, changes its keys, fails, and counts what it is
// asked.
package oidctest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Audience is what the provider calls orgbridge.
const Audience = "orgbridge-api"

// The claims of the account and the role.
const (
	AccountClaim = "orgbridge_account"
	RoleClaim    = "orgbridge_role"
)

// Key is a key of the provider.
type Key struct {
	ID        string
	Algorithm jose.SignatureAlgorithm
	Private   crypto.Signer
}

// Issuer is a provider that listens on this machine.
type Issuer struct {
	URL string

	tb     testing.TB
	server *httptest.Server

	mu      sync.Mutex
	keys    []Key
	made    int
	fails   bool
	looks   int
	waits   time.Duration
	jwksURL string
	form    func(set []byte) []byte
}

// New starts a provider with one key. It stops with the test.
func New(tb testing.TB) *Issuer {
	tb.Helper()
	i := &Issuer{tb: tb}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discover)
	mux.HandleFunc("GET /keys", i.show)
	i.server = httptest.NewServer(mux)
	tb.Cleanup(i.server.Close)
	i.URL, i.jwksURL = i.server.URL, i.server.URL+"/keys"
	i.Rotate()
	return i
}

// ECKey makes a key for ES256, which is quick.
func ECKey(tb testing.TB, id string) Key {
	tb.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return Key{ID: id, Algorithm: jose.ES256, Private: private}
}

// RSAKey makes a key for RS256.
func RSAKey(tb testing.TB, id string) Key {
	tb.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	return Key{ID: id, Algorithm: jose.RS256, Private: private}
}

// Rotate makes a new key, which signs from now on, and forgets the others.
func (i *Issuer) Rotate() {
	i.tb.Helper()
	i.mu.Lock()
	i.made++
	id := "key-" + strconv.Itoa(i.made)
	i.mu.Unlock()
	i.Use(ECKey(i.tb, id))
}

// Use has the provider have these keys. The first one signs.
func (i *Issuer) Use(keys ...Key) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = keys
}

// Key is the one that signs.
func (i *Issuer) Key() Key {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys[0]
}

// Fail has the provider answer with 500 from now on, or not any more.
func (i *Issuer) Fail(fails bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fails = fails
}

// Slow has it wait before each answer.
func (i *Issuer) Slow(wait time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.waits = wait
}

// KeysAt has it say that its keys are at the address.
func (i *Issuer) KeysAt(address string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.jwksURL = address
}

// Distort has it answer something else than its key set.
func (i *Issuer) Distort(form func(set []byte) []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.form = form
}

// Looks is how often somebody read the keys, or tried to find out where they are and failed.
func (i *Issuer) Looks() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.looks
}

// Claims are those of a JWT for a person of the account, good for an hour. With changes, nil takes a claim away.
func (i *Issuer) Claims(accountID, role string, changes map[string]any) map[string]any {
	now := time.Now()
	c := map[string]any{
		"iss": i.URL, "aud": Audience, "sub": "248289761001", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		AccountClaim: accountID, RoleClaim: role,
	}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, value any) bool { return value == nil })
	return c
}

// JWT is signed with the provider's key.
func (i *Issuer) JWT(accountID, role string) string {
	i.tb.Helper()
	return Sign(i.tb, i.Key(), i.Claims(accountID, role, nil), nil)
}

// Sign makes a JWT of claims, which are a string of JSON or what becomes one. Headers are added to those that it has anyway.
func Sign(tb testing.TB, key Key, claims any, headers map[jose.HeaderKey]any) string {
	tb.Helper()
	options := &jose.SignerOptions{ExtraHeaders: map[jose.HeaderKey]any{"typ": "JWT"}}
	if key.ID != "" {
		options.ExtraHeaders["kid"] = key.ID
	}
	maps.Copy(options.ExtraHeaders, headers)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: key.Algorithm, Key: key.Private}, options)
	if err != nil {
		tb.Fatal(err)
	}
	text, isText := claims.(string)
	if !isText {
		marshalled, err := json.Marshal(claims)
		if err != nil {
			tb.Fatal(err)
		}
		text = string(marshalled)
	}
	signed, err := signer.Sign([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	jwt, err := signed.CompactSerialize()
	if err != nil {
		tb.Fatal(err)
	}
	return jwt
}

func (i *Issuer) discover(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	fails, wait, address := i.fails, i.waits, i.jwksURL
	if fails {
		i.looks++
	}
	i.mu.Unlock()
	<-time.After(wait)
	if fails {
		http.Error(w, "out of order", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, i.URL, address)
}

func (i *Issuer) show(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	i.looks++
	set := jose.JSONWebKeySet{}
	for _, key := range i.keys {
		public := jose.JSONWebKey{Key: key.Private.Public(), KeyID: key.ID, Algorithm: string(key.Algorithm), Use: "sig"}
		set.Keys = append(set.Keys, public)
	}
	form := i.form
	i.mu.Unlock()
	text, err := json.Marshal(set)
	if err != nil {
		i.tb.Error(err)
	}
	if form != nil {
		text = form(text)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text)
}
