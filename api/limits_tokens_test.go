package api_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/api"
)

// stepped is a clock that the test moves.
type stepped struct {
	mu sync.Mutex
	at time.Time
}

func newStepped() *stepped { return &stepped{at: noon()} }

func (c *stepped) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *stepped) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func limited(c *stepped, requests, failures int) func(*api.Dependencies) {
	return func(d *api.Dependencies) {
		d.Now, d.RequestsPerMinute, d.FailuresPerMinute = c.now, requests, failures
	}
}

func me(token string) request { return request{method: "GET", path: api.Base + "/me", token: token} }

func TestAPI4EachTokenHasItsOwnQuota(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	s := newServer(t, limited(clock, 60, 0))
	check := func(a answer, status int, left string) {
		t.Helper()
		if a.status != status || a.header.Get("Ratelimit") != left || a.header.Get("Ratelimit-Policy") != `"default";q=60;w=60` {
			t.Errorf("%d, RateLimit %s, policy %s; want %d, %s", a.status, a.header.Get("Ratelimit"), a.header.Get("Ratelimit-Policy"), status, left)
		}
	}
	check(do(t, s, me("admin")), 200, `"default";r=59;t=1`)
	for range 58 {
		do(t, s, me("admin"))
	}
	check(do(t, s, me("admin")), 200, `"default";r=0;t=60`)
	refused := do(t, s, me("admin"))
	check(refused, 429, `"default";r=0;t=60`)
	wantProblem(t, refused, 429, "quota-exceeded")
	if got := refused.header.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After is %s", got)
	}
	clock.pass(time.Second)
	check(do(t, s, me("admin")), 200, `"default";r=0;t=60`)
	check(do(t, s, me("admin")), 429, `"default";r=0;t=60`)
	clock.pass(time.Hour)
	check(do(t, s, me("admin")), 200, `"default";r=59;t=1`)
	check(do(t, s, request{method: "GET", path: organizations + "/" + noID, token: "admin"}), 404, `"default";r=58;t=2`)
	check(do(t, s, request{method: "GET", path: api.Base + "/accounts", token: "admin"}), 403, `"default";r=57;t=3`)
	for path, token := range map[string]string{api.Base + "/me": "", "/healthz": "admin", "/openapi.json": "admin", "/nowhere": "admin"} {
		a := do(t, s, request{method: "GET", path: path, token: token})
		if a.header.Get("Ratelimit") != "" {
			t.Errorf("%s: a quota without a token", path)
		}
	}
}

// Tokens of the fake share an id, so that it is the secret's holder that is counted, and not the secret.
func TestAPI4NoMoreThanTheQuotaIsServedAtTheSameTime(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	s := newServer(t, limited(clock, 20, 0))
	var served atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if do(t, s, me("admin")).status == http.StatusOK {
				served.Add(1)
			}
		})
	}
	all.Wait()
	if served.Load() != 20 {
		t.Errorf("%d were served", served.Load())
	}
}

func TestAPI4WithoutALimitNothingIsToldOfOne(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for range 300 {
		a := do(t, s, me("admin"))
		if a.status != 200 || a.header.Get("Ratelimit") != "" || a.header.Get("Ratelimit-Policy") != "" {
			t.Fatalf("%d %v", a.status, a.header)
		}
	}
}

// from is a request of a client's.
func from(address string, r request) request {
	r.remote = address
	return r
}

