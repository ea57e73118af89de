package orgsync_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/faulttest"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// scene is an account with 20 mapped organizations in an IT Glue of so many pages. Since they were mapped, the first was renamed there and
// the last one deleted.
type scene struct {
	*world

	theirs, ours []string
}

const sceneSize = 20

func (w *world) scene(pages int) *scene {
	w.t.Helper()
	names := make([]string, sceneSize)
	for i := range names {
		names[i] = fmt.Sprintf("Company %02d", i)
	}
	s := &scene{world: w, ours: w.ours(names...)}
	s.theirs = w.theirs(names...)
	others := make([]string, 1000*pages-500-sceneSize)
	for i := range others {
		others[i] = fmt.Sprintf("Other %05d", i)
	}
	w.theirs(others...)
	w.redial(quickly(time.Minute))
	w.connect()
	w.itglue.Rename(s.theirs[0], "Company 00 Inc.")
	w.itglue.Delete(s.theirs[sceneSize-1])
	return s
}

// toTheEnd runs a sync with all its attempts.
func (w *world) toTheEnd(s orgsync.Sync) orgsync.Sync {
	w.t.Helper()
	for s = w.run(s); s.Status == orgsync.Queued; s = w.run(w.due(s)) {
		w.integrations.ITGlue = w.dial() // the time passes for which an IT Glue that fails is not asked
	}
	return w.read(s)
}

// fails has a sync fail with one of the codes, and nothing changed by it.
func (s *scene) fails(name string, codes ...errs.Code) {
	s.t.Helper()
	run := s.toTheEnd(s.start(orgsync.Manual))
	if run.Status != orgsync.Failed || run.Failure == nil || run.Failure.Detail == "" {
		s.t.Fatalf("%s: %+v (%+v)", name, run, run.Failure)
	}
	known := false
	for _, code := range codes {
		known = known || run.Failure.Code == code
	}
	if !known {
		s.t.Errorf("%s: failed with %s, want one of %s", name, run.Failure.Code, codes)
	}
	if changes := s.changes(run); len(changes) > 0 {
		s.t.Errorf("%s: changes %q", name, changes)
	}
	s.unchanged(name)
}

func (s *scene) unchanged(name string) {
	s.t.Helper()
	states, _, err := s.store.OrganizationStates(s.t.Context(), s.accountID)
	s.ok(err)
	for i, o := range states {
		if o.Name != fmt.Sprintf("Company %02d", i) || o.State != mapping.Active || o.ITGlueID != s.theirs[i] {
			s.t.Errorf("%s: %+v", name, o)
		}
	}
}

// recovers has a sync do what the faults have kept it from.
func (s *scene) recovers() {
	s.t.Helper()
	s.itglue.ClearFaults()
	s.redial(quickly(time.Minute))
	s.expect(s.sync(orgsync.Manual), orgsync.Succeeded,
		"Company 19 unmap applied deleted-in-itglue", "Company 00 rename applied renamed-in-itglue")
}

// counted counts the bytes of all bodies, after decompression, and remembers the longest.
type counted struct {
	http.RoundTripper

	longest atomic.Int64
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := c.RoundTripper.RoundTrip(r)
	if err == nil {
		answer.Body = &countedBody{ReadCloser: answer.Body, counted: c}
	}
	return answer, err
}

type countedBody struct {
	io.ReadCloser

	counted *counted
	n       int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	b.counted.longest.Store(max(b.counted.longest.Load(), b.n))
	return n, err
}

