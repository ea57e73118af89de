package organization

import (
	"errors"
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// maxDomainLength is the longest domain name, in ASCII characters (RFC 1035 §2.3.4).
const maxDomainLength = 253

// Domain turns a domain name into the form in which it is stored and compared: IDNA2008 to lower-case ASCII, without a trailing dot.
// It refuses what is not a host name below a public suffix: addresses, URLs, mail addresses, "localhost", "com", "co.uk".
func Domain(name string) (string, error) {
	name = strings.TrimSuffix(name, ".")
	profile := idna.New(
		idna.MapForLookup(), idna.StrictDomainName(true), idna.BidiRule(), idna.ValidateForRegistration(), idna.VerifyDNSLength(true),
	)
	ascii, err := profile.ToASCII(strings.ToLower(name))
	if err != nil || len(ascii) > maxDomainLength {
		return "", errors.New("is not a domain name")
	}
	if _, err := netip.ParseAddr(ascii); err == nil {
		return "", errors.New("is an address, not a domain name")
	}
	if isNumeric(ascii[strings.LastIndexByte(ascii, '.')+1:]) {
		return "", errors.New("is not a domain name")
	}
	registrable, err := publicsuffix.EffectiveTLDPlusOne(ascii)
	if err != nil || registrable == "" {
		return "", errors.New("is not below a public suffix")
	}
	if suffix, icann := publicsuffix.PublicSuffix(ascii); !icann && !strings.Contains(suffix, ".") {
		return "", errors.New("is not below a known public suffix")
	}
	return ascii, nil
}

func isNumeric(label string) bool {
	return label != "" && strings.Trim(label, "0123456789") == "" || strings.HasPrefix(label, "0x")
}
