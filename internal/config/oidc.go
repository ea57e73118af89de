package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"unicode"
)

func (v Variable) oidcDefinition() definition {
	switch v {
	case OIDCIssuer:
		return definition{"", "`URL` of an identity provider whose JWTs are taken as tokens, exactly as it calls itself", setOIDCIssuer}
	case OIDCAudience:
		return definition{"", "`AUDIENCE` that its JWTs for orgbridge have", setOIDCAudience}
	case OIDCAccountClaim:
		return definition{"orgbridge_account", "`NAME` of the claim with the id of the account", setClaim(func(c *Config) *string {
			return &c.OIDC.AccountClaim
		})}
	case OIDCRoleClaim:
		return definition{"orgbridge_role", "`NAME` of the claim with the role, viewer or admin", setClaim(func(c *Config) *string {
			return &c.OIDC.RoleClaim
		})}
	default:
		panic("config: no such variable: " + string(v))
	}
}

// setOIDCIssuer takes the text as it is: the provider repeats it letter by letter.
func setOIDCIssuer(c *Config, text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#") {
		return errors.New("must be an https URL without user, query and fragment")
	}
	local := u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return errors.New("must begin with https://, or be http:// on this machine")
	}
	c.OIDC.Issuer = text
	return nil
}

func setOIDCAudience(c *Config, text string) error {
	if strings.TrimSpace(text) != text || strings.ContainsFunc(text, unicode.IsControl) {
		return errors.New("must not have blanks around it, nor control characters")
	}
	c.OIDC.Audience = text
	return nil
}

func setClaim(field func(*Config) *string) func(c *Config, text string) error {
	return func(c *Config, text string) error {
		switch text {
		case "iss", "sub", "aud", "exp", "nbf", "iat", "jti":
			return fmt.Errorf("%q has a meaning of its own", text)
		}
		if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
			return errors.New("must be the name of one claim")
		}
		*field(c) = text
		return nil
	}
}

// checkOIDC tells what of the provider is missing: it takes an issuer and an audience, or nothing at all.
func checkOIDC(c *Config) error {
	some := c.given[OIDCIssuer] || c.given[OIDCAudience] || c.given[OIDCAccountClaim] || c.given[OIDCRoleClaim]
	switch {
	case !some:
		c.OIDC = OIDC{}
	case c.OIDC.Issuer == "":
		return errors.New(OIDCIssuer.env() + " is required with the other variables of the identity provider")
	case c.OIDC.Audience == "":
		return errors.New(OIDCAudience.env() + " is required with " + OIDCIssuer.env())
	case c.OIDC.AccountClaim == c.OIDC.RoleClaim:
		return errors.New(OIDCRoleClaim.env() + " must not name the claim that " + OIDCAccountClaim.env() + " names")
	}
	return nil
}
