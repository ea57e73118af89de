package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// Variable is a name without its prefix, such as "DATABASE_URL".
type Variable string

// The variables.
const (
	Addr                      Variable = "ADDR"
	DatabaseURL               Variable = "DATABASE_URL"
	Keyset                    Variable = "KEYSET"
	ITGlueUSURL               Variable = "ITGLUE_US_URL"
	ITGlueEUURL               Variable = "ITGLUE_EU_URL"
	ITGlueAUURL               Variable = "ITGLUE_AU_URL"
	ITGlueRequestsPer5Minutes Variable = "ITGLUE_REQUESTS_PER_5_MINUTES"
	CORSOrigins               Variable = "CORS_ORIGINS"
	RequestsPerMinute         Variable = "REQUESTS_PER_MINUTE"
	// FailedAuthenticationsPerMinute is of one address.
	FailedAuthenticationsPerMinute Variable = "FAILED_AUTHENTICATIONS_PER_MINUTE"
	TrustedProxies                 Variable = "TRUSTED_PROXIES"
	OIDCIssuer                     Variable = "OIDC_ISSUER"
	OIDCAudience                   Variable = "OIDC_AUDIENCE"
	OIDCAccountClaim               Variable = "OIDC_ACCOUNT_CLAIM"
	OIDCRoleClaim                  Variable = "OIDC_ROLE_CLAIM"

	LogLevel    Variable = "LOG_LEVEL"
	LogFormat   Variable = "LOG_FORMAT"
	MetricsAddr Variable = "METRICS_ADDR"
)

// maxPerMinute is more than any client makes.
const maxPerMinute = 1_000_000_000

// definition is one variable: what a person has to know, and how its text becomes a part of the configuration. The error of set
// says what is expected and repeats the text only if it cannot hold a secret.
type definition struct {
	fallback string
	usage    string
	set      func(c *Config, text string) error
}

func (v Variable) definition() definition {
	switch v {
	case Addr:
		set := setAddr(func(c *Config) *string { return &c.Addr })
		return definition{"127.0.0.1:8080", "`HOST:PORT` to listen on; port 0 takes a free one", set}
	case DatabaseURL:
		return definition{"sqlite://orgbridge.db", "database `URL`, sqlite://FILE or postgres://…", setDatabaseURL}
	case Keyset:
		return definition{"", "sealing keys: `FILE`, or env: and base64; with SQLite made beside the database when left out", setKeyset}
	case ITGlueUSURL:
		return itglueURL(itglue.RegionUS)
	case ITGlueEUURL:
		return itglueURL(itglue.RegionEU)
	case ITGlueAUURL:
		return itglueURL(itglue.RegionAU)
	case ITGlueRequestsPer5Minutes:
		return definition{strconv.Itoa(itglue.DefaultRequestsPer5Minutes), "`NUMBER` of requests to IT Glue per key in 5 minutes", setRequests}
	case CORSOrigins:
		return definition{"", "`ORIGINS` whose pages may use the API from a browser, with commas between them", setOrigins}
	case RequestsPerMinute:
		return perMinute(6000, "`NUMBER` of requests per token in a minute, counted by each process; 0 is any number",
			func(c *Config) *int { return &c.RequestsPerMinute })
	case FailedAuthenticationsPerMinute:
		return perMinute(60, "`NUMBER` of bad tokens per address in a minute, counted by each process; 0 is any number",
			func(c *Config) *int { return &c.FailedAuthenticationsPerMinute })
	case TrustedProxies:
		return definition{"", "comma-separated `ADDRESSES` or networks whose X-Forwarded-For is believed", setTrustedProxies}
	default:
		return v.operatorsDefinition()
	}
}

// operatorsDefinition is of the variables that say what operators see.
func (v Variable) operatorsDefinition() definition {
	switch v {
	case LogLevel:
		return definition{"info", "`LEVEL` to log from: debug, info, warn or error", setLogLevel}
	case LogFormat:
		return definition{"text", "log `FORMAT`: text or json", setLogFormat}
	case MetricsAddr:
		return definition{
			"", "`HOST:PORT` where /metrics is open to whoever reaches it; without, operators read it at the API's address",
			setAddr(func(c *Config) *string { return &c.MetricsAddr }),
		}
	default:
		return v.oidcDefinition()
	}
}

