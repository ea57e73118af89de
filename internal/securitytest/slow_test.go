package securitytest_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/securitytest"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// crowd is a server with many connections that do not get on.
type crowd struct {
	server *e2e.Server
	token  string
	wires  []*securitytest.Wire
}

// newCrowd opens connections and writes the beginning of a request on each.
func newCrowd(t *testing.T, size int, beginning string) *crowd {
	t.Helper()
	site := e2e.NewSite(t, storetest.SQLiteURL(t))
	c := &crowd{server: site.Serve(), token: site.NewAccount()}
	for range size {
		w := securitytest.Dial(t, c.server.Address)
		w.Within(3 * time.Minute)
		w.Send(strings.ReplaceAll(beginning, "TOKEN", c.token))
		c.wires = append(c.wires, w)
	}
	return c
}

// othersAreServed makes requests beside the crowd.
func (c *crowd) othersAreServed(t *testing.T) {
	t.Helper()
	for range 20 {
		e2e.Call[e2e.IntegrationView](c.server.Client(c.token), "GET", "/integrations/itglue", nil, http.StatusOK)
		c.server.Client(c.token).AddOrganization("Contoso", securitytest.Unique("c")+".example.com")
	}
}

// trickle writes a byte on each connection every second until the server has closed all of them.
func (c *crowd) trickle(t *testing.T, text string) (gone *sync.WaitGroup) {
	t.Helper()
	gone = &sync.WaitGroup{}
	for _, w := range c.wires {
		gone.Go(func() {
			closed := make(chan struct{})
			go func() {
				_, _ = io.Copy(io.Discard, w)
				close(closed)
			}()
			for i := 0; ; i++ {
				select {
				case <-closed:
					return
				case <-time.After(time.Second):
					w.Send(text[i%len(text) : i%len(text)+1])
				}
			}
		})
	}
	return gone
}

// within fails the test when something does not end.
func within(t *testing.T, limit time.Duration, what string, all *sync.WaitGroup) {
	t.Helper()
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(limit):
		t.Fatalf("waited %s in vain for: %s", limit, what)
	}
}

// TestAPI4SlowHeadersHoldNobodyUp opens connections on which the headers of a request never end.
func TestAPI4SlowHeadersHoldNobodyUp(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, securitytest.Rounds(200, 2000), "GET /api/v1/me HTTP/1.1\r\nHost: a\r\n")
	gone := c.trickle(t, "X-A: b\r\n")
	c.othersAreServed(t)
	within(t, e2e.Patience, "the server to end requests whose headers do not", gone)
	c.othersAreServed(t)
}

// TestAPI4SlowBodiesHoldNobodyUp has bodies that come by the byte; each is answered when its time is over.
func TestAPI4SlowBodiesHoldNobodyUp(t *testing.T) {
	t.Parallel()
	if !securitytest.Long() {
		t.Skip("takes the half minute that a body has")
	}
	const post = "POST /api/v1/syncs HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer TOKEN\r\nContent-Type: application/json\r\n"
	c := newCrowd(t, 2000, post+"Content-Length: 1000\r\n\r\n{")
	answered := securitytest.Dial(t, c.server.Address)
	answered.Within(2 * time.Minute)
	answered.Send(strings.ReplaceAll(post, "TOKEN", c.token) + "Content-Length: 1000\r\n\r\n{")
	gone := c.trickle(t, " ")
	c.othersAreServed(t)
	if answers, _ := answered.Answers(1); len(answers) != 1 || answers[0].Status != http.StatusRequestTimeout {
		t.Errorf("answers: %v", answers)
	}
	within(t, 2*time.Minute, "the server to end requests whose bodies do not", gone)
	c.othersAreServed(t)
}

// TestAPI4SlowReadersHoldNobodyUp has clients that ask for much and read none of it.
func TestAPI4SlowReadersHoldNobodyUp(t *testing.T) {
	t.Parallel()
	if !securitytest.Long() {
		t.Skip("takes the time that an answer has to be written")
	}
	c := newCrowd(t, 300, "")
	for _, w := range c.wires {
		_ = w.SetReadBuffer(4096)
		w.Send(strings.Repeat("GET /swagger/swagger-ui-bundle.js HTTP/1.1\r\nHost: a\r\n\r\n", 20))
	}
	c.othersAreServed(t)
	var gone sync.WaitGroup
	for _, w := range c.wires {
		gone.Go(func() {
			for { // a write fails once the server has closed
				if _, err := w.Write([]byte("\r\n")); err != nil {
					return
				}
				<-time.After(time.Second)
			}
		})
	}
	within(t, 4*time.Minute, "the server to give up on clients that do not read", &gone)
	c.othersAreServed(t)
}

// TestAPI4IdleConnectionsHoldNobodyUp opens connections that are never used again.
func TestAPI4IdleConnectionsHoldNobodyUp(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, securitytest.Rounds(500, 8000), "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
	for _, w := range c.wires {
		if answers, _ := w.Answers(1); len(answers) != 1 || answers[0].Status != http.StatusOK {
			t.Fatalf("answers: %v", answers)
		}
	}
	c.othersAreServed(t)
	if !securitytest.Long() {
		return
	}
	var gone sync.WaitGroup
	for _, w := range c.wires {
		gone.Go(func() { _, _ = io.Copy(io.Discard, w) })
	}
	within(t, 3*time.Minute, "the server to close idle connections", &gone)
}
