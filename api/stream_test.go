package api_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/live"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// wire is a world that is listened to over real connections, and whose streams last.
type wire struct {
	*world

	streams *live.Service
	auth    *countingAuthenticator
	server  *httptest.Server
	took    chan time.Duration // until streams were answered, as it is observed at their ends
}

// newWire is a node on the database. Limits that are left out are those of the product, but for the heartbeat, which is 50 ms, and the
// patience, which is that of tests.
func newWire(t *testing.T, db *store.Store, limits live.Config, change ...func(*http.Server)) *wire {
	t.Helper()
	w := &wire{auth: &countingAuthenticator{}, took: make(chan time.Duration, 1000)}
	limits.Source = db
	if limits.Heartbeat == 0 {
		limits.Heartbeat = 50 * time.Millisecond
	}
	limits.Patience = cmp.Or(limits.Patience, e2e.Patience)
	w.streams = live.NewService(limits)
	w.world = newWorldOn(t, db, func(d *api.Dependencies) {
		d.Streams = w.streams
		w.auth.Authenticator = d.Authenticator
		d.Authenticator = w.auth
		d.Now = time.Now
		d.Observe = func(_, route string, _ int, took time.Duration) {
			if strings.HasSuffix(route, "/events/stream") {
				w.took <- took
			}
		}
	})
	w.server = httptest.NewUnstartedServer(w.world)
	for _, c := range change {
		c(w.server.Config)
	}
	w.server.Start()
	t.Cleanup(w.server.Close)
	t.Cleanup(w.server.CloseClientConnections)
	return w
}

// telling has a store tell of changes until the test ends.
func telling(t *testing.T, db *store.Store) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var teller sync.WaitGroup
	teller.Go(func() { db.TellChanges(ctx) })
	t.Cleanup(func() {
		cancel()
		teller.Wait()
	})
	e2e.Eventually(t, e2e.Patience, "the store to be told of changes", db.Prompt)
}

func (w *wire) client(t *testing.T, token string) e2e.Client {
	t.Helper()
	return e2e.Client{T: t, Base: w.server.URL + api.Base, Token: token}
}

// following opens the stream of events.
func (w *wire) following(t *testing.T, lastID string) *e2e.Stream {
	t.Helper()
	return w.client(t, w.viewer).Follow("/events/stream", lastID)
}

type streamedEvent struct {
	Sequence int64  `json:"sequence"`
	Type     string `json:"type"`
}

// take reads so many events, whose ids have to be their numbers.
func take(t *testing.T, s *e2e.Stream, n int) (sequences []int64) {
	t.Helper()
	for range n {
		var e streamedEvent
		m, err := s.NextData(&e)
		if err != nil {
			t.Fatalf("after %v: %v", sequences, err)
		}
		if m.ID != strconv.FormatInt(e.Sequence, 10) {
			t.Errorf("the event %d has the id %q", e.Sequence, m.ID)
		}
		sequences = append(sequences, e.Sequence)
	}
	return sequences
}

// ended reads a stream until the server ends it, and fails if it is cut off.
func ended(t *testing.T, s *e2e.Stream) (data int) {
	t.Helper()
	for {
		m, err := s.Next()
		if errors.Is(err, io.EOF) {
			return data
		}
		if err != nil {
			t.Fatalf("the stream did not end in order: %v", err)
		}
		if m.Data != "" {
			data++
		}
	}
}

// listed are the numbers of all events, oldest first.
func (w *wire) listed(t *testing.T) (sequences []int64) {
	t.Helper()
	for _, e := range e2e.All[streamedEvent](w.client(t, w.viewer), "/events") {
		sequences = append(sequences, e.Sequence)
	}
	slices.Reverse(sequences)
	return sequences
}

