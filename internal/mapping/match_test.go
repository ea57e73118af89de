package mapping_test

import (
	"testing"

	"github.com/orgbridge/orgbridge/internal/mapping"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ours, theirs int
		taken        bool
		want         mapping.UnmatchedCode
	}{
		"OnceOnEitherSide":     {1, 1, false, mapping.Matched},
		"OnceAndTaken":         {1, 1, true, mapping.EqualNameTaken},
		"NotThere":             {1, 0, false, mapping.NoEqualName},
		"TwiceHereAndNotThere": {2, 0, false, mapping.NoEqualName},
		"TwiceThere":           {1, 2, false, mapping.Ambiguous},
		"TwiceHere":            {2, 1, false, mapping.Ambiguous},
		"TwiceHereAndTaken":    {2, 1, true, mapping.Ambiguous},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := mapping.Match(c.ours, c.theirs, c.taken); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
