package organization_test

import (
	"regexp"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"github.com/orgbridge/orgbridge/internal/organization"
)

// FuzzDomain looks for a domain that is kept in two forms, or in one that is no host name.
func FuzzDomain(f *testing.F) {
	for _, seed := range []string{
		"Example.COM", "bücher.de", "bu\u0308cher.de", "xn--bcher-kva.de", "пример.рф", "a.co.uk", "co.uk", "127.0.0.1", "[::1]", "a..com", "x.com.", "\u0130.com", "faß.de",
		"a\u200db.com", "\u4f8b\u3048.jp", "☃.com",
	} {
		f.Add(seed)
	}
	label := regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	f.Fuzz(func(t *testing.T, name string) {
		kept, err := organization.Domain(name)
		if err != nil {
			return
		}
		labels := strings.Split(kept, ".")
		for _, l := range labels {
			if !label.MatchString(l) {
				t.Fatalf("%q is kept as %q", name, kept)
			}
		}
		if len(labels) < 2 || len(kept) > 253 {
			t.Fatalf("%q is kept as %q", name, kept)
		}
		for _, same := range []string{kept, strings.ToUpper(kept), kept + ".", norm.NFC.String(name), norm.NFD.String(name)} {
			if again, err := organization.Domain(same); err != nil || again != kept {
				t.Fatalf("%+q is kept as %q, and %+q as %q, %v", name, kept, same, again, err)
			}
		}
	})
}
