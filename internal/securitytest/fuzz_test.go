package securitytest_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/securitytest"
)

// TestAPI9NoRequestIsAnsweredOtherwiseThanDocumented makes requests at random, on each engine: none is answered with 500, or in a way that
// the document does not describe.
func TestAPI9NoRequestIsAnsweredOtherwiseThanDocumented(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		s = s.With("ORGBRIDGE_REQUESTS_PER_MINUTE=0", "ORGBRIDGE_FAILED_AUTHENTICATIONS_PER_MINUTE=0", "ORGBRIDGE_ITGLUE_REQUESTS_PER_5_MINUTES=1000000")
		for i := range 30 {
			s.Add(fmt.Sprintf("Customer %d", i), fmt.Sprintf("customer%d.example.com", i))
		}
		f := newFuzzer(t, s)
		length := securitytest.Rounds(15, 500)
		rapid.Check(t, func(rt *rapid.T) {
			for range length {
				if err := f.Step(rt); err != nil {
					t.Log(err) // also when it cannot be brought about again
					rt.Fatal(err)
				}
			}
		})
		report(t, f)
	})
}

func newFuzzer(t *testing.T, s *e2e.Site) *securitytest.Fuzzer {
	t.Helper()
	account := s.CLI("account", "create", "Lighthouse IT Services")
	token := func(role string) string {
		return s.CLI("token", "create", "--account", account, "--role", role, "--name", role)
	}
	operator := s.CLI("token", "create", "--role", "operator", "--name", "operator")
	tokens := []string{token("admin"), token("viewer"), s.NewAccount()}
	server := s.Serve()
	f, err := securitytest.NewFuzzer(server, e2e.SimKey, operator, slices.Concat(tokens, []string{"orgb_unknown", ""})...)
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range append(tokens, operator) {
		f.Spare(e2e.Call[struct{ Token struct{ ID string } }](server.Client(own), "GET", "/me", nil, http.StatusOK).Token.ID)
	}
	c := server.Client(tokens[0])
	c.Fill(20)
	c.Ended(c.Connect().ID)
	return f
}

// report tells what was done, and demands that it was not all refused.
func report(t *testing.T, f *securitytest.Fuzzer) {
	t.Helper()
	served := 0
	for _, n := range f.Counts.Served {
		served += n
	}
	statuses := make([]string, 0, len(f.Counts.ByStatus))
	for _, status := range slices.Sorted(maps.Keys(f.Counts.ByStatus)) {
		statuses = append(statuses, fmt.Sprintf("%d: %d", status, f.Counts.ByStatus[status]))
	}
	t.Logf("figure: fuzzed requests / answered with 500 / not as documented: %d / %d / 0 (%s)",
		f.Counts.Requests, f.Counts.ByStatus[500], strings.Join(statuses, ", "))
	if served*10 < f.Counts.Requests {
		t.Errorf("only %d of %d requests were served", served, f.Counts.Requests)
	}
	if !securitytest.Long() {
		return
	}
	for _, id := range f.Operations() {
		if f.Counts.Served[id] == 0 {
			t.Errorf("%s was never served", id)
		}
	}
}
