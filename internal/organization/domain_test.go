package organization_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/orgbridge/orgbridge/internal/organization"
)

// What a refusal says after "The domain".
const (
	noDomain = "must be a domain name such as contoso.com"
	address  = "must be a domain name, not an IP address"
	noSuffix = "must be below a public suffix, as contoso.com is below com"
)

// longName returns a domain of n characters, 64 to 256 of them, without a label of more than 63.
func longName(n int) string {
	return strings.Repeat(strings.Repeat("a", 62)+".", n)[:n-len("a.com")] + "a.com"
}

func TestDomainIsNormalized(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"AsItIs":                    {"example.com", "example.com"},
		"UpperCase":                 {"Example.COM", "example.com"},
		"TrailingDot":               {"example.com.", "example.com"},
		"BelowATwoPartSuffix":       {"mail.example.co.uk", "mail.example.co.uk"},
		"BelowAPrivateSuffix":       {"acme.github.io", "acme.github.io"},
		"BelowAProvidersSuffix":     {"contoso.onmicrosoft.com", "contoso.onmicrosoft.com"},
		"BelowAHybridSuffix":        {"contoso.mail.onmicrosoft.com", "contoso.mail.onmicrosoft.com"},
		"MailboxProvider":           {"gmail.com", "gmail.com"},
		"ExceptionOfAWildcard":      {"www.ck", "www.ck"},
		"Digits":                    {"123.com", "123.com"},
		"DigitsInAllButTheSuffix":   {"1.2.3.4.com", "1.2.3.4.com"},
		"HexadecimalLabel":          {"0x7f.com", "0x7f.com"},
		"Hyphens":                   {"a-b.org", "a-b.org"},
		"TwoHyphensLateInTheLabel":  {"abc--d.com", "abc--d.com"},
		"LabelOf63":                 {strings.Repeat("a", 63) + ".com", strings.Repeat("a", 63) + ".com"},
		"NameOf253":                 {longName(253), longName(253)},
		"NameOf253AndADot":          {longName(253) + ".", longName(253)},
		"Umlaut":                    {"bücher.de", "xn--bcher-kva.de"},
		"UpperCaseUmlaut":           {"BÜCHER.DE", "xn--bcher-kva.de"},
		"DecomposedUmlaut":          {"bu\u0308cher.de", "xn--bcher-kva.de"},
		"DecomposedUpperCaseUmlaut": {"BU\u0308CHER.DE", "xn--bcher-kva.de"},
		"Punycode":                  {"xn--bcher-kva.de", "xn--bcher-kva.de"},
		"UpperCasePunycode":         {"XN--BCHER-KVA.DE", "xn--bcher-kva.de"},
		"UmlautBelowPunycode":       {"bücher.xn--bcher-kva.de", "xn--bcher-kva.xn--bcher-kva.de"},
		"SharpSIsKept":              {"faß.de", "xn--fa-hia.de"},
		"UpperCaseSharpS":           {"FAẞ.DE", "xn--fa-hia.de"},
		"DoubleSIsAnotherDomain":    {"fass.de", "fass.de"},
		"FinalSigmaIsKept":          {"σς.gr", "xn--3xab.gr"},
		"DotlessI":                  {"ısparta.com", "xn--sparta-o9a.com"},
		"KelvinSignIsK":             {"\u212a.com", "k.com"},
		"InternationalSuffix":       {"пример.рф", "xn--e1afmkfd.xn--p1ai"},
		"RightToLeft":               {"אב1.com", "xn--1-zhcd.com"},
		"MixedScript":               {"аpple.com", "xn--pple-43d.com"}, // Cyrillic а
		"ZWJAfterVirama":            {"क्\u200dष.com", "xn--11b2ezcw70k.com"},
		"ZWNJBetweenJoining":        {"نامه\u200cای.com", "xn--mgba3gch31f060k.com"},
		"MiddleDot":                 {"col·legi.cat", "xn--collegi-xma.cat"},
		"KatakanaMiddleDot":         {"ア・ブ.jp", "xn--ccktfoe.jp"},
		"IdeographicZero":           {"\u3007.com", "xn--w6j.com"},
		"SpacingMark":               {"काम.com", "xn--11b4c4b.com"},
		"ComposedHangul":            {"한국.com", "xn--3e0b707e.com"},
		"DecomposedHangul":          {"\u1112\u1161\u11ab국.com", "xn--3e0b707e.com"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := organization.Domain(c.in); err != nil || got != c.want {
				t.Errorf("%q: got %q, %v; want %q", c.in, got, err, c.want)
			}
		})
	}
}

func TestWhatIsNoDomainIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"Empty":                      {"", noDomain},
		"Dot":                        {".", noDomain},
		"Dots":                       {"..", noDomain},
		"LeadingDot":                 {".example.com", noDomain},
		"TwoTrailingDots":            {"example.com..", noDomain},
		"EmptyLabel":                 {"a..com", noDomain},
		"LeadingHyphen":              {"-a.com", noDomain},
		"TrailingHyphen":             {"a-.com", noDomain},
		"LeadingHyphenWithin":        {"ab.-cd.com", noDomain},
		"OnlyHyphen":                 {"-.com", noDomain},
		"HyphensOfAPrefix":           {"ab--cd.com", noDomain},
		"Underscore":                 {"a_b.com", noDomain},
		"LeadingUnderscore":          {"_dmarc.contoso.com", noDomain},
		"Wildcard":                   {"*.contoso.com", noDomain},
		"LabelOf64":                  {strings.Repeat("a", 64) + ".com", noDomain},
		"LabelOf64InASCII":           {strings.Repeat("a", 55) + "üü.com", noDomain},
		"NameOf254":                  {longName(254), noDomain},
		"NameOf254InASCII":           {"ü" + longName(247), noDomain},
		"NameOfMany":                 {strings.Repeat("a.", 100_000) + "com", noDomain},
		"PunycodeOfNothing":          {"xn--.com", noDomain},
		"PunycodeWithoutEnd":         {"xn--a-0000000000000.com", noDomain},
		"PunycodeOfASCII":            {"xn--abc-.com", noDomain},
		"PunycodeOfAHyphen":          {"xn---.com", noDomain},
		"PunycodeWithAnUmlaut":       {"xn--bücher.de", noDomain},
		"PunycodeOfUpperCase":        {"xn--a-yda.com", noDomain}, // À after a
		"PunycodeOfDecomposed":       {"xn--bucher-xyd.de", noDomain},
		"PunycodeOfAnEmoji":          {"xn--ls8h.la", noDomain},
		"PunycodeOfALoneZWJ":         {"xn--ab-m1t.com", noDomain},
		"PunycodeOfALoneZWNJ":        {"xn--ab-j1t.com", noDomain},
		"ZWJBetweenLatin":            {"a\u200db.com", noDomain},
		"ZWNJBetweenLatin":           {"a\u200cb.com", noDomain},
		"Emoji":                      {"💩.la", noDomain},
		"EmojiAmongLetters":          {"i❤.ws", noDomain},
		"Symbol":                     {"☃.net", noDomain},
		"Keycap":                     {"1\u20e3.com", noDomain},
		"Tatweel":                    {"\u0640ب.com", noDomain},
		"ConjoiningHangul":           {"\u1112.com", noDomain},
		"ConjoiningHangulExtendedA":  {"\ua960.com", noDomain},
		"ConjoiningHangulExtendedB":  {"\ud7b0.com", noDomain},
		"MarkForSymbols":             {"a\u20d0.com", noDomain},
		"MusicalMark":                {"a\U0001d165.com", noDomain},
		"KanaRepeatMark":             {"〱.com", noDomain},
		"RomanNumeral":               {"ⅷ.com", noDomain},
		"CapitalIWithDot":            {"İstanbul.com", noDomain},
		"LongS":                      {"ſ.com", noDomain},
		"LeadingMark":                {"\u0301a.com", noDomain},
		"BidiRule":                   {"1אב.com", noDomain},
		"FullwidthLetters":           {"ｅｘａｍｐｌｅ.com", noDomain},
		"FullwidthDot":               {"example．com", noDomain},
		"IdeographicDot":             {"example。com", noDomain},
		"HalfwidthIdeographicDot":    {"example｡com", noDomain},
		"IdeographicDotAtTheEnd":     {"example.com。", noDomain},
		"ZeroWidthSpace":             {"\u200bexample.com\u200b", noDomain},
		"SoftHyphen":                 {"exam\u00adple.com", noDomain},
		"RightToLeftOverride":        {"example\u202e.com", noDomain},
		"ByteOrderMark":              {"\ufeffexample.com", noDomain},
		"BrokenUTF8":                 {"a\xff.com", noDomain},
		"LoneSurrogate":              {"a\ufffd.com", noDomain},
		"NUL":                        {"a\x00b.com", noDomain},
		"Tab":                        {"exam\tple.com", noDomain},
		"NewLine":                    {"example.com\n", noDomain},
		"SpaceWithin":                {"exa mple.com", noDomain},
		"SpaceBefore":                {" example.com", noDomain},
		"SpaceAfter":                 {"example.com ", noDomain},
		"NoBreakSpace":               {"\u00a0example.com", noDomain},
		"URL":                        {"https://example.com", noDomain},
		"URLWithoutScheme":           {"//example.com", noDomain},
		"Path":                       {"example.com/path", noDomain},
		"Slash":                      {"example.com/", noDomain},
		"Query":                      {"example.com?a=b", noDomain},
		"Fragment":                   {"example.com#a", noDomain},
		"Port":                       {"example.com:443", noDomain},
		"MailAddress":                {"user@example.com", noDomain},
		"AtSign":                     {"@example.com", noDomain},
		"UserInfo":                   {"user:secret@example.com", noDomain},
		"List":                       {"example.com,example.org", noDomain},
		"PercentEscape":              {"a%2eb.com", noDomain},
		"Backslash":                  {`example\.com`, noDomain},
		"Script":                     {"<script>.com", noDomain},
		"Address":                    {"127.0.0.1", address},
		"AddressAndADot":             {"127.0.0.1.", noDomain},
		"AddressAndAPort":            {"127.0.0.1:80", noDomain},
		"IPv6Address":                {"::1", address},
		"IPv6AddressInBrackets":      {"[::1]", address},
		"IPv6AddressAndAPort":        {"[::1]:80", noDomain},
		"IPv6AddressOfAnIPv4Address": {"[::ffff:127.0.0.1]", address},
		"HexadecimalAddress":         {"0x7f.1", noDomain},
		"HexadecimalNumber":          {"0x7f000001", noDomain},
		"HexadecimalEnd":             {"127.0.0x1", noDomain},
		"OctalAddress":               {"0177.0.0.1", noDomain},
		"DecimalAddress":             {"2130706433", noDomain},
		"ShortAddress":               {"127.1", noDomain},
		"FiveNumbers":                {"1.2.3.4.5", noDomain},
		"NumberForASuffix":           {"example.1", noDomain},
		"ArabicDigitsForASuffix":     {"اب.١", noDomain},
		"Localhost":                  {"localhost", noSuffix},
		"LocalhostAndADot":           {"localhost.", noSuffix},
		"BelowLocalhost":             {"example.localhost", noSuffix},
		"BelowLocal":                 {"acme.local", noSuffix},
		"BelowInternal":              {"example.internal", noSuffix},
		"BelowTest":                  {"example.test", noSuffix},
		"BelowAnUnknownSuffix":       {"пример.испытание", noSuffix},
		"Suffix":                     {"com", noSuffix},
		"SuffixAndADot":              {"com.", noSuffix},
		"UpperCaseSuffix":            {"CO.UK", noSuffix},
		"TwoPartSuffix":              {"co.uk", noSuffix},
		"WildcardSuffix":             {"example.ck", noSuffix},
		"InternationalSuffix":        {"рф", noSuffix},
		"PrivateSuffix":              {"github.io", noSuffix},
		"MicrosoftsSuffix":           {"onmicrosoft.com", noSuffix},
		"MicrosoftsUpperCaseSuffix":  {"OnMicrosoft.com.", noSuffix},
		"MicrosoftsChineseSuffix":    {"partner.onmschina.cn", noSuffix},
		"GooglesSuffix":              {"test-google-a.com", noSuffix},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, err := organization.Domain(c.in); err == nil || err.Error() != c.want || got != "" {
				t.Errorf("%.100q: got %q, %v; want %q", c.in, got, err, c.want)
			}
		})
	}
}

