package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/errs"
)

const organizations = api.Base + "/organizations"

func TestNewRefusesMissingDependencies(t *testing.T) {
	t.Parallel()
	fields := reflect.TypeFor[api.Dependencies]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		if slices.Contains([]string{
			"Version", "HealthOnly", "RequestsPerMinute", "FailuresPerMinute", "TrustedProxies", "CORSOrigins", "Observe", "Metrics", "Traces",
		}, name) {
			continue
		}
		d := dependencies(newFake(), &logBuffer{})
		reflect.ValueOf(&d).Elem().Field(i).SetZero()
		if _, err := api.New(d); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

func TestAPI5ARouteWithoutPermissionIsRefused(t *testing.T) {
	t.Parallel()
	if err := api.RegisterUndeclared(); err == nil {
		t.Error("registered")
	}
}

// failWith has every method of the fake answer the error.
func failWith(err error) func(context.Context, string) error {
	return func(context.Context, string) error { return err }
}

// TestEveryCodeHasAStatus reads the codes out of their source, so that a new one cannot be forgotten here.
func TestEveryCodeHasAStatus(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	field, _ := reflect.TypeFor[api.Problem]().FieldByName("Code")
	documented := strings.Split(field.Tag.Get("enums"), ",")
	for _, code := range codesInSource(t) {
		s.fake.hook = failWith(&errs.Error{
			Code: code, Detail: "Said to the client.", Fields: []errs.Field{{Pointer: "/name", Code: "invalid", Detail: "x"}},
		})
		a := do(t, s, request{method: "GET", path: organizations, token: "viewer", odd: true})
		got := errs.Code("")
		if a.status >= 400 {
			got = errs.Code(a.problem(t).Code)
		}
		switch {
		case code == errs.Fenced && got == errs.Conflict && a.status == http.StatusConflict:
		case code != errs.Internal && a.status == http.StatusInternalServerError, got != code:
			t.Errorf("%s is answered %d %s", code, a.status, got)
		case !slices.Contains(documented, string(code)):
			t.Errorf("%s is not in the documentation of Problem", code)
		}
	}
}

func codesInSource(t *testing.T) []errs.Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../internal/errs/errs.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []errs.Code
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && len(spec.Values) == 1 {
			if id, ok := spec.Type.(*ast.Ident); ok && id.Name == "Code" {
				literal := spec.Values[0].(*ast.BasicLit)
				text, _ := strconv.Unquote(literal.Value)
				codes = append(codes, errs.Code(text))
			}
		}
		return true
	})
	if len(codes) < 20 {
		t.Fatalf("found %d codes only", len(codes))
	}
	return codes
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for code, want := range map[errs.Code]int{
		errs.NotConnected: 409, errs.AlreadyConnected: 409, errs.NotMapped: 409, errs.DomainTaken: 409, errs.AlreadyMapped: 409,
		errs.Conflict: 409, errs.ITGlueKeyRejected: 422, errs.ITGlueRateLimited: 503, errs.ITGlueUnavailable: 502, errs.ITGlueTimeout: 504,
		errs.ITGlueBadAnswer: 502, errs.Unavailable: 503, errs.Unauthenticated: 401, errs.Forbidden: 403, errs.NotFound: 404,
		errs.ValidationFailed: 422, errs.PayloadTooLarge: 413, errs.URITooLong: 414, errs.MalformedBody: 400,
	} {
		e := errs.New(code, "x")
		if code == errs.ValidationFailed {
			e = errs.Invalid(errs.Field{Pointer: "/name", Code: "domain-invalid", Detail: "x"})
		}
		s.fake.hook = failWith(fmt.Errorf("do it: %w", e))
		wantProblem(t, do(t, s, request{method: "GET", path: organizations, token: "viewer", odd: true}), want, string(code))
	}
}

