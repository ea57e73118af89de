// Package config turns the environment and the flags of the same name into one validated struct. A value that is missing or
// malformed is one line that names its variable; what is or may hold a secret is never repeated.
package config

import (
	"log/slog"
	"net/netip"

	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// Prefix begins the name of every variable in the environment.
const Prefix = "ORGBRIDGE_"

// Config is the configuration of every command; each declares, see [Declare], what it makes use of. The rest has its defaults.
type Config struct {
	// Addr is the listen address, or for a health check the address to ask.
	Addr string

	// DatabaseURL may hold a password. Never print it.
	DatabaseURL string

	// Keyset is a file path, or "env:" and a keyset; empty when not given, see [Config.KeysetFile]. Never print it.
	Keyset string

	// ITGlueURLs overrides the address of a region.
	ITGlueURLs                map[itglue.Region]string
	ITGlueRequestsPer5Minutes int

	// CORSOrigins are the origins whose pages may use the API from a browser.
	CORSOrigins                    []string
	RequestsPerMinute              int // each token's; 0 is any number
	FailedAuthenticationsPerMinute int // each address's; 0 is any number
	TrustedProxies                 []netip.Prefix

	// OIDC is the identity provider whose JWTs are taken; the zero value for none.
	OIDC OIDC

	LogLevel  slog.Level
	LogFormat string // "text" or "json"

	// MetricsAddr is where metrics are served to everybody; empty for the address of the API, and for operators only.
	MetricsAddr string

	given map[Variable]bool
}

// OIDC is an identity provider, what it calls orgbridge, and the claims that hold the account and the role.
type OIDC struct {
	Issuer       string
	Audience     string
	AccountClaim string
	RoleClaim    string
}

// Given tells whether the variable was set, or whether its value is the default.
func (c Config) Given(v Variable) bool { return c.given[v] }
