package account_test

import (
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// TestAPI2RefusalsTakeEquallyLong measures how long it takes to refuse tokens that were never made, that have expired and that are
// revoked, in turns at random, and compares the medians: who shows a token learns nothing of what it once was.
func TestAPI2RefusalsTakeEquallyLong(t *testing.T) {
	t.Parallel()
	samples, most := 1500, 1.6
	if os.Getenv("ORGBRIDGE_TEST_SECURITY") == "long" {
		samples, most = 100_000, 1.3
	}
	each(t, func(t *testing.T, s *store.Store, service *account.Service, c *clock) {
		t.Helper()
		secrets := refusedSecrets(t, s, service, c)
		took := map[string][]time.Duration{}
		turns := []string{"unknown", "expired", "revoked"}
		for range samples {
			rand.Shuffle(len(turns), func(i, j int) { turns[i], turns[j] = turns[j], turns[i] })
			for _, class := range turns {
				began := time.Now()
				_, err := service.Authenticate(t.Context(), secrets[class])
				took[class] = append(took[class], time.Since(began))
				if !errs.Is(err, errs.Unauthenticated) {
					t.Fatalf("%s: %v", class, err)
				}
			}
		}
		fastest, slowest := time.Hour, time.Duration(0)
		for _, class := range turns {
			slices.Sort(took[class])
			median := took[class][samples/2]
			fastest, slowest = min(fastest, median), max(slowest, median)
			t.Logf("figure: refusing a token that is %s: median %s of %d", class, median, samples)
		}
		if ratio := float64(slowest) / float64(fastest); ratio > most {
			t.Errorf("the slowest class takes %.2f times as long as the fastest", ratio)
		}
	})
}

// refusedSecrets are well-formed secrets, one of each class.
func refusedSecrets(t *testing.T, s *store.Store, service *account.Service, c *clock) map[string]string {
	t.Helper()
	id := storetest.Account(t, s)
	expires := c.at.Add(time.Hour)
	made := func(n account.NewToken) (account.Token, string) {
		t.Helper()
		n.AccountID, n.Role, n.Name = id, account.Admin, "x"
		token, secret, err := service.CreateToken(t.Context(), n, event.Actor{})
		if err != nil {
			t.Fatal(err)
		}
		return token, secret
	}
	_, expired := made(account.NewToken{ExpiresAt: &expires})
	c.at = expires.Add(time.Hour)
	token, revoked := made(account.NewToken{})
	if err := s.RevokeToken(t.Context(), id, token.ID, event.Actor{}); err != nil {
		t.Fatal(err)
	}
	gone, unknown := made(account.NewToken{})
	storetest.Exec(t, s, "DELETE FROM tokens WHERE id = $1", gone.ID)
	return map[string]string{"unknown": unknown, "expired": expired, "revoked": revoked}
}
