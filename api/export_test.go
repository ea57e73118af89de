package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/page"
)

// What tests in package api_test see of the inside.

const Base = base

type RouteInfo struct {
	Method, Path string
	Public       bool
	Roles        []string
}

// Routes is the route table without the documentation.
func Routes() []RouteInfo {
	routes := (&server{}).routes()
	out := make([]RouteInfo, 0, len(routes))
	for _, r := range routes {
		info := RouteInfo{Method: r.method, Path: r.path, Public: r.permission == public}
		for _, role := range []account.Role{account.Viewer, account.Admin, account.Operator} {
			if r.permission.allows(role) {
				info.Roles = append(info.Roles, string(role))
			}
		}
		out = append(out, info)
	}
	return out
}

// RegisterUndeclared adds a route that does not say who may use it.
func RegisterUndeclared() error {
	return (&server{}).register(echo.New(), []route{{method: "GET", path: "/open"}})
}

// AnswerOf is the status and the title of a code.
func AnswerOf(code string) (status int, title string) {
	a := answers()[errs.Code(code)]
	return a.status, a.title
}

// RememberedAfter has many addresses show a bad token and a good one each, and tells how many addresses and good tokens are remembered.
func RememberedAfter(ctx context.Context, n int) (addresses, secrets int) {
	a, _ := newAttempts(60, time.Now)
	for i := range n {
		address := netip.AddrFrom4([4]byte{byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}).String()
		_, _ = a.authenticate(ctx, address, "good"+address, goodOnly{})
		_, _ = a.authenticate(ctx, address, "bad"+address, goodOnly{})
	}
	return a.failures.of.Len(), a.proven.Len()
}

type goodOnly struct{}

func (goodOnly) Authenticate(_ context.Context, secret string) (account.Principal, error) {
	if strings.HasPrefix(secret, "good") {
		return account.Principal{}, nil
	}
	return account.Principal{}, errs.New(errs.Unauthenticated, "no")
}

func MakeCursor(p page.Position, binding string) string { return makeCursor(p, binding) }

func OpenCursor(cursor, binding string) (page.Position, bool) { return openCursor(cursor, binding) }

// Bind reads a JSON body into a request struct.
func Bind(body string, into any) error {
	validate, err := newValidator()
	if err != nil {
		return err
	}
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	return (&server{validate: validate}).bind(echo.New().NewContext(r, httptest.NewRecorder()), into)
}

// IdempotencyKey reads a header of a request.
func IdempotencyKey(header string) (string, error) { return idempotencyKey([]string{header}) }

// TagsMatch tells whether a header names a tag.
func TagsMatch(header, tag string, weak bool) bool {
	return tagsOf([]string{header}).match(tag, comparison(weak))
}