func TestAPI2GuessesAreLimitedByAddress(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	s := newServer(t, limited(clock, 0, 10))
	const guesser, other = "198.51.100.7:1", "198.51.100.8:1"
	bad := func(i int) request { return me("guess" + strconv.Itoa(i)) }
	do(t, s, from(guesser, me("viewer"))) // somebody who works there
	for i := range 10 {
		wantProblem(t, do(t, s, from(guesser, bad(i))), 401, "unauthenticated")
	}
	refused := do(t, s, from(guesser, bad(10)))
	wantProblem(t, refused, 429, "quota-exceeded")
	if got := refused.header.Get("Retry-After"); got != "6" || refused.header.Get("WWW-Authenticate") != "" {
		t.Errorf("Retry-After %s, headers %v", got, refused.header)
	}
	for name, c := range map[string]struct {
		r      request
		status int
	}{
		"a token that was good before":       {from(guesser, me("viewer")), 200},
		"a good token that was not seen yet": {from(guesser, me("admin")), 429},
		"the same from another port":         {from("198.51.100.7:2", bad(0)), 429},
		"the same address in the form of v6": {from("[::ffff:198.51.100.7]:1", bad(0)), 429},
		"one who says to be somebody else":   {from(guesser, forwarded(bad(0), "203.0.113.9")), 429},
		"a request without any token":        {from(guesser, me("")), 401},
		"an address that the guesser names":  {from(other, forwarded(me("viewer"), "198.51.100.7")), 200},
		"another address":                    {from(other, bad(0)), 401},
		"another address with a good token":  {from(other, me("viewer")), 200},
	} {
		if a := do(t, s, c.r); a.status != c.status {
			t.Errorf("%s: %d instead of %d", name, a.status, c.status)
		}
	}
	clock.pass(6 * time.Second)
	if a := do(t, s, from(guesser, me("admin"))); a.status != 200 {
		t.Errorf("after Retry-After: %d", a.status)
	}
	wantProblem(t, do(t, s, from(guesser, bad(0))), 401, "unauthenticated")
	wantProblem(t, do(t, s, from(guesser, bad(0))), 429, "quota-exceeded")
	for range 100 { // good ones cost nothing
		if a := do(t, s, from(guesser, me("admin"))); a.status != 200 {
			t.Fatalf("%d", a.status)
		}
	}
}

func forwarded(r request, addresses ...string) request {
	r.header = http.Header{"X-Forwarded-For": {strings.Join(addresses, ", ")}}
	return r
}

// Of many guesses at the same time no more are looked up than one after the other.
func TestAPI2GuessesAtTheSameTimeAreLimited(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	counted := &countingAuthenticator{}
	s := newServer(t, limited(clock, 0, 10), func(d *api.Dependencies) {
		counted.Authenticator, d.Authenticator = d.Authenticator, counted
	})
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() { do(t, s, from("198.51.100.7:1", me("guess"+strconv.Itoa(i)))) })
	}
	all.Wait()
	if n := counted.calls.Load(); n != 10 {
		t.Errorf("%d were looked up", n)
	}
}

// A token that was good and is revoked is a guess like any other.
func TestAPI2ARevokedTokenLosesItsCredit(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	counted := &countingAuthenticator{}
	s := newServer(t, limited(clock, 0, 3), func(d *api.Dependencies) {
		counted.Authenticator, d.Authenticator = d.Authenticator, counted
	})
	do(t, s, from("198.51.100.7:1", me("admin")))
	counted.revoked.Store(true)
	for range 20 {
		do(t, s, from("198.51.100.7:1", me("admin")))
	}
	if n := counted.calls.Load(); n != 4 {
		t.Errorf("%d were looked up", n)
	}
	wantProblem(t, do(t, s, from("198.51.100.7:1", me("admin"))), 429, "quota-exceeded")
}

// A database that is away makes nobody a guesser.
func TestAPI2OnlyBadTokensAreCounted(t *testing.T) {
	t.Parallel()
	clock := newStepped()
	counted := &countingAuthenticator{}
	s := newServer(t, limited(clock, 0, 3), func(d *api.Dependencies) {
		counted.Authenticator, d.Authenticator = d.Authenticator, counted
	})
	counted.away.Store(true)
	for range 20 {
		wantProblem(t, do(t, s, me("admin")), 503, "unavailable")
	}
	counted.away.Store(false)
	if a := do(t, s, me("admin")); a.status != 200 {
		t.Errorf("%d", a.status)
	}
}

func TestAPI2ANetworkOfIPv6IsOneClient(t *testing.T) {
	t.Parallel()
	s := newServer(t, limited(newStepped(), 0, 5))
	for i := range 20 {
		a := do(t, s, from(fmt.Sprintf("[2001:db8:1:2::%x]:1", i), me("guess")))
		if want := map[bool]int{true: 401, false: 429}[i < 5]; a.status != want {
			t.Errorf("guess %d: %d", i, a.status)
		}
	}
	wantProblem(t, do(t, s, from("[2001:db8:1:3::1]:1", me("guess"))), 401, "unauthenticated")
}