func equal[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestStreamOfEventsBeginsAndGoesOnWhereTheClientSays(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		telling(t, db)
		w := newWire(t, db, live.Config{})
		for i := range 3 {
			w.add(t, fmt.Sprint("Contoso ", i), fmt.Sprintf("c%d.example.com", i))
		}
		fresh := w.following(t, "")
		first, err := fresh.Next()
		if newest := w.listed(t); err != nil || first.ID != strconv.FormatInt(newest[len(newest)-1], 10) || first.Data != "" {
			t.Errorf("begins with %+v, %v; the newest of %v is meant", first, err, newest)
		}
		whole := w.following(t, "0")
		before := w.listed(t)
		equal(t, "from the first", take(t, whole, len(before)), before)
		for i := range 4 {
			w.add(t, fmt.Sprint("Fabrikam ", i), fmt.Sprintf("f%d.example.com", i))
		}
		all := w.listed(t)
		since := all[len(before):]
		equal(t, "since it was opened", take(t, fresh, len(since)), since)
		equal(t, "goes on", take(t, whole, len(since)), since)
		for i, last := range all {
			s := w.following(t, strconv.FormatInt(last, 10))
			equal(t, "resumed", take(t, s, len(all)-i-1), all[i+1:])
			s.Close()
		}
		if header := whole.Answer.Header; header.Get("Content-Type") != "text/event-stream" || header.Get("Cache-Control") != "no-store" ||
			header.Get("X-Content-Type-Options") != "nosniff" || header.Get("X-Request-ID") == "" || header.Get("X-Accel-Buffering") != "no" {
			t.Errorf("headers: %v", header)
		}
	})
}

// TestStreamWithoutHintsLooksForItself has nobody tell of changes: it takes a second longer.
func TestStreamWithoutHintsLooksForItself(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		w := newWire(t, db, live.Config{Heartbeat: time.Hour})
		s := w.following(t, "")
		w.add(t, "Contoso", "contoso.com")
		all := w.listed(t)
		equal(t, "found", take(t, s, 1), all[len(all)-1:])
	})
}

func TestStreamIsToldByAnotherNode(t *testing.T) {
	t.Parallel()
	here := storetest.Postgres(t)
	there := storetest.Open(t, here.PostgresPool().Config().ConnString(), store.Options{})
	telling(t, here)
	telling(t, there)
	// It looks for itself every ten seconds, and not at all for its heartbeat.
	a, b := newWire(t, here, live.Config{Heartbeat: time.Hour}), newWire(t, there, live.Config{Heartbeat: time.Hour})
	s := b.client(t, a.viewer).Follow("/events/stream", "")
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for i := range 20 {
		a.add(t, "Contoso", fmt.Sprintf("c%d.example.com", i))
		take(t, s, 1)
	}
	took := time.Since(began)
	t.Logf("figure: 20 changes on one node, each told by the other: %v", took)
	if took > time.Minute {
		t.Errorf("20 changes took %v: they were looked for", took)
	}
}

type streamedSync struct {
	ID     string `json:"id"`
	Status string `json:"status"`
}

func TestStreamOfASyncTellsItsStatesOnceAndItsEnd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		telling(t, db)
		w := newWire(t, db, live.Config{})
		w.connect(t)
		id := w.call(t, "POST", "/syncs", `{"kind":"manual"}`, 202).text(t, "id")
		path := "/syncs/" + id + "/events"
		s := w.client(t, w.viewer).Follow(path, "")
		var queued streamedSync
		first, err := s.NextData(&queued)
		if err != nil || first.Event != "progress" || queued.ID != id || queued.Status != "queued" {
			t.Fatalf("%+v, %v", first, err)
		}
		shown := do(t, w, request{method: "GET", path: api.Base + "/syncs/" + id, token: w.viewer})
		if first.Data+"\n" != shown.body || `"`+first.ID+`"` != shown.header.Get("ETag") {
			t.Errorf("told %+v, shown %s %s", first, shown.header.Get("ETag"), shown.body)
		}
		w.work(t)
		seen, last := map[string]bool{first.ID: true}, first
		for last.Event != "ended" {
			var state streamedSync
			if last, err = s.NextData(&state); err != nil || seen[last.ID] {
				t.Fatalf("%+v, %v after %v", last, err, seen)
			}
			seen[last.ID] = true
		}
		if ended(t, s) > 0 {
			t.Error("something follows the end")
		}
		if shown := w.call(t, "GET", "/syncs/"+id, "", 200); !strings.Contains(last.Data, shown.text(t, "finishedAt")) {
			t.Errorf("ended with %s", last.Data)
		}

		again := w.client(t, w.viewer).Follow(path, first.ID)
		if m, err := again.NextData(&queued); err != nil || m != last || ended(t, again) > 0 {
			t.Errorf("who has seen the beginning gets %+v, %v", m, err)
		}
		over := do(t, w, request{method: "GET", path: api.Base + path, token: w.viewer, header: http.Header{"Last-Event-Id": {last.ID}}})
		if over.status != http.StatusNoContent || over.body != "" {
			t.Errorf("who has seen the end gets %d %s", over.status, over.body)
		}
	})
}