// TestF22AnswerThatIsNoPageSpoilsTheWholeListing has the second page be something else: nothing is removed and nothing renamed, also not what
// the first page told rightly, and no body is read beyond its limit.
func TestF22AnswerThatIsNoPageSpoilsTheWholeListing(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		s := w.scene(2)
		bodies := &counted{RoundTripper: itglue.NewTransport()}
		faults := map[string]itgluetest.Fault{
			"truncated":       {Kind: itgluetest.FaultTruncate},
			"wrong length":    {Kind: itgluetest.FaultWrongLength},
			"gzip bomb":       {Kind: itgluetest.FaultGzipBomb, Size: 5 << 30},
			"endless":         {Kind: itgluetest.FaultEndlessBody},
			"login page":      {Kind: itgluetest.FaultHTML},
			"other shape":     {Kind: itgluetest.FaultOtherJSON},
			"null":            {Kind: itgluetest.FaultOtherJSON, Body: "null"},
			"list":            {Kind: itgluetest.FaultOtherJSON, Body: "[]"},
			"data is null":    {Kind: itgluetest.FaultOtherJSON, Body: `{"data": null, "meta": {"current-page": 2, "total-pages": 2, "total-count": 1499}}`},
			"empty":           {Kind: itgluetest.FaultEmptyBody},
			"byte order mark": {Kind: itgluetest.FaultBOM},
			"trailing":        {Kind: itgluetest.FaultTrailing},
		}
		for name, fault := range faults {
			s.redial(quickly(time.Minute), integration.Configured(func(c *itglue.Config) { c.Transport = bodies }))
			fault.Page, fault.MinPageSize = 2, 1000
			remove := s.itglue.Inject(fault)
			s.fails(name, errs.ITGlueBadAnswer, errs.ITGlueUnavailable, errs.ITGlueListingIncomplete)
			remove()
		}
		if n := bodies.longest.Load(); n > itglue.DefaultMaxBodyBytes+1 || n < itglue.DefaultMaxBodyBytes {
			w.t.Errorf("%d bytes of a body were read, the limit is %d", n, itglue.DefaultMaxBodyBytes)
		}
		s.recovers()
	})
}

// TestF23ListingWithAHoleRemovesNothing has the third of seven pages tell something wrong.
func TestF23ListingWithAHoleRemovesNothing(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		s := w.scene(7)
		for name, fault := range map[string]itgluetest.Fault{
			"page missing":        {Kind: itgluetest.FaultMissingRows, Page: 3},
			"rows missing":        {Kind: itgluetest.FaultMissingRows, Page: 3, Count: 1},
			"total too high":      {Kind: itgluetest.FaultTotalCount, Count: 1},
			"total too low":       {Kind: itgluetest.FaultTotalCount, Count: -1},
			"total changes":       {Kind: itgluetest.FaultTotalCount, Page: 3, Count: -1},
			"pages shrink":        {Kind: itgluetest.FaultTotalPages, Page: 3, Count: 3},
			"another page":        {Kind: itgluetest.FaultCurrentPage, Page: 3, Count: 2},
			"row twice":           {Kind: itgluetest.FaultDuplicateRow, Page: 3},
			"last page goes on":   {Kind: itgluetest.FaultNextPageLoop, Page: 7, Count: 1},
			"each page goes back": {Kind: itgluetest.FaultNextPageLoop, Count: 1},
		} {
			fault.MinPageSize = 1000
			remove := s.itglue.Inject(fault)
			if strings.Contains(name, "goes on") { // which is no harm: the page after it is empty, and the last
				s.recovers()
				s.itglue.Rename(s.theirs[0], "Company 00")
				s.itglue.Add(itgluetest.Organization{ID: s.theirs[sceneSize-1], Name: "Company 19"})
				s.sync(orgsync.Manual)
				_, err := s.mappings.Map(s.t.Context(), s.accountID, s.ours[sceneSize-1], s.theirs[sceneSize-1], s.token)
				s.ok(err)
				s.itglue.Rename(s.theirs[0], "Company 00 Inc.")
				s.itglue.Delete(s.theirs[sceneSize-1])
				continue
			}
			s.itglue.ResetCalls()
			s.fails(name, errs.ITGlueBadAnswer, errs.ITGlueListingIncomplete)
			remove()
			if n := s.itglue.CallCount(); n > 4*(7+2) {
				s.t.Errorf("%s: %d requests, want no listing to take more than 9", name, n)
			}
		}
		s.recovers()
	})
}

