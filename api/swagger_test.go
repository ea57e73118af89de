package api_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/docs"
)

const swaggerPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func get(t *testing.T, h http.Handler, path string) answer {
	t.Helper()
	return do(t, h, request{method: http.MethodGet, path: path})
}

func TestOpenAPIDocumentIsServed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	a := get(t, s, "/openapi.json")
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/json" || a.body != string(docs.OpenAPI()) {
		t.Errorf("%d %s, %d bytes", a.status, a.header.Get("Content-Type"), len(a.body))
	}
	if !json.Valid([]byte(a.body)) {
		t.Error("not JSON")
	}
	if got := a.header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("Cache-Control %q", got)
	}
	known := http.Header{"If-None-Match": {a.header.Get("ETag")}}
	a = do(t, s, request{method: http.MethodGet, path: "/openapi.json", header: known})
	if a.status != http.StatusNotModified || a.body != "" {
		t.Errorf("%d with %d bytes for a client that has the document", a.status, len(a.body))
	}
	known.Set("If-None-Match", `"another"`)
	if a := do(t, s, request{method: http.MethodGet, path: "/openapi.json", header: known}); a.status != http.StatusOK {
		t.Errorf("%d for a client that has another document", a.status)
	}
}

func TestSwaggerUIIsServed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for path, mediaType := range map[string]string{
		"/swagger/":                     "text/html; charset=utf-8",
		"/swagger/init.js":              "text/javascript; charset=utf-8",
		"/swagger/swagger-ui.css":       "text/css; charset=utf-8",
		"/swagger/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
		"/swagger/favicon-16x16.png":    "image/png",
		"/swagger/favicon-32x32.png":    "image/png",
	} {
		a := get(t, s, path)
		if a.status != http.StatusOK || a.header.Get("Content-Type") != mediaType || a.body == "" {
			t.Errorf("%s: %d %s, %d bytes", path, a.status, a.header.Get("Content-Type"), len(a.body))
		}
		if got := a.header.Get("Content-Security-Policy"); got != swaggerPolicy {
			t.Errorf("%s: policy %q", path, got)
		}
		if a.header.Get("ETag") == "" || a.header.Get("Cache-Control") != "no-cache" || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", path, a.header)
		}
		head := do(t, s, request{method: http.MethodHead, path: path})
		if head.status != http.StatusOK || head.body != "" || head.header.Get("Content-Length") != a.header.Get("Content-Length") {
			t.Errorf("HEAD %s: %d with %d bytes, %v", path, head.status, len(head.body), head.header)
		}
	}
}

func TestSwaggerRedirectsToThePage(t *testing.T) {
	t.Parallel()
	a := get(t, newServer(t), "/swagger")
	if a.status != http.StatusMovedPermanently || a.header.Get("Location") != "swagger/" {
		t.Errorf("%d to %q", a.status, a.header.Get("Location"))
	}
}

func TestSwaggerRefuses(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, path := range []string{
		"/swagger/index.html", "/swagger/oauth2-redirect.html", "/swagger/swagger-initializer.js", "/swagger/swagger-ui-bundle.js.map",
		"/swagger/nothing", "/swagger/dist/swagger-ui.css", "/swagger/../swagger.go", "/swagger/%2e%2e/doc.go", "/swagger//", "/openapi.yaml",
	} {
		wantProblem(t, get(t, s, path), http.StatusNotFound, "not-found")
	}
	for _, path := range []string{"/openapi.json", "/swagger", "/swagger/", "/swagger/init.js"} {
		wantProblem(t, do(t, s, request{method: http.MethodPost, path: path}), http.StatusMethodNotAllowed, "method-not-allowed")
	}
}

// The page has to work under a policy that allows neither inline scripts nor anything from elsewhere.
func TestSwaggerPageObeysItsPolicy(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	page := get(t, s, "/swagger/").body
	for _, tag := range regexp.MustCompile(`(?s)<script.*?</script>`).FindAllString(page, -1) {
		if !regexp.MustCompile(`^<script src="[a-z-]+\.js"></script>$`).MatchString(tag) {
			t.Errorf("inline or foreign script: %s", tag)
		}
	}
	if found := regexp.MustCompile(`(?i)<style|\sstyle=|\son\w+=|javascript:|https?:|//`).FindString(page); found != "" {
		t.Errorf("the page has %q", found)
	}
	for _, ref := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		path := "/swagger/" + ref[1]
		if doc, ok := strings.CutPrefix(ref[1], "../"); ok {
			path = "/" + doc
		}
		if a := get(t, s, path); a.status != http.StatusOK {
			t.Errorf("the page refers to %s: %d", ref[1], a.status)
		}
	}
	script := get(t, s, "/swagger/init.js").body
	for _, want := range []string{`url: "../openapi.json"`, "persistAuthorization: false", "validatorUrl: null", "deepLinking: true"} {
		if !strings.Contains(script, want) {
			t.Errorf("the script does not say %s", want)
		}
	}
}

// Only releases from 5 on can show OpenAPI 3.1.
func TestSwaggerUIKnowsOpenAPI31(t *testing.T) {
	t.Parallel()
	bundle := get(t, newServer(t), "/swagger/swagger-ui-bundle.js").body
	version := regexp.MustCompile(`PACKAGE_VERSION:"(\d+)\.[^"]*"`).FindStringSubmatch(bundle)
	if len(version) != 2 || version[1] != "5" {
		t.Errorf("Swagger UI is of version %v", version)
	}
}