func TestAPI1StreamsOfOthersAreNotThere(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		telling(t, db)
		w := newWire(t, db, live.Config{})
		w.connect(t)
		id := w.call(t, "POST", "/syncs", `{"kind":"manual"}`, 202).text(t, "id")
		stranger, _ := w.newAccount(t)
		for _, method := range []string{"GET", "HEAD"} {
			for _, other := range []string{id, noID} {
				a := do(t, w, request{method: method, path: api.Base + "/syncs/" + other + "/events", token: stranger})
				if a.status != http.StatusNotFound {
					t.Errorf("%s of %s: %d %s", method, other, a.status, a.body)
				}
			}
		}
		newest := w.listed(t)
		a := do(t, w, request{
			method: "GET", path: api.Base + "/events/stream", token: stranger,
			header: http.Header{"Last-Event-Id": {strconv.FormatInt(newest[len(newest)-1], 10)}},
		})
		wantProblem(t, a, http.StatusUnprocessableEntity, "validation-failed")
		theirs := w.client(t, stranger).Follow("/events/stream", "0")
		take(t, theirs, 3) // the account and its two tokens
		w.add(t, "Contoso", "contoso.com")
		w.callAs(t, stranger, "POST", "/organizations", `{"name":"Theirs","domain":"theirs.example.com","emailPlatform":"microsoft_365"}`, 201)
		var next struct {
			Organization struct {
				Name string `json:"name"`
			} `json:"organization"`
		}
		if _, err := theirs.NextData(&next); err != nil || next.Organization.Name != "Theirs" {
			t.Errorf("%+v, %v", next, err)
		}
		if w.streams.Following() != 1 {
			t.Errorf("%d follow", w.streams.Following())
		}
	})
}

// TestStreamOutlivesTheDeadlinesOfTheServer has a server whose requests and answers have to be whole in a moment.
func TestStreamOutlivesTheDeadlinesOfTheServer(t *testing.T) {
	t.Parallel()
	const deadline = time.Second
	w := newWire(t, storetest.SQLite(t), live.Config{Heartbeat: deadline / 4}, func(s *http.Server) {
		s.ReadTimeout, s.WriteTimeout, s.IdleTimeout = deadline, deadline, deadline
	})
	s := w.following(t, "")
	for beats := 0; beats < 8; {
		m, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if m.Comment == "heartbeat" {
			beats++
		}
	}
	w.add(t, "Contoso", "contoso.com")
	take(t, s, 1)
}

func TestAPI2StreamEndsWithItsToken(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, w *wire){
		"revoked":                func(_ *testing.T, w *wire) { w.auth.revoked.Store(true) },
		"cannot be checked":      func(_ *testing.T, w *wire) { w.auth.away.Store(true) },
		"revoked by a colleague": func(t *testing.T, w *wire) { t.Helper(); w.revoke(t, w.viewer) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, storetest.SQLite(t), live.Config{})
			s := w.following(t, "0")
			take(t, s, 1)
			spoil(t, w)
			ended(t, s)
			e2e.Eventually(t, e2e.Patience, "the stream to be given up", func() bool { return w.streams.Following() == 0 })
		})
	}
}

// TestAPI2StreamThatCatchesUpEndsWithItsToken has a client that reads a long history slowly, and never waits for anything new.
func TestAPI2StreamThatCatchesUpEndsWithItsToken(t *testing.T) {
	t.Parallel()
	w := newWire(t, storetest.SQLite(t), live.Config{}, smallBuffers)
	const events = 19001
	w.history(t)
	s := w.following(t, "0")
	take(t, s, 1)
	w.revoke(t, w.viewer)
	<-time.After(200 * time.Millisecond) // four heartbeats
	if n := ended(t, s); n >= events-1 {
		t.Errorf("it told of all %d events", n)
	}
}