// Values are all that the variable can be set to; nil when it is no choice.
func (v Variable) Values() []string {
	switch v {
	case LogLevel:
		return []string{"debug", "info", "warn", "error"}
	case LogFormat:
		return []string{"text", "json"}
	default:
		return nil
	}
}

func setAddr(field func(*Config) *string) func(c *Config, text string) error {
	return func(c *Config, text string) error {
		_, port, err := net.SplitHostPort(text)
		if err != nil {
			return fmt.Errorf("%q is not HOST:PORT", text)
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return fmt.Errorf("%q has no port between 0 and 65535", text)
		}
		*field(c) = text
		return nil
	}
}

func setDatabaseURL(c *Config, text string) error {
	c.DatabaseURL = text
	if path, ok := strings.CutPrefix(text, sqliteScheme); ok {
		if path == "" || strings.ContainsAny(path, "?#") {
			return errors.New("must be sqlite:// followed by the path of a file, such as sqlite://orgbridge.db")
		}
		return nil
	}
	parsed, err := url.Parse(text)
	if err != nil {
		return errors.New("is not a URL (is a character of the password not percent-encoded?)")
	}
	if parsed.Scheme != "postgres" && parsed.Scheme != "postgresql" {
		return errors.New("must begin with sqlite:// or postgres://")
	}
	return nil
}

func setKeyset(c *Config, text string) error {
	c.Keyset = text
	return nil
}

func itglueURL(region itglue.Region) definition {
	set := func(c *Config, text string) error {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return errors.New("must be an http or https URL without user, query and fragment")
		}
		c.ITGlueURLs[region] = strings.TrimRight(text, "/")
		return nil
	}
	return definition{"", "`URL` instead of " + region.BaseURL() + ", for a simulated IT Glue", set}
}

func setRequests(c *Config, text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return fmt.Errorf("%q is not a whole number above 0", text)
	}
	c.ITGlueRequestsPer5Minutes = n
	return nil
}

func setOrigins(c *Config, text string) error {
	for origin := range strings.SplitSeq(text, ",") {
		origin = strings.TrimSpace(origin)
		if !isOrigin(origin) {
			return errors.New("must be origins as browsers write them, such as https://app.example.com, with commas between them")
		}
		c.CORSOrigins = append(c.CORSOrigins, origin)
	}
	return nil
}

func perMinute(fallback int, usage string, field func(*Config) *int) definition {
	set := func(c *Config, text string) error {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > maxPerMinute {
			return fmt.Errorf("%q is not a whole number from 0 to %d", text, maxPerMinute)
		}
		*field(c) = n
		return nil
	}
	return definition{strconv.Itoa(fallback), usage, set}
}

func setTrustedProxies(c *Config, text string) error {
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		network, err := netip.ParsePrefix(part)
		if address, notOne := netip.ParseAddr(part); notOne == nil && address.Zone() == "" {
			network, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err != nil {
			return fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/8", part)
		}
		c.TrustedProxies = append(c.TrustedProxies, network.Masked())
	}
	return nil
}

// isOrigin tells whether a text is an http or https origin in the one form in which browsers send it. There are no wildcards.
func isOrigin(text string) bool {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.ContainsAny(text, "*?") {
		return false
	}
	standard := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	return text == u.Scheme+"://"+strings.ToLower(u.Host) && u.Hostname() != "" && u.Port() != standard && !strings.HasSuffix(u.Host, ":")
}

func setLogLevel(c *Config, text string) error {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	level, ok := levels[text]
	if !ok {
		return fmt.Errorf("%q is none of debug, info, warn and error", text)
	}
	c.LogLevel = level
	return nil
}

func setLogFormat(c *Config, text string) error {
	if !slices.Contains(LogFormat.Values(), text) {
		return fmt.Errorf("%q is neither text nor json", text)
	}
	c.LogFormat = text
	return nil
}
