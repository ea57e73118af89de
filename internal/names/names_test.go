package names_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/orgbridge/orgbridge/internal/names"
)

func TestEqual(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"Acme", "Acme", true},
		{"Caf\u00e9", "Cafe\u0301", true},
		{"\u1112\u1161\u11ab", "\ud55c", true},
		{"Acme", "acme", false},
		{"Acme", "Acme ", false},
		{"Acme", "A\u0441me", false},
		{"Acme", "Ac\u200bme", false},
		{"Acme", "\uff21cme", false},
		{"\u00df", "ss", false},
		{"\u00df", "SS", false},
		{"i", "\u0131", false},
		{"a\u00a0b", "a b", false},
		{"", " ", false},
	} {
		if got := names.Equal(c.a, c.b); got != c.want {
			t.Errorf("%+q and %+q: %v, want %v", c.a, c.b, got, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]names.Problem{
		"Acme": names.Fine, " Acme\t": names.Fine, strings.Repeat("\U0001F600", 255): names.Fine, "=1+1": names.Fine, "\u202eAcme": names.Fine,
		"": names.Blank, " \t\u00a0": names.Blank, "\u202e": names.Blank, "\u200b\ufe0f": names.Blank, "\u3164\u2800": names.Blank, strings.Repeat("a", 256): names.TooLong, strings.Repeat("\U0001F600", 256): names.TooLong,
		"a\x00b": names.NotLegal, "a\xffb": names.NotLegal, "a\uFFFDb": names.NotLegal,
	} {
		if got := names.Check(name); got != want {
			t.Errorf("%+q: %q, want %q", name, got, want)
		}
	}
}

func TestFolded(t *testing.T) {
	t.Parallel()

	t.Run("IgnoresCaseAndSpacesAndComposition", func(t *testing.T) {
		t.Parallel()
		for in, want := range map[string]string{
			"ACME\u0020\u0020Corp\u0020": "acme corp", "\tCafe\u0301": "caf\u00e9", "Stra\u00dfe": "strasse", "a\x00b": "a\uFFFDb", "a\xffb": "a\uFFFDb",
		} {
			if got := names.Folded(in); got != want {
				t.Errorf("%+q: %+q, want %+q", in, got, want)
			}
		}
	})

	t.Run("CanAlwaysBeStoredAndIndexed", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			name := string(rapid.SliceOfN(rapid.Byte(), 0, 600).Draw(t, "bytes"))
			got := names.Folded(name)
			if !utf8.ValidString(got) || strings.Contains(got, "\x00") || utf8.RuneCountInString(got) > names.MaxLength {
				t.Fatalf("%+q became %+q", name, got)
			}
		})
	})

	t.Run("EqualNamesFoldAlike", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			name := rapid.String().Draw(t, "name")
			if a, b := names.Folded(norm.NFC.String(name)), names.Folded(norm.NFD.String(name)); a != b {
				t.Fatalf("%+q folds to %+q and %+q", name, a, b)
			}
		})
	})
}

// FuzzEqual looks for names on which equality is not one.
func FuzzEqual(f *testing.F) {
	f.Add("Acme", "Cafe\u0301")
	f.Fuzz(func(t *testing.T, a, b string) {
		if !names.Equal(a, a) || names.Equal(a, b) != names.Equal(b, a) {
			t.Fatalf("%+q and %+q", a, b)
		}
		// Canonical equivalence, found out over the other normal form.
		if want := norm.NFD.String(a) == norm.NFD.String(b); names.Equal(a, b) != want && utf8.ValidString(a+"|"+b) {
			t.Fatalf("%+q and %+q are equal: %v, want %v", a, b, !want, want)
		}
		if names.Equal(a, b) && names.Folded(a) != names.Folded(b) {
			t.Fatalf("%+q and %+q are equal and fold differently", a, b)
		}
	})
}
