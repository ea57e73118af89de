package oidc

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"

	"github.com/orgbridge/orgbridge/internal/account"
)

const (
	// skew is how far the clocks of the provider and of this machine may be apart.
	skew = time.Minute
	// maxLifetime bounds how long a JWT may be good for. Nobody can revoke it.
	maxLifetime = 24 * time.Hour

	maxSubject = 255
	maxSeconds = 1 << 40 // far beyond any date, and exact as a float
)

// rules are what a JWT has to say to be taken.
type rules struct {
	issuer       string
	audience     string
	accountClaim string
	roleClaim    string
}

// identity is who a JWT is about.
type identity struct {
	subject   string
	accountID string
	// role is empty when the JWT gives none that a person can have in an account.
	role      account.Role
	expiresAt time.Time
}

// identity reads the payload of a JWT whose signature is right. All claims count by their exact names: what merely looks alike, in another
// case, is another claim.
func (r rules) identity(payload []byte, now time.Time) (identity, error) {
	c, err := object(payload)
	if err != nil {
		return identity{}, refused("the payload is not an object with each name once")
	}
	who := identity{subject: c.text("sub"), accountID: c.text(r.accountClaim), role: roleOf(c.texts(r.roleClaim))}
	switch {
	case c.text("iss") != r.issuer:
		return identity{}, refused("of another issuer")
	case !slices.Contains(c.texts("aud"), r.audience):
		return identity{}, refused("for another audience")
	case !isSubject(who.subject):
		return identity{}, refused("no subject, or not a legal one")
	case who.accountID == "":
		return identity{}, refused("no account")
	}
	who.expiresAt, err = expiry(c, now)
	return who, err
}

// expiry checks the times and returns when the JWT expires.
func expiry(c claims, now time.Time) (time.Time, error) {
	expires, ok := c.instant("exp")
	if !ok || now.After(expires.Add(skew)) {
		return time.Time{}, refused("expired, or never expires")
	}
	issued, ok := c.instant("iat")
	if !ok || issued.After(now.Add(skew)) {
		return time.Time{}, refused("issued at no time, or in the future")
	}
	if expires.Sub(issued) > maxLifetime {
		return time.Time{}, refused("good for too long")
	}
	if _, given := c["nbf"]; !given {
		return expires, nil
	}
	if begins, ok := c.instant("nbf"); !ok || begins.After(now.Add(skew)) {
		return time.Time{}, refused("not good yet")
	}
	return expires, nil
}

// instant is a claim that is a time, in seconds since 1970.
func (c claims) instant(name string) (time.Time, bool) {
	var seconds float64
	if c[name].Kind() != '0' || json.Unmarshal(c[name], &seconds) != nil || seconds < 0 || seconds > maxSeconds {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(seconds * 1000)).UTC(), true
}

func isSubject(subject string) bool {
	return subject != "" && len(subject) <= maxSubject && !strings.ContainsFunc(subject, unicode.IsControl)
}

// roleOf is the highest of the roles that a person can have in an account. Others are passed over: a provider has roles for other
// programs too, and operators, who belong to no account, have tokens of ours.
func roleOf(names []string) account.Role {
	for _, role := range []account.Role{account.Admin, account.Viewer} {
		if slices.Contains(names, string(role)) {
			return role
		}
	}
	return ""
}
