package securitytest_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/faulttest"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// TestAPI7NobodyButITGlueIsAsked has the program told of addresses in every place that it reads, and listens there.
func TestAPI7NobodyButITGlueIsAsked(t *testing.T) {
	t.Parallel()
	var heard atomic.Int64
	trap := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		heard.Add(1)
		w.Header().Set("Content-Type", "application/vnd.api+json")
		_, _ = w.Write([]byte(`{"data":[],"meta":{"total-count":0}}`))
	}))
	trap.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			heard.Add(1)
		}
	}
	trap.Start()
	t.Cleanup(trap.Close)

	site := e2e.NewSite(t, storetest.SQLiteURL(t))
	contoso := site.Add("Contoso", "contoso.com")
	c := site.Serve().Client(site.NewAccount())
	host := strings.TrimPrefix(trap.URL, "http://")
	tried := 0
	for _, region := range addresses(host) {
		for _, path := range []string{"/integrations/itglue/connect", "/integrations/itglue/test"} {
			tried++
			e2e.Call[any](c, http.MethodPost, path, map[string]any{"apiKey": e2e.SimKey, "region": region}, http.StatusUnprocessableEntity)
		}
	}
	c.Ended(c.Connect().ID)
	for _, region := range addresses(host) {
		tried++
		e2e.Call[any](c, http.MethodPatch, "/integrations/itglue", map[string]any{"region": region}, http.StatusUnprocessableEntity)
	}
	for _, id := range []string{host, "..%2F..%2F" + host, "@" + host, "%2F%2F" + host, "1?x=http:%2F%2F" + host} {
		tried++
		status, _ := c.Do(http.MethodGet, "/integrations/itglue/organizations/"+id+"/domains", nil)
		if status < 400 || status >= 500 {
			t.Errorf("%s: status %d", id, status)
		}
	}
	// What IT Glue itself says: elsewhere is not gone to.
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, location := range []string{trap.URL, "//" + host + "/organizations", "http://127.0.0.1@" + host} {
			tried++
			site.Inject(map[string]any{"kind": "redirect", "status": status, "location": location})
			result := e2e.Call[e2e.TestView](c, http.MethodPost, "/integrations/itglue/test", map[string]any{"apiKey": e2e.SimKey, "region": "us"}, http.StatusOK)
			if result.OK {
				t.Errorf("%d to %s was followed", status, location)
			}
			site.Fast()
		}
	}
	site.Inject(map[string]any{"kind": "other-json", "body": `{"data":[],"links":{"next":"` + trap.URL + `"},"meta":{"total-count":1,"next-page":2}}`})
	_, _ = c.Do(http.MethodGet, "/integrations/itglue/organizations/"+contoso+"/domains", nil)
	site.Fast()
	if n := heard.Load(); n > 0 {
		t.Errorf("the listener was heard from %d times", n)
	}
	if answer, err := http.Get(trap.URL); err != nil || heard.Load() == 0 { //nolint:noctx // the control
		t.Errorf("nothing would have been heard: %v", err)
	} else {
		_ = answer.Body.Close()
	}
	faulttest.Figuref(t, "addresses offered to the program, and connections to them", "%d, 0", tried)
}

// addresses are ways to name a host where a region belongs.
func addresses(host string) []string {
	return []string{
		host, "http://" + host, "https://" + host, "//" + host, "us@" + host, "us." + host, "us\n" + host, "us#" + host, "US", "us ", "",
		"http://localhost", "http://0", "http://[::1]", "http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "gopher://" + host,
	}
}
