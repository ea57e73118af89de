package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/api"
)

// canary stands for an IT Glue key: it must never come back in an answer or reach the log.
const canary = "ITG.CANARY-7f3a9c"

// secretCanary stands for the secret of a token: it must be in the answer that makes the token, and nowhere else.
const secretCanary = "orgb_canary7f3a9c"

// testServer is the whole handler over a fake, or over whatever a test puts in its place.
type testServer struct {
	http.Handler

	fake *fake
	log  *logBuffer
}

// dependencies are those of a server over the fake. Tests change what they need to.
func dependencies(f *fake, log io.Writer) api.Dependencies {
	return api.Dependencies{
		Log:      slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now:      time.Now,
		Ready:    func(context.Context) error { return nil },
		Draining: func() bool { return false },
		Version:  "test",

		Authenticator: f, Tokens: f, Accounts: f, AccountService: f, Integrations: f, IntegrationService: f, Organizations: f, OrganizationService: f,
		Mappings: f, MappingService: f, Syncs: f, SyncService: f, Events: f, Streams: hurried{}, Keys: f,
	}
}

func newServer(t *testing.T, change ...func(*api.Dependencies)) *testServer {
	t.Helper()
	s := &testServer{fake: newFake(), log: &logBuffer{}}
	d := dependencies(s.fake, s.log)
	for _, c := range change {
		c(&d)
	}
	var err error
	if s.Handler, err = api.New(d); err != nil {
		t.Fatal(err)
	}
	return s
}

// request is one call. Without a token it is anonymous; a body is sent as JSON unless the header says something else.
type request struct {
	method string
	path   string
	token  string
	body   string
	header http.Header
	// remote is the other end of the connection, some address when it is empty.
	remote string
	ctx    context.Context //nolint:containedctx // a test's request is data
	// odd tells that the fake fails in a way that is not for this route, so that the document does not describe the status.
	odd bool
}

type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request and checks what must hold for every answer, whatever the request.
func do(t *testing.T, h http.Handler, r request) answer {
	t.Helper()
	ctx := r.ctx
	if ctx == nil {
		ctx = t.Context()
	}
	var body io.Reader
	if r.body != "" {
		body = strings.NewReader(r.body)
	}
	req := httptest.NewRequestWithContext(ctx, r.method, r.path, body)
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	if r.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	maps.Copy(req.Header, r.header)
	if r.remote != "" {
		req.RemoteAddr = r.remote
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	a := answer{status: w.Code, header: w.Header(), body: w.Body.String()}
	checkAnswer(t, r, a)
	checkDocumented(t, r, a)
	return a
}

func checkAnswer(t *testing.T, r request, a answer) {
	t.Helper()
	for _, name := range []string{"X-Request-Id", "X-Content-Type-Options", "Cache-Control"} {
		if a.header.Get(name) == "" {
			t.Errorf("%s %s: no %s", r.method, r.path, name)
		}
	}
	if strings.Contains(a.body, canary) {
		t.Errorf("%s %s: the answer repeats the key: %s", r.method, r.path, a.body)
	}
	if a.status < 400 {
		return
	}
	p := a.problem(t)
	path, _, _ := strings.Cut(r.path, "?")
	if p.Status != a.status || p.Type != "urn:orgbridge:problem:"+p.Code || p.Title == "" || p.Detail == "" ||
		p.Instance != path || p.RequestID != a.header.Get("X-Request-ID") {
		t.Errorf("%s %s: %d with the problem %+v", r.method, r.path, a.status, p)
	}
	if p.Code == "validation-failed" && len(p.Errors) == 0 {
		t.Errorf("%s %s: validation failed without a fault", r.method, r.path)
	}
}

func (a answer) problem(t *testing.T) api.Problem {
	t.Helper()
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("%d is a %q: %s", a.status, got, a.body)
	}
	var p api.Problem
	a.decode(t, &p)
	return p
}

func (a answer) decode(t *testing.T, into any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("decode %s: %v", a.body, err)
	}
}

// faults are the single faults as "place code".
func (a answer) faults(t *testing.T) []string {
	t.Helper()
	all := a.problem(t).Errors
	out := make([]string, 0, len(all))
	for _, e := range all {
		place := e.Parameter
		if e.Pointer != nil {
			place = *e.Pointer
		}
		out = append(out, place+" "+e.Code)
	}
	return out
}

func wantProblem(t *testing.T, a answer, status int, code string) {
	t.Helper()
	if a.status != status || a.problem(t).Code != code {
		t.Errorf("got %d %s, want %d %s", a.status, a.body, status, code)
	}
}

// logBuffer is a log that may be written to from several goroutines.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Reset()
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// level returns the messages that were logged at a level.
func (l *logBuffer) level(t *testing.T, level slog.Level) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(l.String()) {
		var entry struct {
			Level string `json:"level"`
			Msg   string `json:"msg"`
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Level == level.String() {
			out = append(out, entry.Msg)
		}
	}
	return out
}
