package securitytest_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

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
		stage := newStage(t)
		s = s.With("ORGBRIDGE_ITGLUE_EU_URL=" + stage.Sim.Base)
		f, operator := newFuzzer(t, s)
		length := securitytest.Rounds(15, 500)
		rounds := 0
		rapid.Check(t, func(rt *rapid.T) {
			if rounds%securitytest.Rounds(50, 5) == 0 {
				f.Staged = stage.set(operator)
			}
			rounds++
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

// stage is an IT Glue of its own, for accounts that have something to decide about their syncs.
type stage struct{ *e2e.Site }

const stageKey = "ITG.stage000000000000000000000000000"

func newStage(t *testing.T) stage {
	t.Helper()
	st := stage{&e2e.Site{T: t, Sim: e2e.Simulator(t, stageKey)}}
	st.Add("Nobody's")
	return st
}

// set makes two accounts: in one of them a sync holds removals, in the other one a sync is under way for long.
func (st stage) set(operator e2e.Client) []securitytest.Staged {
	st.T.Helper()
	st.Fast()
	holding := st.account(operator)
	gone := make([]string, 2)
	for i := range gone {
		name := securitytest.Unique("Gone ")
		gone[i] = st.Add(name)
		holding.AddOrganization(name, fmt.Sprintf("gone%d.example.com", i))
	}
	holding.Ended(holding.ConnectTo(stageKey, "eu").ID)
	for _, id := range gone {
		st.Remove(id)
	}
	held := e2e.Call[e2e.SyncView](holding, "POST", "/syncs", map[string]string{"kind": "manual"}, http.StatusAccepted)
	e2e.Eventually(st.T, e2e.Patience, "the removals to be held", func() bool { return holding.Sync(held.ID).Status == "held" })
	st.Slow(1, time.Minute)
	waiting := st.account(operator)
	return []securitytest.Staged{{Token: holding.Token, SyncID: held.ID}, {Token: waiting.Token, SyncID: waiting.ConnectTo(stageKey, "eu").ID}}
}

func (st stage) account(operator e2e.Client) e2e.Client {
	st.T.Helper()
	made := e2e.Call[struct{ ID string }](operator, "POST", "/accounts", map[string]string{"name": "Staged"}, http.StatusCreated)
	token := e2e.Call[struct{ Secret string }](operator, "POST", "/accounts/"+made.ID+"/tokens", map[string]string{"name": "staged", "role": "admin"}, http.StatusCreated)
	operator.Token = token.Secret
	return operator
}

func newFuzzer(t *testing.T, s *e2e.Site) (f *securitytest.Fuzzer, operator e2e.Client) {
	t.Helper()
	account := s.CLI("account", "create", "Lighthouse IT Services")
	token := func(role string) string {
		return s.CLI("token", "create", "--account", account, "--role", role, "--name", role)
	}
	operating := s.CLI("token", "create", "--role", "operator", "--name", "operator")
	tokens := []string{token("admin"), token("viewer"), s.NewAccount()}
	server := s.Serve()
	f, err := securitytest.NewFuzzer(server, e2e.SimKey, operating, slices.Concat(tokens, []string{"orgb_unknown", ""})...)
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range append(tokens, operating) {
		f.Spare(e2e.Call[struct{ Token struct{ ID string } }](server.Client(own), "GET", "/me", nil, http.StatusOK).Token.ID)
	}
	c := server.Client(tokens[0])
	c.Fill(20)
	c.Ended(c.Connect().ID)
	return f, server.Client(operating)
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