// Encoding a label takes time that grows with the square of its length.
func TestAnEndlessDomainIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	var label strings.Builder
	for i := range rune(50_000) {
		label.WriteRune('一' + i%20_000)
	}
	began := time.Now()
	if _, err := organization.Domain(label.String() + ".com"); err == nil || time.Since(began) > 5*time.Second {
		t.Errorf("got %v after %s", err, time.Since(began))
	}
}

func TestFaultsAreSentences(t *testing.T) {
	t.Parallel()
	for _, domain := range []string{"", "a_b.com", "1.2.3", "127.0.0.1", "com", "acme.local"} {
		faults := organization.New{Name: " ", Domain: domain, EmailPlatform: "other"}.Check()
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
	if faults := fine.Check(); len(faults) > 0 {
		t.Errorf("%+v", faults)
	}
}

func TestNormalizedDomainStaysAsItIs(t *testing.T) {
	t.Parallel()
	hostName := regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$`)
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.OneOf(
			rapid.StringMatching(`[a-zA-ZäöüßÉ0-9-]{1,12}(\.[a-zA-Zé0-9-]{1,8}){0,2}\.(com|co\.uk|de|DE)\.?`),
			rapid.StringMatching(`(xn--|XN--)?[a-zäİıςßЖжאﬁ☃\x{0308}\x{200d}\x{200c}क्ष·1-]{1,8}\.(com|de|рф)`),
			rapid.String(),
		).Draw(t, "domain")
		once, err := organization.Domain(in)
		if err != nil {
			return
		}
		if len(once) > 253 || !hostName.MatchString(once) {
			t.Fatalf("%q became %q, which is no host name", in, once)
		}
		if twice, err := organization.Domain(once); err != nil || twice != once {
			t.Fatalf("%q became %q, then %q (%v)", in, once, twice, err)
		}
	})
}
