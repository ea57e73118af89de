package faulttest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/orgbridge/orgbridge/internal/e2e"
)

// Outcome is what the client knows about a request.
type Outcome string

// The outcomes. Unknown is a request without an answer, or with one that says that the program could not tell.
const (
	OK      Outcome = "ok"
	Refused Outcome = "refused"
	Unknown Outcome = "unknown"
)

// keyInUse is the answer while an earlier request with the same key may still be served.
const keyInUse = "idempotency-key-in-use"

// OutcomeOf judges an answer. A 5xx is unknown: the program may have been cut off from its database at the very commit.
func OutcomeOf(answer e2e.Answer, err error) Outcome {
	switch {
	case err != nil || answer.Status >= http.StatusInternalServerError || codeOf(answer) == keyInUse:
		return Unknown
	case answer.Status >= http.StatusBadRequest:
		return Refused
	default:
		return OK
	}
}

// Request is one line of the ledger.
type Request struct {
	N       int
	Key     string // Idempotency-Key
	Method  string
	Path    string
	Body    any
	Thing   string // what it was to change
	Value   string // to what; empty when the thing was to be gone
	Outcome Outcome
	Status  int
	Code    string // of a problem
	Error   string
}

// Ledger is the clients' record of what they asked for, kept outside of the program. Each thing has one writer at a time, so that the
// order of its requests is known.
type Ledger struct {
	mu       sync.Mutex
	requests []*Request
}

// Begin writes a request down before it is sent.
func (l *Ledger) Begin(r Request) *Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.N, r.Outcome = len(l.requests)+1, Unknown
	l.requests = append(l.requests, &r)
	return &r
}

// End writes the outcome down.
func (l *Ledger) End(r *Request, answer e2e.Answer, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Outcome, r.Status, r.Code, r.Error = OutcomeOf(answer, err), answer.Status, codeOf(answer), ""
	if err != nil {
		r.Error = err.Error()
	}
}

// Counts returns how many requests there are of each outcome.
func (l *Ledger) Counts() map[Outcome]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := map[Outcome]int{}
	for _, r := range l.requests {
		counts[r.Outcome]++
	}
	return counts
}

// Unforeseen returns the requests that were answered with 500, which no fault excuses.
func (l *Ledger) Unforeseen() []Request {
	return l.where(func(r *Request) bool { return r.Status == http.StatusInternalServerError })
}

// Twice returns the requests that were refused because they had been done: none may be, since all are sent again with their key.
func (l *Ledger) Twice() []Request {
	return l.where(func(r *Request) bool { return r.Code == "domain-taken" })
}

// Open returns the requests whose outcome is unknown.
func (l *Ledger) Open() []Request {
	return l.where(func(r *Request) bool { return r.Outcome == Unknown })
}

func (l *Ledger) where(yes func(r *Request) bool) (requests []Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.requests {
		if yes(r) {
			requests = append(requests, *r)
		}
	}
	return requests
}

// Losses compares the ledger with what each thing is now; what is not there is missing in now. It returns a line for each thing that was
// lost, or that shows a trace of what was refused.
func (l *Ledger) Losses(now map[string]string) (lines []string) {
	for thing, story := range l.stories() {
		if possible := possibleValues(story); !slices.Contains(possible, now[thing]) {
			lines = append(lines, fmt.Sprintf("%s is %q and can only be one of %q; the last request: %+v",
				thing, now[thing], possible, *story[len(story)-1]))
		}
	}
	slices.Sort(lines)
	return lines
}

// possibleValues are the last acknowledged value of a thing, and those of unknown requests after that.
func possibleValues(story []*Request) []string {
	possible := []string{""}
	for _, r := range story {
		switch r.Outcome {
		case OK:
			possible = append(possible[:0], r.Value)
		case Unknown:
			possible = append(possible, r.Value)
		case Refused:
		}
	}
	return possible
}

// stories are the requests of each thing, in their order.
func (l *Ledger) stories() map[string][]*Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	stories := map[string][]*Request{}
	for _, r := range l.requests {
		stories[r.Thing] = append(stories[r.Thing], r)
	}
	return stories
}

// Check fails the test when something was lost, left a trace although it was refused, or was answered with 500.
func (l *Ledger) Check(tb testing.TB, now map[string]string) {
	tb.Helper()
	report(tb, l.Losses(now))
	for _, r := range l.Unforeseen() {
		tb.Errorf("answered with 500: %+v", r)
	}
	for _, r := range l.Twice() {
		tb.Errorf("refused because it was done, although it came again with its key: %+v", r)
	}
}

// Settle sends the last request of each thing once more if its outcome is unknown, with the same key, until it is answered, and writes
// the new outcome down. After it, everything is decided.
func (l *Ledger) Settle(c e2e.Client) {
	c.T.Helper()
	for _, story := range l.stories() {
		r := story[len(story)-1]
		if r.Outcome != Unknown {
			continue
		}
		e2e.Eventually(c.T, e2e.Patience, "an answer to what was left open", func() bool {
			answer, err := Send(c.T.Context(), c, r)
			l.End(r, answer, err)
			return OutcomeOf(answer, err) != Unknown
		})
	}
}

// codeOf is the code of a problem, empty for any other answer.
func codeOf(answer e2e.Answer) string {
	var problem struct {
		Code string `json:"code"`
	}
	if answer.Status < http.StatusBadRequest || json.Unmarshal(answer.Body, &problem) != nil {
		return ""
	}
	return problem.Code
}
