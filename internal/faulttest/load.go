package faulttest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/orgbridge/orgbridge/internal/e2e"
)

// Send sends a request of a ledger.
func Send(ctx context.Context, c e2e.Client, r *Request) (e2e.Answer, error) {
	if r.Key != "" {
		c = c.WithHeader("Idempotency-Key", r.Key)
	}
	return c.Try(ctx, r.Method, r.Path, r.Body)
}

// Load is a number of clients that write and read without pause. Each has organizations of its own, which it adds, renames, maps and
// unmaps.
type Load struct {
	Ledger Ledger

	tb      testing.TB
	targets [][]string // IT Glue organizations, of each lane
	client  atomic.Pointer[e2e.Client]
	cancel  context.CancelFunc
	working sync.WaitGroup
	sent    atomic.Int64
}

// targetsOfLane is how many IT Glue organizations a lane maps to.
const targetsOfLane = 3

// NewLoad puts what the lanes need into the simulated IT Glue. Call it before the account is connected.
func NewLoad(s *e2e.Site, lanes int) *Load {
	s.T.Helper()
	l := &Load{tb: s.T, targets: make([][]string, lanes)}
	for lane := range l.targets {
		for i := range targetsOfLane {
			l.targets[lane] = append(l.targets[lane], s.Add(targetName(lane, i)))
		}
	}
	return l
}

func targetName(lane, i int) string { return fmt.Sprintf("Load %d-%d", lane, i) }

// Start begins to send, to the server of the client. The account must be connected, and map nothing by itself.
func (l *Load) Start(c e2e.Client) {
	ctx, cancel := context.WithCancel(l.tb.Context())
	l.cancel = cancel
	l.SendTo(c)
	for lane := range l.targets {
		l.working.Go(func() { l.work(ctx, lane) })
	}
	l.tb.Cleanup(l.Stop)
}

// SendTo has the next requests sent with another client, such as one of a server that was started again.
func (l *Load) SendTo(c e2e.Client) { l.client.Store(&c) }

// Stop ends it, when the requests that are under way have been answered.
func (l *Load) Stop() {
	l.cancel()
	l.working.Wait()
}

// Sent is how many requests have been answered, or not.
func (l *Load) Sent() int { return int(l.sent.Load()) }

// work is what one lane does: it works on one organization after the other.
func (l *Load) work(ctx context.Context, lane int) {
	for n := 0; ctx.Err() == nil; n++ {
		domain := fmt.Sprintf("load-%d-%d.example.com", lane, n)
		id := l.add(ctx, domain, n%2 == 0)
		if id == "" {
			continue
		}
		target := l.targets[lane][n%targetsOfLane]
		// The name that it has in IT Glue, so that no sync renames it once it is mapped.
		name := targetName(lane, n%targetsOfLane)
		l.do(ctx, Request{
			Method: http.MethodPatch, Path: "/organizations/" + id, Body: map[string]string{"name": name},
			Thing: "organization " + domain, Value: name,
		})
		l.do(ctx, Request{
			Method: http.MethodPut, Path: "/mappings/" + id, Body: map[string]string{"itglueOrganizationId": target},
			Thing: "mapping " + domain, Value: target,
		})
		if n%5 != 0 {
			l.do(ctx, Request{Method: http.MethodDelete, Path: "/mappings/" + id, Thing: "mapping " + domain})
		}
		l.read(ctx)
	}
}

// add adds an organization. Without an answer it either insists, and asks again with the same key, or leaves that until all is settled.
func (l *Load) add(ctx context.Context, domain string, insist bool) (id string) {
	request := Request{
		Key: uuid.NewString(), Method: http.MethodPost, Path: "/organizations",
		Body:  map[string]string{"name": "New " + domain, "domain": domain, "emailPlatform": "microsoft_365"},
		Thing: "organization " + domain, Value: "New " + domain,
	}
	answer, outcome := l.do(ctx, request)
	for insist && outcome == Unknown && ctx.Err() == nil {
		answer, outcome = l.do(ctx, request)
	}
	var added struct {
		ID string `json:"id"`
	}
	if outcome != OK || json.Unmarshal(answer.Body, &added) != nil {
		return ""
	}
	return added.ID
}

// do sends a request to the end, also when the load is stopped meanwhile, and writes it down. A server that does not answer is left alone
// for a moment.
func (l *Load) do(ctx context.Context, r Request) (e2e.Answer, Outcome) {
	entry := l.Ledger.Begin(r)
	answer, err := Send(context.WithoutCancel(ctx), *l.client.Load(), entry)
	l.Ledger.End(entry, answer, err)
	l.sent.Add(1)
	outcome := OutcomeOf(answer, err)
	if outcome == Unknown {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return answer, outcome
}

// read asks for a list, which is either answered or not available.
func (l *Load) read(ctx context.Context) {
	answer, err := l.client.Load().Try(context.WithoutCancel(ctx), http.MethodGet, "/mappings?limit=50", nil)
	l.sent.Add(1)
	if err == nil && answer.Status != http.StatusOK && answer.Status != http.StatusServiceUnavailable {
		l.tb.Errorf("a list was answered with %d: %s", answer.Status, answer.Body)
	}
}

// Things reads what the ledger's things are now.
func Things(c e2e.Client) map[string]string {
	c.T.Helper()
	now := map[string]string{}
	for _, row := range e2e.All[e2e.RowView](c, "/mappings") {
		now["organization "+row.Organization.Domain] = row.Organization.Name
		if row.ITGlueOrganization != nil {
			now["mapping "+row.Organization.Domain] = row.ITGlueOrganization.ID
		}
	}
	return now
}

// Survived is the end of every proof with a load: nothing acknowledged was lost, nothing refused was done, what was left open is decided
// by asking again, and the invariants hold.
func (l *Load) Survived(c e2e.Client, d *Database) {
	l.tb.Helper()
	l.Stop()
	l.Ledger.Check(l.tb, Things(c))
	l.Ledger.Settle(c)
	l.Ledger.Check(l.tb, Things(c))
	e2e.Eventually(l.tb, e2e.Patience, "the end of all syncs", func() bool {
		return Value[int](l.tb, d, "SELECT count(*) FROM syncs WHERE finished_at IS NULL") == 0
	})
	d.Check(l.tb)
	l.tb.Logf("%d requests: %v", l.Sent(), l.Ledger.Counts())
}