// smallBuffers has a server soon wait for clients that do not read.
func smallBuffers(s *http.Server) {
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetWriteBuffer(4 << 10)
		}
		return ctx
	}
}

// history gives the account 19,001 events more, of which the last one has the number 20,000.
func (w *wire) history(t *testing.T) {
	t.Helper()
	account := w.call(t, "GET", "/me", "", 200).text(t, "account.id")
	storetest.Exec(t, w.db, `WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
		INSERT INTO events (account_id, seq, type, at, detail) SELECT $1, i, 'organization.changed', '2026-01-02 03:04:05+00:00', $2 FROM n`,
		account, strings.Repeat("x", 400))
	storetest.Exec(t, w.db, "UPDATE accounts SET last_event = 20000 WHERE id = $1", account)
}

// revoke revokes the token with the secret.
func (w *wire) revoke(t *testing.T, secret string) {
	t.Helper()
	who, err := w.accounts.Authenticate(t.Context(), secret)
	if err == nil {
		err = w.db.RevokeToken(t.Context(), who.Account.ID, who.Token.ID, event.Actor{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestStreamsEndWhenTheProcessDoes(t *testing.T) {
	t.Parallel()
	w := newWire(t, storetest.SQLite(t), live.Config{Heartbeat: time.Hour})
	w.connect(t)
	id := w.call(t, "POST", "/syncs", `{"kind":"manual"}`, 202).text(t, "id")
	streams := []*e2e.Stream{w.following(t, ""), w.following(t, "0"), w.client(t, w.admin).Follow("/syncs/"+id+"/events", "")}
	began := time.Now()
	w.streams.Close()
	for _, s := range streams {
		ended(t, s)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
	a := do(t, w, request{method: "GET", path: api.Base + "/events/stream", token: w.viewer})
	wantProblem(t, a, http.StatusServiceUnavailable, "unavailable")
	if a.header.Get("Retry-After") == "" {
		t.Error("it does not say when to come again")
	}
}

func TestAPI4StreamsAreLimited(t *testing.T) {
	t.Parallel()
	w := newWire(t, storetest.SQLite(t), live.Config{PerCaller: 2, InAll: 3})
	refused := func(token string, status int, code string) {
		t.Helper()
		a := do(t, w, request{method: "GET", path: api.Base + "/events/stream", token: token})
		wantProblem(t, a, status, code)
		if a.header.Get("Retry-After") == "" {
			t.Error("it does not say when to come again")
		}
	}
	first := w.following(t, "")
	w.following(t, "")
	refused(w.viewer, http.StatusTooManyRequests, "quota-exceeded")
	w.client(t, w.admin).Follow("/events/stream", "")
	refused(w.admin, http.StatusServiceUnavailable, "unavailable")
	first.Close()
	e2e.Eventually(t, e2e.Patience, "the place to be free", func() bool { return w.streams.Following() == 2 })
	w.following(t, "")
}

// TestAPI4StreamIsOneRequestOfTheQuota lets a token make three requests.
func TestAPI4StreamIsOneRequestOfTheQuota(t *testing.T) {
	t.Parallel()
	streams := live.NewService(live.Config{Source: silent{}, Heartbeat: 10 * time.Millisecond, Patience: e2e.Patience})
	s := newServer(t, func(d *api.Dependencies) { d.RequestsPerMinute, d.Streams = 3, streams; d.Now = noon })
	server := httptest.NewServer(s)
	defer server.Close()
	defer streams.Close()
	c := e2e.Client{T: t, Base: server.URL + api.Base, Token: "viewer"}
	stream := c.Follow("/events/stream", "")
	for range 10 {
		if _, err := stream.Next(); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int{200, 200, 429} {
		if status, body := c.Do("GET", "/events", nil); status != want {
			t.Errorf("%d %s, want %d", status, body, want)
		}
	}
}

func TestHEADOfAStreamDoesNotWait(t *testing.T) {
	t.Parallel()
	w := newWire(t, storetest.SQLite(t), live.Config{Heartbeat: time.Hour})
	for range 3 {
		a := do(t, w, request{method: "HEAD", path: api.Base + "/events/stream", token: w.viewer})
		if a.status != http.StatusOK || a.body != "" || a.header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("%d %s %v", a.status, a.body, a.header)
		}
	}
	if w.streams.Following() != 0 {
		t.Errorf("%d follow", w.streams.Following())
	}
}

func TestStreamIsRefusedToWhoCannotReadIt(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for accept, ok := range map[string]bool{
		"": true, "*/*": true, "text/event-stream": true, "text/*": true, "text/event-stream, */*;q=0.1": true,
		"application/json": false, "text/html": false, "text/event-stream;q=0": false,
	} {
		a := do(t, s, request{method: "GET", path: api.Base + "/events/stream", token: "viewer", header: http.Header{"Accept": {accept}}})
		if (a.status == http.StatusOK) != ok {
			t.Errorf("%q: %d %s", accept, a.status, a.body)
		}
		if !ok {
			wantProblem(t, a, http.StatusNotAcceptable, "not-acceptable")
		}
	}
}

// TestAPI4ClientThatDoesNotReadIsDropped has one client take nothing of a long history, while another one goes on.
func TestAPI4ClientThatDoesNotReadIsDropped(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	telling(t, db)
	w := newWire(t, db, live.Config{Patience: time.Second}, smallBuffers)
	w.history(t)

	dialer := net.Dialer{}
	idle, err := dialer.DialContext(t.Context(), "tcp", w.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	if tcp, ok := idle.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(4 << 10)
	}
	fmt.Fprintf(idle, "GET %s/events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nLast-Event-ID: 0\r\n\r\n", api.Base, w.viewer)
	e2e.Eventually(t, e2e.Patience, "the idle client to follow", func() bool { return w.streams.Following() == 1 })
	reader := w.following(t, "19999")
	take(t, reader, 1)
	e2e.Eventually(t, e2e.Patience, "the idle client to be dropped", func() bool { return w.streams.Following() == 1 })
	w.add(t, "Contoso", "contoso.com")
	equal(t, "the other one", take(t, reader, 1), []int64{20001})
}

// TestAPI4ManyStreamsTakeBoundedMemory has 200 clients be told the same, and leave.
func TestAPI4ManyStreamsTakeBoundedMemory(t *testing.T) { //nolint:paralleltest // it measures the memory of the process
	const clients, most = 200, 256 << 10
	db := storetest.SQLite(t)
	telling(t, db)
	w := newWire(t, db, live.Config{PerCaller: clients, Heartbeat: time.Hour})
	before := inUse()
	streams := make([]*e2e.Stream, clients)
	for i := range streams {
		streams[i] = w.following(t, "")
	}
	after := inUse()
	if w.streams.Following() != clients {
		t.Errorf("%d follow", w.streams.Following())
	}
	w.add(t, "Contoso", "contoso.com")
	newest := w.listed(t)
	for _, s := range streams {
		equal(t, "told", take(t, s, 1), newest[len(newest)-1:])
	}
	each := (int64(after) - int64(before)) / clients // client and server are one process here
	t.Logf("figure: memory of a stream, with its client: %d KiB", each>>10)
	if each > most {
		t.Errorf("%d bytes for each stream", each)
	}
	for _, s := range streams {
		s.Close()
	}
	e2e.Eventually(t, e2e.Patience, "the streams to end", func() bool { return w.streams.Following() == 0 })
}

func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// TestStreamIsLoggedOnceAtItsEnd reads the access log. What is measured of a stream ends with the wait for it.
func TestStreamIsLoggedOnceAtItsEnd(t *testing.T) {
	t.Parallel()
	w := newWire(t, storetest.SQLite(t), live.Config{})
	asked := time.Now()
	s := w.following(t, "")
	waited := time.Since(asked)
	for beats := 0; beats < 2; {
		if m, err := s.Next(); err != nil {
			t.Fatal(err)
		} else if m.Comment == "heartbeat" {
			beats++
		}
	}
	if strings.Contains(w.log.String(), "/events/stream") {
		t.Error("it is logged before its end")
	}
	s.Close()
	if took := <-w.took; took > waited {
		t.Errorf("took %s, and the client had its beginning after %s", took, waited)
	}
	e2e.Eventually(t, e2e.Patience, "the log of the stream", func() bool {
		return strings.Count(w.log.String(), `"route":"/api/v1/events/stream"`) == 1
	})
	if strings.Contains(w.log.String(), `"level":"ERROR"`) {
		t.Error(w.log.String())
	}
}
