package organization

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
	"golang.org/x/text/unicode/norm"
)

// maxDomainLength is the longest domain name, in ASCII characters (RFC 1035 §2.3.4).
const maxDomainLength = 253

var (
	errNoDomain = errors.New("must be a domain name such as contoso.com")
	errAddress  = errors.New("must be a domain name, not an IP address")
	errNoSuffix = errors.New("must be below a public suffix, as contoso.com is below com")
)

// Domain turns a domain name into the form in which it is stored and compared: IDNA2008 to lower-case ASCII, without a trailing dot.
// It refuses what is not a host name below a public suffix: addresses, URLs, mail addresses, "localhost", "com", "co.uk", and
// "onmicrosoft.com", which is one in all but name. Which scripts may be mixed in a label is left to the registries. The text of the
// error goes on after "The domain".
func Domain(name string) (string, error) {
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return "", errAddress
	}
	ascii, err := toASCII(lower(strings.TrimSuffix(name, ".")))
	if err != nil {
		return "", err
	}
	if isNumeric(ascii[strings.LastIndexByte(ascii, '.')+1:]) {
		return "", errNoDomain
	}
	if !isBelowSuffix(ascii) {
		return "", errNoSuffix
	}
	return ascii, nil
}

// lower returns the name in NFC and in lower case, which IDNA2008 leaves to the program. İ stays and is refused later: its
// lower-case letter is neither i nor ı.
func lower(name string) string {
	return strings.Map(func(r rune) rune {
		if r == 'İ' {
			return r
		}
		return unicode.ToLower(r)
	}, norm.NFC.String(name))
}

// toASCII is IDNA2008 of a name in lower case. Every code point takes at least one character of the ASCII form, so too long a name is
// known without encoding it, which for a megabyte would take minutes.
func toASCII(name string) (string, error) {
	if utf8.RuneCountInString(name) > maxDomainLength || strings.HasSuffix(name, ".") {
		return "", errNoDomain
	}
	ascii, err := idna.Registration.ToASCII(name)
	if err != nil {
		return "", errNoDomain
	}
	text, err := idna.Registration.ToUnicode(ascii)
	if err != nil || strings.ContainsFunc(text, isNotOfIDNA2008) {
		return "", errNoDomain
	}
	return ascii, nil
}

// isNotOfIDNA2008 finds the code points that package idna lets pass, as UTS #46 does, although IDNA2008 disallows them: symbols and
// emoji, conjoining Hangul, and the exceptions of RFC 5892 §2.6. What stands beside a code point matters for the joiners only, which
// package idna sees to; the other rules of context are the registries', as for any lookup (RFC 5891 §5.4).
func isNotOfIDNA2008(r rune) bool {
	switch {
	case strings.ContainsRune(".-\u200c\u200d\u00b7\u0375\u05f3\u05f4\u06fd\u06fe\u0f0b\u3007\u30fb", r):
		return false
	case strings.ContainsRune("\u0640\u07fa\u302e\u302f\u3031\u3032\u3033\u3034\u3035\u303b", r):
		return true
	case r >= 0x1100 && r <= 0x11FF, r >= 0xA960 && r <= 0xA97F, r >= 0xD7B0 && r <= 0xD7FF: // conjoining Hangul
		return true
	case r >= 0x20D0 && r <= 0x20FF, r >= 0x1D100 && r <= 0x1D24F: // marks for symbols, musical notation
		return true
	default:
		return !unicode.In(r, unicode.L, unicode.Mn, unicode.Mc, unicode.Nd)
	}
}

func isNumeric(label string) bool {
	return label != "" && strings.Trim(label, "0123456789") == "" || strings.HasPrefix(label, "0x")
}

// isBelowSuffix tells whether the name lies below a public suffix, which for a private one such as github.io has a dot, or below one of
// an email provider.
func isBelowSuffix(ascii string) bool {
	suffix, icann := publicsuffix.PublicSuffix(ascii)
	return (icann || strings.Contains(suffix, ".")) && suffix != ascii && !slices.Contains(customerSuffixes(), ascii)
}
