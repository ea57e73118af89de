package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// Simulator starts a simulated IT Glue for one key, empty unless the flags fill it, and returns a client that works it.
func Simulator(tb testing.TB, apiKey string, flags ...string) Client {
	tb.Helper()
	args := append([]string{"--addr", "127.0.0.1:0", "--api-key", apiKey, "--organizations", "0"}, flags...)
	return Client{T: tb, Base: Start(tb, nil, Program(tb, Build{}, "itglue-sim"), args...).Word("url: ")}
}

// Add puts an organization into the simulated IT Glue.
func (s *Site) Add(name string, domains ...string) (itglueID string) {
	s.T.Helper()
	return Call[ReferenceView](s.Sim, "POST", "/_sim/organizations", map[string]any{"name": name, "domains": domains}, http.StatusCreated).ID
}

// Rename gives an organization of the simulated IT Glue another name.
func (s *Site) Rename(itglueID, name string) {
	s.T.Helper()
	Call[any](s.Sim, "POST", "/_sim/organizations/"+itglueID+"/rename", map[string]string{"name": name}, http.StatusNoContent)
}

// Remove deletes an organization of the simulated IT Glue.
func (s *Site) Remove(itglueID string) {
	s.T.Helper()
	Call[any](s.Sim, "POST", "/_sim/organizations/"+itglueID+"/delete", nil, http.StatusNoContent)
}

// Inject has the simulated IT Glue misbehave from now on; the fields are those of itgluetest.Fault.
func (s *Site) Inject(fault map[string]any) {
	s.T.Helper()
	Call[any](s.Sim, "POST", "/_sim/faults", fault, http.StatusNoContent)
}

// Slow delays one page of the listings of syncs; the check of a key asks for a smaller page.
func (s *Site) Slow(page int, delay time.Duration) {
	s.T.Helper()
	s.Inject(map[string]any{"kind": "delay", "path": "/organizations", "page": page, "minPageSize": 1000, "delay": delay})
}

// Fast ends all faults of the simulated IT Glue.
func (s *Site) Fast() {
	s.T.Helper()
	Call[any](s.Sim, "DELETE", "/_sim/faults", nil, http.StatusNoContent)
}

// Calls is the simulated IT Glue's log: how many calls it got, and the last 1,000 of them.
func (s *Site) Calls() CallsView {
	s.T.Helper()
	return Call[CallsView](s.Sim, "GET", "/_sim/calls", nil, http.StatusOK)
}

// ForgetCalls empties the simulated IT Glue's log.
func (s *Site) ForgetCalls() {
	s.T.Helper()
	Call[any](s.Sim, "DELETE", "/_sim/calls", nil, http.StatusNoContent)
}

// Fill puts organizations into the simulated IT Glue.
func (s *Site) Fill(n int) {
	s.T.Helper()
	InParallel(n, func(i int) { s.Add(fmt.Sprintf("Customer %d", i)) })
}

// Stall has requests for the path get no answer for a minute, after the first ones.
func (s *Site) Stall(path string, after int) {
	s.T.Helper()
	s.Inject(map[string]any{"kind": "delay", "path": path, "after": after, "delay": time.Minute})
}