func TestProblemsFromEveryPath(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for name, c := range map[string]struct {
		r      request
		status int
		code   string
		header [2]string
	}{
		"no such path":         {r: request{method: "GET", path: "/nowhere"}, status: 404, code: "not-found"},
		"root":                 {r: request{method: "GET", path: "/"}, status: 404, code: "not-found"},
		"trailing slash":       {r: request{method: "GET", path: organizations + "/", token: "admin"}, status: 404, code: "not-found"},
		"slash after id":       {r: request{method: "GET", path: organizations + "/" + orgID + "/", token: "admin"}, status: 404, code: "not-found"},
		"double slash":         {r: request{method: "GET", path: "/api//v1/me", token: "admin"}, status: 404, code: "not-found"},
		"dots":                 {r: request{method: "GET", path: "/api/v1/../v1/me", token: "admin"}, status: 404, code: "not-found"},
		"case":                 {r: request{method: "GET", path: "/API/v1/me", token: "admin"}, status: 404, code: "not-found"},
		"encoded slash":        {r: request{method: "GET", path: "/api/v1%2Fme", token: "admin"}, status: 404, code: "not-found"},
		"wrong method":         {r: request{method: "DELETE", path: organizations}, status: 405, code: "method-not-allowed", header: [2]string{"Allow", "GET"}},
		"TRACE":                {r: request{method: "TRACE", path: organizations}, status: 405, code: "method-not-allowed"},
		"method of one's own":  {r: request{method: "PURGE", path: organizations}, status: 405, code: "method-not-allowed"},
		"not offered":          {r: request{method: "PUT", path: api.Base + "/integrations/itglue", token: "admin"}, status: 405, code: "method-not-allowed"},
		"anonymous":            {r: request{method: "GET", path: organizations}, status: 401, code: "unauthenticated", header: [2]string{"WWW-Authenticate", "Bearer"}},
		"unknown token":        {r: request{method: "GET", path: organizations, token: canary}, status: 401, code: "unauthenticated", header: [2]string{"WWW-Authenticate", "Bearer"}},
		"viewer writes":        {r: request{method: "POST", path: organizations, token: "viewer", body: "{}"}, status: 403, code: "forbidden"},
		"operator reads":       {r: request{method: "GET", path: organizations, token: "operator"}, status: 403, code: "forbidden"},
		"body too large":       {r: request{method: "POST", path: organizations, token: "admin", body: strings.Repeat(" ", 1<<20+1)}, status: 413, code: "payload-too-large"},
		"not JSON":             {r: request{method: "POST", path: organizations, token: "admin", body: "{"}, status: 400, code: "malformed-body"},
		"no content type":      {r: request{method: "POST", path: organizations, token: "admin"}, status: 415, code: "unsupported-media-type"},
		"accepts HTML only":    {r: request{method: "GET", path: organizations, token: "admin", header: http.Header{"Accept": {"text/html"}}}, status: 406, code: "not-acceptable"},
		"long address":         {r: request{method: "GET", path: organizations + "?search=" + strings.Repeat("a", 8<<10), token: "admin"}, status: 414, code: "uri-too-long"},
		"long address nowhere": {r: request{method: "GET", path: "/" + strings.Repeat("a", 8<<10)}, status: 414, code: "uri-too-long"},
		"key in the query":     {r: request{method: "GET", path: organizations + "?apiKey=" + canary, token: "admin"}, status: 422, code: "validation-failed"},
		"query where none is":  {r: request{method: "GET", path: api.Base + "/me?access_token=" + canary, token: "admin"}, status: 422, code: "validation-failed"},
		"method override":      {r: request{method: "GET", path: api.Base + "/mappings/" + noID, token: "admin", header: http.Header{"X-Http-Method-Override": {"DELETE"}}}, status: 404, code: "not-found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.r.path != api.Base+"/mappings/"+noID && c.r.body == "" && c.r.header == nil {
				c.r.header = http.Header{"X-Forwarded-For": {"127.0.0.1"}, "X-Original-Url": {"/healthz"}}
			}
			a := do(t, s, c.r)
			wantProblem(t, a, c.status, c.code)
			if got := a.header.Get(c.header[0]); c.header[0] != "" && !strings.Contains(got, c.header[1]) {
				t.Errorf("%s is %q", c.header[0], got)
			}
		})
	}
	t.Cleanup(func() {
		if strings.Contains(s.log.String(), canary) {
			t.Errorf("the log has the key: %s", s.log)
		}
		if calls := s.fake.called(); !slices.Equal(calls, []string{"Mapping"}) {
			t.Errorf("requests that were refused had calls made: %v", calls)
		}
	})
}

func TestPanicIsAnInternalProblem(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.fake.hook = func(context.Context, string) error { panic("secret of the inside") }
	a := do(t, s, request{method: "GET", path: organizations, token: "viewer"})
	wantProblem(t, a, http.StatusInternalServerError, "internal")
	if strings.Contains(a.body, "secret") || strings.Contains(a.body, ".go") {
		t.Errorf("the answer tells about the inside: %s", a.body)
	}
	if log := s.log.String(); !strings.Contains(log, "secret of the inside") || !strings.Contains(log, a.header.Get("X-Request-ID")) ||
		!strings.Contains(log, "fake_test.go") {
		t.Errorf("the log does not tell enough: %s", log)
	}
	s.fake.hook = nil
	if a := do(t, s, request{method: "GET", path: organizations, token: "viewer"}); a.status != http.StatusOK {
		t.Errorf("the next request is answered %d", a.status)
	}
}

