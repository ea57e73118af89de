package config_test

import (
	"flag"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/orgbridge/orgbridge/internal/config"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

var all = []config.Variable{
	config.Addr, config.DatabaseURL, config.Keyset, config.ITGlueUSURL, config.ITGlueEUURL, config.ITGlueAUURL,
	config.ITGlueRequestsPer5Minutes, config.RequestsPerMinute, config.FailedAuthenticationsPerMinute, config.TrustedProxies, config.CORSOrigins,
	config.OIDCIssuer, config.OIDCAudience, config.OIDCAccountClaim, config.OIDCRoleClaim, config.LogLevel, config.LogFormat,
	config.MetricsAddr,
}

func parse(t *testing.T, env map[string]string, args ...string) (config.Config, error) {
	t.Helper()
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	flags := config.Declare(fs, all...)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return flags.Parse(func(name string) string { return env[name] })
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	got, err := parse(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Config{
		Addr: "127.0.0.1:8080", DatabaseURL: "sqlite://orgbridge.db", ITGlueURLs: map[itglue.Region]string{},
		ITGlueRequestsPer5Minutes: 3000, RequestsPerMinute: 6000, FailedAuthenticationsPerMinute: 60, LogLevel: slog.LevelInfo, LogFormat: "text",
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(config.Config{}), cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Error("mismatch (-want, +got)\n" + diff)
	}
	for _, v := range all {
		if got.Given(v) {
			t.Errorf("%s is said to be given", v)
		}
	}
}

func TestEverythingGiven(t *testing.T) {
	t.Parallel()
	got, err := parse(t, map[string]string{
		"ORGBRIDGE_ADDR":                          "0.0.0.0:1",
		"ORGBRIDGE_DATABASE_URL":                  "postgres://u:p@db/orgbridge",
		"ORGBRIDGE_KEYSET":                        "/keys.json",
		"ORGBRIDGE_ITGLUE_US_URL":                 "http://127.0.0.1:1/",
		"ORGBRIDGE_ITGLUE_EU_URL":                 "http://127.0.0.1:2/base",
		"ORGBRIDGE_ITGLUE_REQUESTS_PER_5_MINUTES": "10",
		"ORGBRIDGE_REQUESTS_PER_MINUTE":           "0", "ORGBRIDGE_FAILED_AUTHENTICATIONS_PER_MINUTE": "7",
		"ORGBRIDGE_TRUSTED_PROXIES":    "10.1.2.3/8, 192.0.2.7,fd00::/8",
		"ORGBRIDGE_CORS_ORIGINS":       "https://app.example.com, http://localhost:5173,https://[::1]:8443",
		"ORGBRIDGE_LOG_LEVEL":          "warn",
		"ORGBRIDGE_LOG_FORMAT":         "json",
		"ORGBRIDGE_METRICS_ADDR":       "127.0.0.1:9464",
		"ORGBRIDGE_OIDC_ISSUER":        "https://id.example/realm/",
		"ORGBRIDGE_OIDC_AUDIENCE":      "orgbridge",
		"ORGBRIDGE_OIDC_ACCOUNT_CLAIM": "https://example.com/account",
		"ORGBRIDGE_OIDC_ROLE_CLAIM":    "roles",
	}, "--addr", "[::1]:0", "--itglue-au-url=https://au.example")
	if err != nil {
		t.Fatal(err)
	}
	want := config.Config{
		Addr: "[::1]:0", DatabaseURL: "postgres://u:p@db/orgbridge", Keyset: "/keys.json",
		ITGlueURLs: map[itglue.Region]string{
			itglue.RegionUS: "http://127.0.0.1:1", itglue.RegionEU: "http://127.0.0.1:2/base", itglue.RegionAU: "https://au.example",
		},
		ITGlueRequestsPer5Minutes: 10, FailedAuthenticationsPerMinute: 7,
		TrustedProxies: []netip.Prefix{
			netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("fd00::/8"),
		},
		CORSOrigins: []string{"https://app.example.com", "http://localhost:5173", "https://[::1]:8443"},
		LogLevel:    slog.LevelWarn, LogFormat: "json", MetricsAddr: "127.0.0.1:9464",
		OIDC: config.OIDC{
			Issuer: "https://id.example/realm/", Audience: "orgbridge", AccountClaim: "https://example.com/account", RoleClaim: "roles",
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(config.Config{}), cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Error("mismatch (-want, +got)\n" + diff)
	}
	for _, v := range all {
		if !got.Given(v) {
			t.Errorf("%s is said not to be given", v)
		}
	}
}

func TestMalformedValueNamesItsVariable(t *testing.T) {
	t.Parallel()
	for variable, values := range map[string][]string{
		"METRICS_ADDR":                      {"9464", "localhost:metrics", "a:65536"},
		"ADDR":                              {"8080", "localhost", "localhost:http", "a:65536", "a:-1"},
		"DATABASE_URL":                      {"mysql://a", "orgbridge.db", "sqlite://", "sqlite://a?b=c", "postgres://a:%zz@b", "://"},
		"ITGLUE_US_URL":                     {"api.itglue.com", "ftp://a", "http://", "http://u:p@a", "http://a?b", "http://a#b", "http://%zz"},
		"ITGLUE_REQUESTS_PER_5_MINUTES":     {"0", "-1", "1.5", "many"},
		"REQUESTS_PER_MINUTE":               {"-1", "1.5", "many", "1000000001", "99999999999999999999"},
		"FAILED_AUTHENTICATIONS_PER_MINUTE": {"-1", "x"},
		"TRUSTED_PROXIES":                   {"proxy.example", "10.0.0.0/33", "10.0.0.1,", "10.0.0.1 10.0.0.2", "fe80::1%eth0", "*"},
		"CORS_ORIGINS": {
			"*", "null", "app.example.com", "https://*.example.com", "https://app.example.com/", "https://App.example.com", "https://u@a.example",
			"https://a.example?b", "https://a.example#b", "https://a.example:443", "http://a.example:80", "https://a.example:", "ftp://a.example",
			"https://a.example,", "https://a.example https://b.example", "https://", "https://:8443", "HTTPS://a.example",
		},
		"OIDC_ISSUER": {
			"id.example", "http://id.example", "ftp://id.example", "https://", "https://u:p@id.example", "https://id.example?a", "https://id.example?",
			"https://id.example#", "https://%zz", "http://127.0.0.1.example", "https:id.example",
		},
		"OIDC_AUDIENCE":      {" orgbridge", "a\tb"},
		"OIDC_ACCOUNT_CLAIM": {"sub", "iss", "a b", "a\n"},
		"OIDC_ROLE_CLAIM":    {"aud", "exp", "roles "},
		"LOG_LEVEL":          {"loud", "INFO"},
		"LOG_FORMAT":         {"xml"},
	} {
		for _, value := range values {
			t.Run(variable+"="+value, func(t *testing.T) {
				t.Parallel()
				_, err := parse(t, map[string]string{"ORGBRIDGE_" + variable: value})
				checkOneLineNaming(t, err, "ORGBRIDGE_"+variable)

				name := "--" + strings.ToLower(strings.ReplaceAll(variable, "_", "-"))
				_, err = parse(t, nil, name, value)
				checkOneLineNaming(t, err, "ORGBRIDGE_"+variable)
				checkOneLineNaming(t, err, name)
			})
		}
	}
}

func checkOneLineNaming(t *testing.T, err error, name string) {
	t.Helper()
	if err == nil {
		t.Fatal("accepted")
	}
	if text := err.Error(); strings.Contains(text, "\n") || !strings.Contains(text, name) {
		t.Errorf("%q is not one line naming %s", text, name)
	}
}

func TestIdentityProviderIsGivenWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	const issuer, audience, account, role = "ORGBRIDGE_OIDC_ISSUER", "ORGBRIDGE_OIDC_AUDIENCE", "ORGBRIDGE_OIDC_ACCOUNT_CLAIM", "ORGBRIDGE_OIDC_ROLE_CLAIM"
	for _, c := range []struct {
		env     map[string]string
		missing string
	}{
		{map[string]string{issuer: "https://id.example"}, audience},
		{map[string]string{issuer: "https://id.example", role: "roles"}, audience},
		{map[string]string{audience: "orgbridge"}, issuer},
		{map[string]string{account: "account"}, issuer},
		{map[string]string{role: "roles"}, issuer},
		{map[string]string{issuer: "https://id.example", audience: "orgbridge", account: "a", role: "a"}, role},
		{map[string]string{issuer: "https://id.example", audience: "orgbridge", role: "orgbridge_account"}, role},
	} {
		_, err := parse(t, c.env)
		checkOneLineNaming(t, err, c.missing)
	}
	for _, url := range []string{"https://id.example", "http://localhost:9998/", "http://127.0.0.1", "http://[::1]:1"} {
		got, err := parse(t, map[string]string{issuer: url, audience: "orgbridge"})
		want := config.OIDC{Issuer: url, Audience: "orgbridge", AccountClaim: "orgbridge_account", RoleClaim: "orgbridge_role"}
		if err != nil || got.OIDC != want {
			t.Errorf("got %+v, %v", got.OIDC, err)
		}
	}
}

func TestSecretsAreNotRepeated(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"postgres://u:hunter2%zz@db/x", "mysql://u:hunter2@db/x", "post gres://u:hunter2@db"} {
		if _, err := parse(t, map[string]string{"ORGBRIDGE_DATABASE_URL": url}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error %v for a URL with the password hunter2", err)
		}
	}
}

func TestKeysetFile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		database, keyset, ref string
		mayCreate, refused    bool
	}{
		"given with SQLite":       {"sqlite://a.db", "k.json", "k.json", false, false},
		"given with PostgreSQL":   {"postgres://a", "env:abc", "env:abc", false, false},
		"beside the SQLite file":  {"sqlite://dir/./a.db", "", "dir/a.db.keyset.json", true, false},
		"beside an absolute path": {"sqlite:///data/a.db", "", "/data/a.db.keyset.json", true, false},
		"missing with PostgreSQL": {"postgres://a", "", "", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ref, mayCreate, err := config.Config{DatabaseURL: test.database, Keyset: test.keyset}.KeysetFile()
			if test.refused {
				checkOneLineNaming(t, err, "ORGBRIDGE_KEYSET")
				checkOneLineNaming(t, err, "orgbridge keys create --out FILE")
				return
			}
			if err != nil || ref != test.ref || mayCreate != test.mayCreate {
				t.Errorf("got %q, %v, %v", ref, mayCreate, err)
			}
		})
	}
}

func TestHelpNamesFlagsAndVariables(t *testing.T) {
	t.Parallel()
	var help strings.Builder
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	fs.SetOutput(&help)
	config.Declare(fs, all...)
	fs.PrintDefaults()
	for _, want := range []string{"-database-url URL", "$ORGBRIDGE_DATABASE_URL", "default sqlite://orgbridge.db"} {
		if !strings.Contains(help.String(), want) {
			t.Errorf("help lacks %q:\n%s", want, help.String())
		}
	}
}

func TestValuesAreThoseThatAreTaken(t *testing.T) {
	t.Parallel()
	choices := 0
	for _, v := range all {
		for _, value := range v.Values() {
			choices++
			if _, err := parse(t, map[string]string{"ORGBRIDGE_" + string(v): value}); err != nil {
				t.Errorf("%s=%s: %v", v, value, err)
			}
		}
	}
	if choices != 6 {
		t.Errorf("%d choices", choices)
	}
}
