package faulttest_test

import (
	"errors"
	"testing"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/faulttest"
)

// TestLedgerTellsLossesFromWhatIsOpen writes the requests about one thing down and then says what the thing is.
func TestLedgerTellsLossesFromWhatIsOpen(t *testing.T) {
	t.Parallel()
	var (
		ok      = e2e.Answer{Status: 201}
		refused = e2e.Answer{Status: 409}
		down    = e2e.Answer{Status: 503}
	)
	for _, c := range []struct {
		name    string
		answers []e2e.Answer // to requests for the values a, b, …; one without a status never came
		now     string
		lost    bool
	}{
		{"the acknowledged value is there", []e2e.Answer{ok}, "a", false},
		{"the acknowledged value is gone", []e2e.Answer{ok}, "", true},
		{"an older value is back", []e2e.Answer{ok, ok}, "a", true},
		{"what was refused is not there", []e2e.Answer{refused}, "", false},
		{"what was refused was done", []e2e.Answer{refused}, "a", true},
		{"what was refused replaced something", []e2e.Answer{ok, refused}, "b", true},
		{"what is open was done", []e2e.Answer{{}}, "a", false},
		{"what is open was not done", []e2e.Answer{{}}, "", false},
		{"what is open was done half", []e2e.Answer{{}}, "half", true},
		{"what the program could not tell was done", []e2e.Answer{ok, down}, "b", false},
		{"what was acknowledged after something open is there", []e2e.Answer{{}, ok}, "b", false},
		{"what was open overtook what was acknowledged", []e2e.Answer{{}, ok}, "a", true},
	} {
		var l faulttest.Ledger
		for i, answer := range c.answers {
			r := l.Begin(faulttest.Request{Thing: "thing", Value: string(rune('a' + i))})
			if answer.Status == 0 {
				l.End(r, answer, errors.New("connection reset"))
			} else {
				l.End(r, answer, nil)
			}
		}
		if lost := l.Losses(map[string]string{"thing": c.now}); (len(lost) > 0) != c.lost {
			t.Errorf("%s: %q", c.name, lost)
		}
	}
}

func TestLedgerNeverExcuses500(t *testing.T) {
	t.Parallel()
	var l faulttest.Ledger
	l.End(l.Begin(faulttest.Request{}), e2e.Answer{Status: 500}, nil)
	l.End(l.Begin(faulttest.Request{}), e2e.Answer{Status: 503}, nil)
	if n := len(l.Unforeseen()); n != 1 {
		t.Errorf("%d requests were answered with 500, want 1", n)
	}
}
