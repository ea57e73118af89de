package browsertest_test

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

//go:embed testdata/app.js
var app string

// newOrigin serves the app's page from an origin of its own.
func newOrigin(t *testing.T) string {
	t.Helper()
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, `<!DOCTYPE html><title>A separate app</title><link rel="icon" href="data:,"><script>%s</script>`, app)
	}))
	t.Cleanup(pages.Close)
	return pages.URL
}

// asks calls a function of the page and returns what its promise gives.
func asks[T any](b *browser, function string, args ...any) T {
	b.t.Helper()
	text, err := json.Marshal(append([]any{}, args...))
	if err != nil {
		b.t.Fatal(err)
	}
	return run(b, chromedp.Evaluate[T](function+"(..."+string(text)+")", chromedp.EvalAwaitPromise))
}

func TestSinglePageAppOfAnotherOriginPlaysTheGuide(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	origin := newOrigin(t)
	// The page looks at a sync no more often than requests come back to it.
	s := e2e.NewSite(t, storetest.SQLiteURL(t)).
		With("ORGBRIDGE_CORS_ORIGINS=https://app.example.com,"+origin, "ORGBRIDGE_REQUESTS_PER_MINUTE=60")
	token := s.NewAccount()
	server := s.Serve()
	c := server.Client(token)
	for _, name := range []string{"Contoso", "Demo"} {
		c.AddOrganization(name, strings.ToLower(name)+".example.com")
	}
	for _, name := range []string{"Contoso", "Sandbox Graphus", "Juniper Accounting"} {
		s.Add(name, strings.ToLower(strings.Fields(name)[0])+".example.org")
	}

	b.do(chromedp.Navigate(origin))
	got := asks[map[string]any](b, "playGuide", server.Address, token, e2e.SimKey)
	want := map[string]any{
		"otherOrigin":  true, // so that the browser asks before all that follows
		"tile":         "not_connected",
		"connect":      []any{201.0, "ETag", "Location", "RateLimit", "RateLimit-Policy", "X-Request-Id"},
		"connectAgain": []any{201.0, "Idempotency-Replayed"},
		"initialSync":  "succeeded",
		"mappings":     []any{[]any{"Contoso", "Contoso", "active"}, []any{"Demo", "None", "unmapped"}},
		"dropDown":     []any{"Sandbox Graphus"},
		"map":          []any{"active", "precondition-failed"},
		"refresh":      "Sandbox Graphus",
		"pause":        "paused",
		"add":          []any{201.0, "Juniper Accounting", "ETag", "Location"},
		"manualSync":   []any{202.0, true, "succeeded"},
		"dailySync":    false,
		"deactivate":   "confirmation-required",
		"deactivated":  3.0,
		"signedOut":    "unauthenticated",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the page read (-want, +got):\n%s", diff)
	}
	waits := asks[struct {
		Code       string
		RetryAfter int
	}](b, "hurry", server.Address, token, 500)
	if waits.Code != "quota-exceeded" || waits.RetryAfter < 1 {
		t.Errorf("beyond the limit the page read %+v", waits)
	}
}

// documented is what the documentation has frontends do to show the progress of a sync, on a server.
func documented(t *testing.T, server *e2e.Server) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/frontend.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(text), "```js\nconst api = ")
	code, _, found := strings.Cut("const api = "+code, "```")
	here := strings.Replace(code, "https://orgbridge.example.com", server.Address, 1)
	if !found || here == code {
		t.Fatal("the documentation follows no sync")
	}
	return here
}

// TestPageShowsTheProgressOfASyncWithoutAskingAgain has the node end while a page follows a sync, and another one go on in its place.
func TestPageShowsTheProgressOfASyncWithoutAskingAgain(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	origin := newOrigin(t)
	s := e2e.NewSite(t, storetest.SQLiteURL(t)).With("ORGBRIDGE_CORS_ORIGINS=" + origin)
	s.Fill(1200)
	s.Slow(1, 1500*time.Millisecond) // so long that its arrival is told
	s.Slow(2, time.Minute)
	token := s.NewAccount()
	server := s.Serve()
	sync := server.Client(token).Connect().ID

	b.do(chromedp.Navigate(origin))
	asks[any](b, "showProgress", documented(t, server), token, map[string]string{"id": sync})
	type page struct {
		Shown string
		Asked []string
	}
	bar := func() page { return asks[page](b, "shownProgress") }
	e2e.Eventually(t, e2e.Patience, "the first page to be shown", func() bool { return bar().Shown == "progress running 1000 of 1200" })
	if asked := bar().Asked; !slices.Equal(asked, []string{"/api/v1/syncs/" + sync + "/events"}) {
		t.Errorf("the page asked for %q", asked)
	}
	e2e.Terminated(t, server)
	s.Fast()
	s.With("ORGBRIDGE_ADDR=" + strings.TrimPrefix(server.Address, "http://")).Serve()
	e2e.Eventually(t, e2e.Patience, "the end to be shown", func() bool { return strings.HasPrefix(bar().Shown, "ended succeeded") })
	b.keep("progress.png")
}

func TestPageOfAnOriginThatIsNotListedIsRefused(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	s := e2e.NewSite(t, storetest.SQLiteURL(t)).With("ORGBRIDGE_CORS_ORIGINS=https://app.example.com," + newOrigin(t))
	token := s.NewAccount()
	server := s.Serve()
	c := server.Client(token)
	c.Ended(c.Connect().ID)

	b.do(chromedp.Navigate(newOrigin(t)))
	got := asks[map[string]string](b, "intrude", server.Address, token)
	want := map[string]string{"read": "TypeError", "readWithoutPreflight": "TypeError", "write": "TypeError", "remove": "TypeError"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what became of the attempts (-want, +got):\n%s", diff)
	}
	if all := e2e.All[e2e.OrganizationView](c, "/organizations"); len(all) > 0 {
		t.Errorf("the page added %v", all)
	}
	if in := e2e.Call[e2e.IntegrationView](c, "GET", "/integrations/itglue", nil, http.StatusOK); in.Status != "connected" {
		t.Errorf("the integration is %s", in.Status)
	}
}
