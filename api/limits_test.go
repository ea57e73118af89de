package api_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/api"
)

func TestAPI8EveryAnswerHasTheHeadersOfSecurity(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	want := map[string]string{
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	}
	check := func(r request) {
		t.Helper()
		a := do(t, s, r)
		for name, value := range want {
			if got := a.header.Values(name); len(got) != 1 || got[0] != value {
				t.Errorf("%s %.50s, answered %d: %s is %q", r.method, r.path, a.status, name, got)
			}
		}
		for _, name := range []string{"Server", "X-Powered-By", "Access-Control-Allow-Origin", "Set-Cookie"} {
			if a.header.Get(name) != "" {
				t.Errorf("%s %.50s: %s is %q", r.method, r.path, name, a.header.Get(name))
			}
		}
	}
	for _, r := range api.Routes() {
		for _, token := range []string{"admin", "viewer", ""} {
			check(request{method: r.Method, path: pathWithIDs(r.Path), token: token, body: bodyOf(r)})
		}
	}
	check(request{method: "GET", path: "/nowhere"})
	check(request{method: "PUT", path: organizations})
	check(request{method: "OPTIONS", path: organizations})
	check(request{method: "GET", path: "/" + strings.Repeat("a", 9<<10)})
	s.fake.hook = func(context.Context, string) error { panic("x") }
	check(request{method: "GET", path: organizations, token: "viewer"})
}

// TestAPI4RoutesWithoutABodyRefuseOne has what is sent to no effect be told, instead of passed over.
func TestAPI4RoutesWithoutABodyRefuseOne(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, r := range api.Routes() {
		if bodyOf(r) != "" {
			continue
		}
		for _, body := range []string{`{"force":true}`, `{}`, "null", " ", strings.Repeat(" ", 900_000)} {
			for _, header := range []http.Header{nil, {"Content-Type": {"text/plain"}}, {"Idempotency-Key": {"k"}}} {
				a := do(t, s, request{method: r.Method, path: pathWithIDs(r.Path), token: tokenFor(r), body: body, header: header, odd: true})
				wantProblem(t, a, 422, "validation-failed")
				if got := strings.Join(a.faults(t), ","); got != " unknown-field" {
					t.Errorf("%s %s: %q", r.Method, r.Path, got)
				}
			}
		}
	}
	if calls := s.fake.called(); strings.Trim(strings.Join(calls, ""), "ClaimKeyRs") != "" {
		t.Errorf("calls: %v", calls)
	}
}

func TestAPI4HeadersAreLimitedExactly(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	send := func(size int, names int) answer {
		// Host, Authorization and Accept have their part of it; example.com is the host of these requests.
		size -= len("Host: example.com\r\n") + len("Authorization: Bearer viewer\r\n")
		header := http.Header{}
		for i := range names {
			line := size / names
			if i == 0 {
				line += size % names
			}
			header.Add("X-Filler", strings.Repeat("a", line-len("X-Filler: \r\n")))
		}
		return do(t, s, request{method: "GET", path: api.Base + "/me", token: "viewer", header: header})
	}
	for _, names := range []int{1, 2, 100} {
		if a := send(32<<10, names); a.status != http.StatusOK {
			t.Errorf("%d headers of 32 KiB: %d %s", names, a.status, a.body)
		}
		wantProblem(t, send(32<<10+1, names), http.StatusRequestHeaderFieldsTooLarge, "headers-too-large")
	}
}

// brokenBody fails as a connection does.
type brokenBody struct{ err error }

func (b brokenBody) Read([]byte) (int, error) { return 0, b.err }
func (brokenBody) Close() error               { return nil }

func TestAPI4BodiesThatDoNotArriveAreTold(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{os.ErrDeadlineExceeded, http.StatusRequestTimeout, "request-timeout"},
		{io.ErrUnexpectedEOF, http.StatusBadRequest, "malformed-body"},
		{errors.New("malformed chunked encoding"), http.StatusBadRequest, "malformed-body"},
	} {
		for _, r := range api.Routes() {
			if r.Method == http.MethodGet {
				continue
			}
			for _, key := range []string{"", "k"} {
				broken := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					r.Body, r.ContentLength = brokenBody{c.err}, -1
					s.ServeHTTP(w, r)
				})
				req := request{method: r.Method, path: pathWithIDs(r.Path), token: tokenFor(r), odd: true, header: http.Header{"Content-Type": {"application/json"}}}
				if key != "" {
					req.header.Set("Idempotency-Key", key)
				}
				status, code := c.status, c.code
				if bodyOf(r) == "" && (key == "" || r.Method != http.MethodPost) {
					status, code = 422, "validation-failed" // there is one, that is enough
				}
				wantProblem(t, do(t, broken, req), status, code)
			}
		}
	}
}

// TestAPI8AConnectionEndsAfterABodyOfUnknownLength leaves nothing on it that two servers could understand as different requests.
func TestAPI8AConnectionEndsAfterABodyOfUnknownLength(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for length, want := range map[int64]string{-1: "close", 17: ""} {
		req := httptest.NewRequestWithContext(t.Context(), "POST", api.Base+"/syncs", strings.NewReader(`{"kind":"manual"}`))
		req.Header.Set("Authorization", "Bearer admin")
		req.Header.Set("Content-Type", "application/json")
		req.ContentLength = length
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		if got := w.Header().Get("Connection"); w.Code != http.StatusAccepted || got != want {
			t.Errorf("a body of length %d: %d, Connection %q", length, w.Code, got)
		}
	}
}

// TestAPI8DocumentsKnowNoConditionsButTheTag has no answers in plain text, as net/http gives them for a bad range.
func TestAPI8DocumentsKnowNoConditionsButTheTag(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, header := range []http.Header{
		{"Range": {"bytes=0-1"}}, {"Range": {"bytes=99999999-"}}, {"Range": {"rubbish"}}, {"If-Match": {`"x"`}},
		{"If-Unmodified-Since": {"Mon, 01 Jan 2001 00:00:00 GMT"}}, {"If-Range": {`"x"`}},
	} {
		for _, path := range []string{"/openapi.json", "/swagger/", "/swagger/init.js"} {
			a := do(t, s, request{method: "GET", path: path, header: header})
			if whole := do(t, s, request{method: "GET", path: path}); a.status != http.StatusOK || a.body != whole.body {
				t.Errorf("%s with %v: %d with %d bytes", path, header, a.status, len(a.body))
			}
		}
	}
}