// TestF24EmptyListIsHeldWheneverThereAreMappings has an empty list come with 200.
func TestF24EmptyListIsHeldWheneverThereAreMappings(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 30} {
		t.Run(fmt.Sprintf("%dMapped", n), func(t *testing.T) {
			t.Parallel()
			eachWorld(t, func(w *world) {
				names := make([]string, n)
				for i := range names {
					names[i] = fmt.Sprintf("Company %02d", i)
				}
				theirs := w.theirs(names...)
				ours := w.ours(names...)
				w.connect()
				w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultEmptyList})
				for _, id := range theirs { // even if all of them are gone by the other witness
					w.itglue.Delete(id)
				}
				for range 3 {
					s := w.sync(orgsync.Manual)
					if s.Status != orgsync.Held || s.Counts.Held != n || s.Counts.Unmapped != 0 {
						w.t.Fatalf("%+v", s)
					}
				}
				for i := range ours {
					w.expectRow(ours[i], names[i], theirs[i], mapping.Active)
				}
			})
		})
	}
}

// TestF27RevokedKeyStopsTheSyncAndIsLeftAlone has the key refused on the fourth page, or only when organizations are read by id.
func TestF27RevokedKeyStopsTheSyncAndIsLeftAlone(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		s := w.scene(4)
		for name, fault := range map[string]itgluetest.Fault{
			"page 4, 401":     {Status: http.StatusUnauthorized, Page: 4},
			"page 4, 403":     {Status: http.StatusForbidden, Style: itgluetest.BodyMessage, Page: 4},
			"read by id, 401": {Status: http.StatusUnauthorized, Path: "/organizations/*"},
			"read by id, 403": {Status: http.StatusForbidden, Style: itgluetest.BodyMessage, Path: "/organizations/*"},
		} {
			fault.Kind = itgluetest.FaultStatus
			remove := s.itglue.Inject(fault)
			s.itglue.ResetCalls()
			s.fails(name, errs.ITGlueKeyRejected)
			if n := s.itglue.CallCount(); n > 5 {
				s.t.Errorf("%s: %d requests", name, n)
			}
			in, err := s.store.Integration(s.t.Context(), s.accountID)
			s.ok(err)
			if in.Attention == nil || in.Attention.Code != integration.CredentialsRejected {
				s.t.Errorf("%s: attention %+v", name, in.Attention)
			}
			// What is due without a person is the retry after six hours and the next night, not now.
			due, err := s.store.DueAccounts(s.t.Context(), 10)
			s.ok(err)
			if len(due) > 0 {
				s.t.Errorf("%s: due again at once", name)
			}
			remove()
		}
		s.recovers()
	})
}

// TestF30RedirectIsNotFollowed has IT Glue send the caller elsewhere, where nobody may hear of the key.
func TestF30RedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		var heard atomic.Int32
		elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { heard.Add(1) }))
		defer elsewhere.Close()
		s := w.scene(1)
		for _, status := range []int{301, 302, 303, 307, 308} {
			for _, location := range []string{elsewhere.URL + "/organizations", "http://169.254.169.254/latest", "//" + strings.TrimPrefix(elsewhere.URL, "http://"), ""} {
				s.redial(quickly(time.Minute))
				remove := s.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultRedirect, Status: status, Location: location})
				s.fails(fmt.Sprintf("%d to %q", status, location), errs.ITGlueBadAnswer)
				remove()
			}
		}
		if heard.Load() != 0 {
			w.t.Errorf("%d requests were made elsewhere", heard.Load())
		}
		s.recovers()
	})
}

