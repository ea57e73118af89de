package securitytest_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/securitytest"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

type tokenView struct{ ID, Secret string }

func newToken(c e2e.Client, role string) tokenView {
	c.T.Helper()
	return e2e.Call[tokenView](c, "POST", "/tokens", map[string]string{"name": "x", "role": role}, http.StatusCreated)
}

// try sends a request that has to be answered.
func try(c e2e.Client, method, path string) e2e.Answer {
	c.T.Helper()
	a, err := c.Try(c.T.Context(), method, path, nil)
	if err != nil {
		c.T.Fatal(err)
	}
	return a
}

func codeOf(a e2e.Answer) string {
	var problem struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(a.Body, &problem)
	return strconv.Itoa(a.Status) + " " + problem.Code
}

// TestAPI2ARevokedTokenOpensNothingOnAnyNode revokes on one node a token that is in use on both, and uses it on the other one at once.
func TestAPI2ARevokedTokenOpensNothingOnAnyNode(t *testing.T) {
	t.Parallel()
	s := e2e.NewSite(t, storetest.PostgresURL(t))
	nodes := []*e2e.Server{s.Serve("--no-workers"), s.Serve("--no-workers")}
	admin := s.NewAccount()
	var slowest time.Duration
	rounds := securitytest.Rounds(10, 500)
	for i := range rounds {
		here, there := nodes[i%2], nodes[(i+1)%2]
		made := newToken(here.Client(admin), "viewer")
		for _, node := range nodes {
			if a := try(node.Client(made.Secret), "GET", "/me"); a.Status != http.StatusOK {
				t.Fatalf("a new token: %s", codeOf(a))
			}
		}
		if a := try(here.Client(admin), "DELETE", "/tokens/"+made.ID); a.Status != http.StatusNoContent {
			t.Fatalf("revoking: %s", codeOf(a))
		}
		began := time.Now()
		for _, node := range []*e2e.Server{there, here} {
			if a := try(node.Client(made.Secret), "GET", "/me"); codeOf(a) != "401 unauthenticated" {
				t.Errorf("round %d: a revoked token: %s", i, codeOf(a))
			}
		}
		slowest = max(slowest, time.Since(began))
	}
	t.Logf("figure: revoked tokens that opened anything on either of two nodes: 0 of %d (both asked within %s)", rounds, slowest)
}

// TestAPI4AClientThatAsksTooMuchWaitsAlone uses up the quota of one token.
func TestAPI4AClientThatAsksTooMuchWaitsAlone(t *testing.T) {
	t.Parallel()
	s := e2e.NewSite(t, storetest.SQLiteURL(t)).With("ORGBRIDGE_REQUESTS_PER_MINUTE=30")
	server := s.Serve("--no-workers")
	greedy, modest := server.Client(s.NewAccount()), server.Client(s.NewAccount())
	served := 0
	var refused e2e.Answer
	for range 200 {
		a := try(greedy, "GET", "/me")
		if a.Status != http.StatusOK {
			refused = a
			break
		}
		served++
	}
	if served < 30 || codeOf(refused) != "429 quota-exceeded" {
		t.Fatalf("%d were served, then %s", served, codeOf(refused))
	}
	wait, err := strconv.Atoi(refused.Header.Get("Retry-After"))
	if err != nil || wait < 1 || wait > 2 || !strings.HasPrefix(refused.Header.Get("Ratelimit"), `"default";r=0;t=`) ||
		refused.Header.Get("Ratelimit-Policy") != `"default";q=30;w=60` {
		t.Errorf("%v", refused.Header)
	}
	if a := try(modest, "GET", "/me"); a.Status != http.StatusOK {
		t.Errorf("another client: %s", codeOf(a))
	}
	e2e.Eventually(t, e2e.Patience, "the quota to refill", func() bool { return try(greedy, "GET", "/me").Status == http.StatusOK })
}

// TestAPI2GuessersAreNotHeardAndNotLogged guesses tokens over the wire, beside somebody who works at the same address.
func TestAPI2GuessersAreNotHeardAndNotLogged(t *testing.T) {
	t.Parallel()
	s := e2e.NewSite(t, storetest.SQLiteURL(t)).With("ORGBRIDGE_FAILED_AUTHENTICATIONS_PER_MINUTE=20", "ORGBRIDGE_LOG_LEVEL=debug")
	server := s.Serve("--no-workers")
	works := server.Client(s.NewAccount())
	try(works, "GET", "/me")
	answers := map[string]int{}
	const guess = "orgb_canarycanarycanarycanarycanarycanary"
	for i := range 60 {
		answers[codeOf(try(server.Client(guess+strconv.Itoa(100+i)), "GET", "/me"))]++
		if a := try(works, "GET", "/me"); a.Status != http.StatusOK {
			t.Fatalf("somebody who works there: %s", codeOf(a))
		}
	}
	if heard := answers["401 unauthenticated"]; heard < 20 || heard+answers["429 quota-exceeded"] != 60 || heard == 60 {
		t.Errorf("answers: %v", answers)
	}
	e2e.Terminated(t, server)
	if log := server.Out.String(); strings.Contains(log, "canarycanary") || strings.Contains(log, works.Token) {
		t.Error("a token is logged")
	}
}
