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

var errNoSuffix = errors.New("must be below a public suffix, as contoso.com is below com")

// Domain turns a domain name into the form in which it is stored and compared: IDNA2008 to lower-case ASCII, without a trailing dot.
// It refuses what is not a host name below a public suffix: addresses, URLs, mail addresses, "localhost", "com", "co.uk". The text of
// the error goes on after "The domain".
func Domain(name string) (string, error) {
	name = strings.TrimSuffix(name, ".")
	profile := idna.New(
		idna.MapForLookup(), idna.StrictDomainName(true), idna.BidiRule(), idna.ValidateForRegistration(), idna.VerifyDNSLength(true),
	)
	ascii, err := profile.ToASCII(strings.ToLower(name))
	if err != nil || len(ascii) > maxDomainLength {
		return "", errors.New("must be a domain name such as contoso.com")
	}
	if _, err := netip.ParseAddr(ascii); err == nil {
		return "", errors.New("must be a domain name, not an IP address")
	}
	if isNumeric(ascii[strings.LastIndexByte(ascii, '.')+1:]) {
		return "", errors.New("must be a domain name such as contoso.com")
	}
	registrable, err := publicsuffix.EffectiveTLDPlusOne(ascii)
	if err != nil || registrable == "" {
		return "", errNoSuffix
	}
	if suffix, icann := publicsuffix.PublicSuffix(ascii); !icann && !strings.Contains(suffix, ".") {
		return "", errNoSuffix
	}
	return ascii, nil
}

func isNumeric(label string) bool {
	return label != "" && strings.Trim(label, "0123456789") == "" || strings.HasPrefix(label, "0x")
}