func TestInternalErrorsAreToldToTheLogOnly(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"unknown":           errors.New("table secret is gone"),
		"coded as internal": errs.New(errs.Internal, "table secret").With("secret", 1),
		"code of nobody":    errs.New("made-up", "table secret"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.fake.hook = failWith(err)
			a := do(t, s, request{method: "GET", path: organizations, token: "viewer", odd: true})
			wantProblem(t, a, http.StatusInternalServerError, "internal")
			if strings.Contains(a.body, "secret") {
				t.Errorf("the answer tells about the inside: %s", a.body)
			}
			if n := strings.Count(s.log.String(), "table secret"); n != 1 || len(s.log.level(t, slog.LevelError)) != 1 {
				t.Errorf("the cause is logged %d times: %s", n, s.log)
			}
		})
	}
}

func TestAClientThatLeavesIsNoFailure(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.fake.hook = func(ctx context.Context, _ string) error {
		cancel()
		<-ctx.Done()
		return fmt.Errorf("read rows: %w", ctx.Err())
	}
	a := do(t, s, request{method: "GET", path: organizations, token: "viewer", ctx: ctx})
	wantProblem(t, a, http.StatusServiceUnavailable, "unavailable")
	if loud := append(s.log.level(t, slog.LevelError), s.log.level(t, slog.LevelWarn)...); len(loud) > 0 {
		t.Errorf("logged: %v", loud)
	}
}

func TestRequestsHaveADeadline(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.fake.hook = func(ctx context.Context, _ string) error {
		if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > time.Minute {
			t.Errorf("the deadline is %v", deadline)
		}
		return nil
	}
	do(t, s, request{method: "GET", path: organizations, token: "viewer"})
}

func TestAnExpiredDeadlineIsUnavailable(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	s.fake.hook = func(ctx context.Context, _ string) error {
		<-ctx.Done()
		return ctx.Err()
	}
	a := do(t, s, request{method: "GET", path: organizations, token: "viewer", ctx: ctx})
	wantProblem(t, a, http.StatusServiceUnavailable, "unavailable")
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	limited := errs.New(errs.ITGlueRateLimited, "Wait.")
	for want, err := range map[string]error{
		"1":  limited.After(time.Millisecond),
		"2":  limited.After(1001 * time.Millisecond),
		"60": limited,
		"5":  errs.New(errs.Unavailable, "Wait."),
		"30": errs.New(errs.ITGlueUnavailable, "Wait.").After(30 * time.Second),
		"":   errs.New(errs.ITGlueUnavailable, "Wait."),
	} {
		s.fake.hook = failWith(err)
		a := do(t, s, request{method: "GET", path: organizations, token: "viewer", odd: true})
		if got := a.header.Get("Retry-After"); got != want {
			t.Errorf("%v: Retry-After is %q, want %q", err, got, want)
		}
	}
}

func TestProblemsCarryParamsAndFaults(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.fake.hook = failWith(errs.New(errs.AlreadyMapped, "Taken.").With("organizationId", orgID))
	a := do(t, s, request{method: "PUT", path: api.Base + "/mappings/" + orgID, token: "admin", body: `{"itglueOrganizationId":"42"}`})
	wantProblem(t, a, http.StatusConflict, "itglue-organization-already-mapped")
	if p := a.problem(t); p.Params["organizationId"] != orgID || p.Detail != "Taken." {
		t.Errorf("problem is %+v", p)
	}
	s.fake.hook = failWith(errs.New(errs.Conflict, "Odd.").With("unsayable", func() {}))
	wantProblem(t, do(t, s, request{method: "GET", path: organizations, token: "viewer", odd: true}), http.StatusConflict, "conflict")
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for sent, kept := range map[string]bool{
		"abc-123_X.y": true, strings.Repeat("a", 128): true,
		"": false, strings.Repeat("a", 129): false, "a b": false, "a\nb": false, "ünïcode": false, `a"b`: false,
	} {
		a := do(t, s, request{method: "GET", path: "/healthz", header: http.Header{"X-Request-Id": {sent}}})
		if got := a.header.Get("X-Request-ID"); (got == sent) != kept {
			t.Errorf("%q became %q", sent, got)
		}
	}
}

