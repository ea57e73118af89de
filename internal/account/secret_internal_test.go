package account

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSecret(t *testing.T) {
	t.Parallel()

	t.Run("IsWellFormedAndDifferentEachTime", func(t *testing.T) {
		t.Parallel()
		a, b := newSecret(), newSecret()
		if a == b || !wellFormed(a) || !wellFormed(b) || len(a) != secretLength {
			t.Fatalf("secrets %q (%d) and %q", a, len(a), b)
		}
	})

	t.Run("OneChangedCharacterIsRefused", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			secret := []byte(newSecret())
			at := rapid.IntRange(0, len(secret)-1).Draw(t, "at")
			with := rapid.SampledFrom([]byte("abcdefghijklmnopqrstuvwxyz234567_-A ")).Draw(t, "with")
			if secret[at] == with {
				return
			}
			secret[at] = with
			if wellFormed(string(secret)) {
				t.Fatalf("%q was taken for a secret", secret)
			}
		})
	})

	t.Run("CutOrPaddedIsRefused", func(t *testing.T) {
		t.Parallel()
		secret := newSecret()
		for _, bad := range []string{"", secretPrefix, secret[:len(secret)-1], secret + "a", " " + secret, strings.ToUpper(secret)} {
			if wellFormed(bad) {
				t.Errorf("%q was taken for a secret", bad)
			}
		}
	})
}
