package securitytest_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/securitytest"
)

// TestAPI1TheTimeOfARefusalTellsNothing asks for another account's organizations and tokens, and for such as nobody has, in turns: neither
// is refused sooner.
func TestAPI1TheTimeOfARefusalTellsNothing(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		ours, theirs := s.NewAccount(), s.NewAccount()
		server := s.Serve("--no-workers")
		them := server.Client(theirs)
		for path, id := range map[string]string{"/organizations/": them.AddOrganization("Contoso", "contoso.com"), "/tokens/": newToken(them, "viewer").ID} {
			// A tell is there each time; a machine that is busy with something else is not.
			const tries = 4
			bar, ratio := 1.3, 0.0
			if securitytest.Long() {
				bar = 1.1
			}
			for range tries {
				if ratio = ratioOfTimes(t, server.Client(ours), path+id, path+"01890000-0000-7000-8000-000000000000"); ratio < bar && ratio > 1/bar {
					break
				}
			}
			if ratio >= bar || ratio <= 1/bar {
				t.Errorf("GET %s: another account's takes %.2f times as long as nobody's", path, ratio)
			}
			t.Logf("figure: time of a refusal, another account's id : nobody's, GET %s…: %.2f", path, ratio)
		}
	})
}

// ratioOfTimes compares the medians of two requests that are both refused with 404.
func ratioOfTimes(t *testing.T, c e2e.Client, one, other string) float64 {
	t.Helper()
	var times [2][]time.Duration
	paths := [2]string{one, other}
	for range securitytest.Rounds(200, 3000) {
		for i, path := range paths {
			began := time.Now()
			status, _ := c.Do(http.MethodGet, path, nil)
			times[i] = append(times[i], time.Since(began))
			if status != http.StatusNotFound {
				t.Fatalf("GET %s: %d", path, status)
			}
		}
		slices.Reverse(paths[:]) // what comes first is not always the same
		slices.Reverse(times[:])
	}
	median := func(list []time.Duration) float64 {
		slices.Sort(list)
		return float64(list[len(list)/2])
	}
	if paths[0] != one {
		slices.Reverse(times[:])
	}
	return median(times[0]) / median(times[1])
}