func TestAccessLogNamesNoValues(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	do(t, s, request{
		method: "GET", path: organizations + "/" + orgID + "?x=" + canary, token: "viewer",
		header: http.Header{"Cookie": {canary}, "Referer": {canary}},
	})
	do(t, s, request{method: "POST", path: organizations, token: "admin", body: `{"name":"` + canary + `"}`})
	do(t, s, request{method: "GET", path: "/my-CANARY"})
	if log := s.log.String(); strings.Contains(log, "CANARY") || strings.Contains(log, orgID) {
		t.Errorf("the log tells values: %s", log)
	}
	var line struct {
		Method    string `json:"method"`
		Route     string `json:"route"`
		RequestID string `json:"requestId"`
		AccountID string `json:"accountId"`
		Status    int    `json:"status"`
		Duration  *int64 `json:"duration"`
	}
	for text := range strings.Lines(s.log.String()) {
		if strings.Contains(text, `"msg":"request"`) {
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	if line.Method != http.MethodGet || line.Route != organizations+"/:organizationId" || line.Status != 422 || line.RequestID == "" ||
		line.AccountID != accountA || line.Duration == nil {
		t.Errorf("access log line is %+v", line)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	var notReady error
	draining := false
	s := newServer(t, func(d *api.Dependencies) {
		d.Ready = func(context.Context) error { return notReady }
		d.Draining = func() bool { return draining }
	})
	for _, c := range []struct {
		path     string
		notReady error
		draining bool
		status   int
	}{
		{path: "/healthz", notReady: errors.New("secret"), draining: true, status: 200},
		{path: "/readyz", status: 200},
		{path: "/readyz", notReady: errors.New("secret"), status: 503},
		{path: "/readyz", draining: true, status: 503},
	} {
		notReady, draining = c.notReady, c.draining
		a := do(t, s, request{method: "GET", path: c.path, header: http.Header{"Accept": {"text/plain"}}})
		if a.status != c.status || strings.Contains(a.body, "secret") {
			t.Errorf("%+v: %d %s", c, a.status, a.body)
		}
		if c.status == 200 && a.body != `{"status":"ok","version":"test"}`+"\n" {
			t.Errorf("%s answers %s", c.path, a.body)
		}
		if c.status == 503 && a.header.Get("Retry-After") == "" {
			t.Errorf("%+v: no Retry-After", c)
		}
	}
}

// anyRole is of a route that is for everybody who has a token.
const anyRole = account.Role("any")

// tokenFor is a token that may use a route.
func tokenFor(r api.RouteInfo) string {
	if leastRole(r) == account.Operator {
		return "operator"
	}
	return "admin"
}

// leastRole says, apart from the table in the code, who may use a route.
func leastRole(r api.RouteInfo) account.Role {
	switch {
	case !strings.HasPrefix(r.Path, api.Base):
		return ""
	case r.Path == api.Base+"/me":
		return anyRole
	case strings.HasPrefix(r.Path, api.Base+"/accounts"):
		return account.Operator
	case strings.HasPrefix(r.Path, api.Base+"/tokens"):
		return account.Admin
	case r.Method == http.MethodGet:
		return account.Viewer
	default:
		return account.Admin
	}
}

func TestAPI5RolesOnRoutes(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, r := range api.Routes() {
		for _, token := range []string{"", "expired", "viewer", "admin", "operator"} {
			least, role := leastRole(r), account.Role(token)
			a := do(t, s, request{method: r.Method, path: pathWithIDs(r.Path), token: token})
			name := fmt.Sprintf("%s %s as %q", r.Method, r.Path, token)
			switch {
			case least == "" || least == anyRole && role.Valid(), role == least,
				role == account.Admin && least == account.Viewer:
				// An empty body is refused after the permission was checked.
				if a.status >= 400 && a.status != http.StatusUnsupportedMediaType {
					t.Errorf("%s: %d %s", name, a.status, a.body)
				}
			case !role.Valid():
				wantProblem(t, a, http.StatusUnauthorized, "unauthenticated")
			default:
				wantProblem(t, a, http.StatusForbidden, "forbidden")
			}
		}
	}
}

func TestEveryRouteRefusesUnknownParameters(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, r := range api.Routes() {
		a := do(t, s, request{method: r.Method, path: pathWithIDs(r.Path) + "?fields=secret&accountId=" + accountB, token: tokenFor(r),
			header: http.Header{"Content-Type": {"application/json"}}, body: bodyOf(r)})
		if got := a.faults(t); !slices.Equal(got, []string{"fields unknown-parameter", "accountId unknown-parameter"}) {
			t.Errorf("%s %s: %v", r.Method, r.Path, got)
		}
	}
}

// pathWithIDs is the path of a route about what the fake knows.
func pathWithIDs(path string) string {
	return strings.NewReplacer(":organizationId", orgID, ":itglueId", "42", ":syncId", syncID, ":tokenId", tokenID, ":accountId", accountA).Replace(path)
}

// bodyOf is a body that a route accepts.
func bodyOf(r api.RouteInfo) string {
	path := strings.TrimPrefix(r.Path, api.Base)
	switch r.Method + " " + path {
	case "POST /integrations/itglue/connect", "POST /integrations/itglue/test":
		return `{"apiKey":"` + canary + `","region":"us"}`
	case "POST /organizations":
		return `{"name":"Contoso","domain":"contoso.com","emailPlatform":"microsoft_365"}`
	case "POST /organizations/import":
		return `{"items":[{"itglueOrganizationId":"42","emailPlatform":"microsoft_365"}]}`
	case "PATCH /organizations/:organizationId":
		return `{"name":"Contoso","emailPlatform":"microsoft_365"}`
	case "PATCH /integrations/itglue":
		return `{"apiKey":"` + canary + `","region":"us","dailySync":{"enabled":true},"autoMap":"off","removalLimitPercent":5,"force":false}`
	case "PUT /mappings/:organizationId":
		return `{"itglueOrganizationId":"42"}`
	case "PATCH /mappings/:organizationId":
		return `{"syncEnabled":false}`
	case "POST /syncs":
		return `{"kind":"manual"}`
	case "POST /tokens", "POST /accounts/:accountId/tokens":
		return `{"name":"Nightly","role":"viewer","expiresAt":"2999-01-31T12:00:00Z"}`
	case "POST /accounts":
		return `{"name":"Northwind"}`
	default:
		return ""
	}
}

func TestHEADAnswersAsGET(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, r := range api.Routes() {
		if r.Method != http.MethodGet {
			continue
		}
		a := do(t, s, request{method: "HEAD", path: pathWithIDs(r.Path), token: tokenFor(r)})
		if a.status != http.StatusOK {
			t.Errorf("HEAD %s is %d", r.Path, a.status)
		}
	}
}

func TestOneTextForAllBadCredentials(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var first string
	for _, headers := range [][]string{
		nil, {""}, {"Bearer"}, {"Bearer "}, {"Basic dTpw"}, {"expired"}, {"Bearer expired"}, {"Bearer admin", "Bearer admin"},
		{"Bearer  admin"}, {"Bearer admin "}, {"Bearer " + strings.Repeat("x", 10_000)},
	} {
		a := do(t, s, request{method: "GET", path: api.Base + "/me", header: http.Header{"Authorization": headers, "X-Request-Id": {"same"}}})
		wantProblem(t, a, http.StatusUnauthorized, "unauthenticated")
		if first == "" {
			first = a.body
		}
		if a.body != first {
			t.Errorf("%q: %s differs from %s", headers, a.body, first)
		}
	}
	for _, header := range []string{"Bearer admin", "bearer admin", "BEARER admin"} {
		a := do(t, s, request{method: "GET", path: api.Base + "/me", header: http.Header{"Authorization": {header}}})
		if a.status != http.StatusOK {
			t.Errorf("%q: %d", header, a.status)
		}
	}
}

func TestAccept(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for accept, ok := range map[string]bool{
		"*/*": true, "application/json": true, "application/*": true, "application/problem+json": true, "APPLICATION/JSON": true,
		"text/html, application/xhtml+xml, */*;q=0.8": true, "application/json; charset=utf-8": true, "text/html;q=0.9, application/json;q=0.1": true,
		"text/html": false, "application/xml": false, "application/json;q=0": false, "*/*;q=0": false, "": true, "rubbish": false,
		"*/*, application/json;q=0, application/problem+json;q=0": false, "application/jsonp": false,
	} {
		a := do(t, s, request{method: "GET", path: api.Base + "/me", token: "viewer", header: http.Header{"Accept": {accept}}})
		if (a.status == http.StatusOK) != ok {
			t.Errorf("%q: %d", accept, a.status)
		}
	}
}