func TestAPI2OnlyTrustedProxiesTellOfClients(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		proxies []string
		remote  string
		header  func(client string) []string
		limited bool // all clients are one
	}{
		"no proxy is trusted":             {nil, "10.0.0.1:1", func(c string) []string { return []string{c} }, true},
		"another proxy is trusted":        {[]string{"10.1.0.0/16"}, "10.0.0.1:1", func(c string) []string { return []string{c} }, true},
		"its proxy is trusted":            {[]string{"10.0.0.0/16"}, "10.0.0.1:1", func(c string) []string { return []string{c} }, false},
		"loopback is not trusted unasked": {[]string{"10.0.0.0/16"}, "127.0.0.1:1", func(c string) []string { return []string{c} }, true},
		"the client adds to the list":     {[]string{"10.0.0.0/16"}, "10.0.0.1:1", func(c string) []string { return []string{c, "198.51.100.7"} }, true},
		"two proxies, both trusted":       {[]string{"10.0.0.0/16", "10.9.0.1/32"}, "10.0.0.1:1", func(c string) []string { return []string{c, "10.9.0.1"} }, false},
		"over IPv6":                       {[]string{"fd00::/8"}, "[fd00::1]:1", func(c string) []string { return []string{c} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, limited(newStepped(), 0, 5), func(d *api.Dependencies) {
				for _, p := range c.proxies {
					d.TrustedProxies = append(d.TrustedProxies, netip.MustParsePrefix(p))
				}
			})
			limited := false
			for i := range 10 {
				a := do(t, s, from(c.remote, forwarded(me("guess"), c.header(fmt.Sprintf("203.0.113.%d", i))...)))
				limited = limited || a.status == 429
			}
			if limited != c.limited {
				t.Errorf("limited: %v", limited)
			}
		})
	}
}

// Addresses and tokens that are remembered are bounded, whoever comes.
func TestAPI4MemoryOfLimitsIsBounded(t *testing.T) {
	t.Parallel()
	addresses, secrets := api.RememberedAfter(t.Context(), 60_000)
	if addresses > 10_000 || secrets > 50_000 {
		t.Errorf("%d addresses and %d secrets are remembered", addresses, secrets)
	}
}

// TestAPI2TokensElsewhereOpenNothingAndAreNotLogged sends a good token in every way but the one.
func TestAPI2TokensElsewhereOpenNothingAndAreNotLogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const canaryToken = "orgb_canarycanarycanarycanarycanarycanarycanary"
	for name, r := range map[string]request{
		"query":             {path: api.Base + "/me?access_token=" + w.admin},
		"query of another":  {path: api.Base + "/me?token=" + canaryToken},
		"name in the query": {path: api.Base + "/me?" + w.admin},
		"two headers":       {path: api.Base + "/me", header: http.Header{"Authorization": {"Bearer " + w.admin, "Bearer " + canaryToken}}},
		"a list":            {path: api.Base + "/me", header: http.Header{"Authorization": {"Bearer " + w.admin + ", Bearer " + canaryToken}}},
		"basic":             {path: api.Base + "/me", header: http.Header{"Authorization": {"Basic " + w.admin}}},
		"no scheme":         {path: api.Base + "/me", header: http.Header{"Authorization": {w.admin}}},
		"cookie":            {path: api.Base + "/me", header: http.Header{"Cookie": {"token=" + w.admin}}},
		"other header":      {path: api.Base + "/me", header: http.Header{"X-Api-Key": {w.admin}}},
		"upper case":        {path: api.Base + "/me", token: strings.ToUpper(w.admin)},
		"cut":               {path: api.Base + "/me", token: w.admin[:len(w.admin)-1]},
		"longer":            {path: api.Base + "/me", token: w.admin + "a"},
	} {
		r.method = http.MethodGet
		if a := do(t, w, r); a.status != 401 || a.header.Get("WWW-Authenticate") != "Bearer" || strings.Contains(a.body, w.admin) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for _, path := range []string{"/me?access_token=", "/tokens/", "/nowhere/", "/organizations?cursor=", "/organizations?"} {
		do(t, w, request{method: "GET", path: api.Base + path + canaryToken, token: w.admin})
	}
	if log := w.log.String(); strings.Contains(log, w.admin) || strings.Contains(log, canaryToken) {
		t.Error("a token is logged")
	}
}
