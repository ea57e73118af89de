package organization_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/orgbridge/orgbridge/internal/organization"
)

func TestDomainIsNormalized(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"example.com": "example.com", "Example.COM": "example.com", "example.com.": "example.com", "mail.example.co.uk": "mail.example.co.uk",
		"bücher.de": "xn--bcher-kva.de", "BÜCHER.de": "xn--bcher-kva.de", "xn--bcher-kva.de": "xn--bcher-kva.de",
		"faß.de": "xn--fa-hia.de", "acme.github.io": "acme.github.io", "contoso.onmicrosoft.com": "contoso.onmicrosoft.com",
		"123.com": "123.com", "a-b.org": "a-b.org",
	} {
		if got, err := organization.Domain(in); err != nil || got != want {
			t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestWhatIsNoDomainIsRefused(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", ".", "..", "-a.com", "a-.com", "a..com", "a_b.com", strings.Repeat("a", 64) + ".com", strings.Repeat("abcdefgh.", 28) + "com.de",
		"xn--a-0000000000000.com", "xn--.com", "localhost", "127.0.0.1", "[::1]", "::1", "0x7f.1", "1.2.3", "com", "co.uk", "github.io",
		"https://example.com", "example.com/path", "user@example.com", "example.com:443", "exa mple.com", " example.com", "example.com ",
		"example.com..", "a\x00b.com", "exam\tple.com", "example.internal", "acme.local", "пример", "a。-b.com", "\u200bexample.com\u200b.",
	} {
		if got, err := organization.Domain(in); err == nil {
			t.Errorf("%q was accepted as %q", in, got)
		}
	}
}

func TestFaultsAreSentences(t *testing.T) {
	t.Parallel()
	for _, domain := range []string{"", "a_b.com", "1.2.3", "127.0.0.1", "com", "acme.local"} {
		faults := organization.Check(organization.New{Name: " ", Domain: domain, EmailPlatform: "other"})
		if len(faults) != 3 {
			t.Errorf("%q: %+v", domain, faults)
		}
		for _, fault := range faults {
			if !strings.HasPrefix(fault.Detail, "The ") || !strings.HasSuffix(fault.Detail, ".") {
				t.Errorf("%q: %s is no sentence", domain, fault.Detail)
			}
		}
	}
	fine := organization.New{Name: "Contoso", Domain: "contoso.com", EmailPlatform: organization.Microsoft365}
	if faults := organization.Check(fine); len(faults) > 0 {
		t.Errorf("%+v", faults)
	}
}

func TestNormalizedDomainStaysAsItIs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.StringMatching(`[a-zA-ZäöüßÉ0-9-]{1,12}(\.[a-zA-Zé0-9-]{1,8}){0,2}\.(com|co\.uk|de|DE)\.?`).Draw(t, "domain")
		once, err := organization.Domain(in)
		if err != nil {
			return
		}
		if twice, err := organization.Domain(once); err != nil || twice != once {
			t.Fatalf("%q became %q, then %q (%v)", in, once, twice, err)
		}
	})
}