// TestF21BrokenConnectionsEndInTimeWithTheirReason has each phase of a request go wrong: looking up the name, connecting, TLS, the first byte,
// the body.
func TestF21BrokenConnectionsEndInTimeWithTheirReason(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		s := w.scene(1)
		const phase = 100 * time.Millisecond
		once := integration.Configured(func(c *itglue.Config) { c.MaxAttempts = 1 })
		lost := itglue.NewTransport()
		lost.DialContext = (&net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("no name server")
		}}}).DialContext
		impatient := itglue.NewTransport()
		impatient.TLSHandshakeTimeout = phase
		silent, err := (&net.ListenConfig{}).Listen(w.t.Context(), "tcp", "127.0.0.1:0")
		w.ok(err)
		defer silent.Close()
		secure := httptest.NewTLSServer(http.NotFoundHandler())
		defer secure.Close()
		secure.Config.ErrorLog = nil
		connecting := itglue.NewTransport()
		connecting.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, phase)
			defer cancel()
			<-ctx.Done()
			return nil, ctx.Err()
		}
		wrongName := itglue.NewTransport()
		trusted := secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		wrongName.TLSClientConfig = &tls.Config{RootCAs: trusted, ServerName: "api.itglue.com", MinVersion: tls.VersionTLS12}
		for name, c := range map[string]struct {
			url       string
			transport *http.Transport
			code      errs.Code
		}{
			"name that is not known":    {url: "https://itglue.invalid", transport: lost, code: errs.ITGlueUnavailable},
			"connection refused":        {url: "http://127.0.0.1:1", transport: itglue.NewTransport(), code: errs.ITGlueUnavailable},
			"connection hangs":          {url: s.itglue.URL, transport: connecting, code: errs.ITGlueTimeout},
			"TLS hangs":                 {url: "https://" + silent.Addr().String(), transport: impatient, code: errs.ITGlueTimeout},
			"certificate of a stranger": {url: secure.URL, transport: itglue.NewTransport(), code: errs.ITGlueUnavailable},
			"certificate of other name": {url: secure.URL, transport: wrongName, code: errs.ITGlueUnavailable},
			"no TLS where it should be": {url: strings.Replace(s.itglue.URL, "http:", "https:", 1), transport: itglue.NewTransport(), code: errs.ITGlueUnavailable},
		} {
			s.redialAt(c.url, quickly(time.Minute), once, integration.Configured(func(config *itglue.Config) { config.Transport = c.transport }))
			s.fails(name, c.code)
		}
		for name, toxic := range map[string]faulttest.Toxic{
			"first byte late": {Type: "latency", Stream: "downstream", Attributes: map[string]any{"latency": 5000}},
			"a byte a second": {Type: "bandwidth", Stream: "downstream", Attributes: map[string]any{"rate": 1}},
			"no answer":       {Type: "timeout", Stream: "downstream", Attributes: map[string]any{"timeout": 0}},
			"reset":           {Type: "reset_peer", Stream: "downstream", Attributes: map[string]any{"timeout": 0}},
			"cut in the body": {Type: "limit_data", Stream: "downstream", Attributes: map[string]any{"bytes": 3000}},
		} {
			proxy, through := faulttest.Before(w.t, s.itglue.URL)
			toxic.Name, toxic.Toxicity = "t", 1
			proxy.Add(toxic)
			s.redialAt(through, quickly(phase), once)
			s.fails(name, errs.ITGlueTimeout, errs.ITGlueUnavailable)
			proxy.Cut()
		}
		proxy, through := faulttest.Before(w.t, s.itglue.URL)
		proxy.Add(faulttest.Toxic{Name: "t", Type: "slicer", Stream: "downstream", Toxicity: 1, Attributes: map[string]any{"average_size": 50, "size_variation": 20, "delay": 1}})
		s.redialAt(through, quickly(time.Minute)) // in slices, which is no harm
		s.expect(s.sync(orgsync.Preview), orgsync.Succeeded,
			"Company 19 unmap planned deleted-in-itglue", "Company 00 rename planned renamed-in-itglue")
		s.recovers()
	})
}
