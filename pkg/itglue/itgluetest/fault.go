package itgluetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path"
	"slices"
	"sync"
	"time"
)

// FaultKind says what goes wrong.
type FaultKind string

// Faults that take the place of the answer.
const (
	// FaultStatus answers with Fault.Status and a body of Fault.Style.
	FaultStatus FaultKind = "status"

	// FaultTookTooLong says, with Fault.Status or 500, that the request took
	// too long; together with MinPageSize it hits large pages only.
	FaultTookTooLong FaultKind = "took-too-long"

	// FaultRedirect sends the caller to Fault.Location, with Fault.Status or 302.
	FaultRedirect FaultKind = "redirect"

	// FaultDrop closes the connection without an answer.
	FaultDrop FaultKind = "drop"

	// FaultHTML is a login page with status 200.
	FaultHTML FaultKind = "html"

	// FaultEmptyBody is a 200 with nothing in it.
	FaultEmptyBody FaultKind = "empty-body"

	// FaultOtherJSON is a 200 with Fault.Body, or with JSON of another shape.
	FaultOtherJSON FaultKind = "other-json"

	// FaultGzipBomb is a small compressed body of Fault.Size bytes of white
	// space, by default 1 GiB.
	FaultGzipBomb FaultKind = "gzip-bomb"

	// FaultEndlessBody is a body that ends with the connection.
	FaultEndlessBody FaultKind = "endless-body"
)

// Faults of the transport. The answer itself is the right one.
const (
	// FaultDelay waits for Fault.Delay before the first byte.
	FaultDelay FaultKind = "delay"

	// FaultSlowBody sends Fault.BytesPerSecond, by default 1.
	FaultSlowBody FaultKind = "slow-body"

	// FaultTruncate cuts the body in half, with a Content-Length that fits.
	FaultTruncate FaultKind = "truncate"

	// FaultWrongLength announces one byte more than it sends.
	FaultWrongLength FaultKind = "wrong-length"

	// FaultBOM puts a byte order mark before the body.
	FaultBOM FaultKind = "bom"

	// FaultTrailing puts something after the body.
	FaultTrailing FaultKind = "trailing"
)

// Faults of the content.
const (
	// FaultTotalCount adds Fault.Count to total-count.
	FaultTotalCount FaultKind = "total-count"

	// FaultTotalPages says that there are Fault.Count pages.
	FaultTotalPages FaultKind = "total-pages"

	// FaultNextPageLoop says that there is always one more page, and that it
	// is page Fault.Count, by default 1.
	FaultNextPageLoop FaultKind = "next-page-loop"

	// FaultCurrentPage answers with page Fault.Count, by default 1, instead
	// of the one that was asked for.
	FaultCurrentPage FaultKind = "current-page"

	// FaultDuplicateRow puts the first row of the page, under the name
	// Fault.Name if that is set, in the place of its last one.
	FaultDuplicateRow FaultKind = "duplicate-row"

	// FaultMissingRows leaves out the last Fault.Count rows of the page, by
	// default all.
	FaultMissingRows FaultKind = "missing-rows"

	// FaultEmptyList is a list of nothing, total-count 0.
	FaultEmptyList FaultKind = "empty-list"

	// FaultIgnoredFilters answers as if there were no filters, which is what
	// IT Glue does with those it does not know.
	FaultIgnoredFilters FaultKind = "ignored-filters"

	// FaultIDsAsNumbers writes ids as JSON numbers.
	FaultIDsAsNumbers FaultKind = "ids-as-numbers"

	// FaultOddID writes Fault.Body, as it is, for the id of the first row.
	FaultOddID FaultKind = "odd-id"

	// FaultStatusAsString writes the status in error bodies as a string.
	FaultStatusAsString FaultKind = "status-as-string"

	// FaultCall does nothing but call Fault.Do before the answer is made.
	FaultCall FaultKind = "call"
)

// BodyStyle is the body that goes with FaultStatus.
type BodyStyle string

// The bodies seen with errors.
const (
	BodyErrors  BodyStyle = "errors"  // the application's {"errors":[...]}; the default
	BodyMessage BodyStyle = "message" // the gateway's {"message":"..."}
	BodyHTML    BodyStyle = "html"    // a page of a proxy or firewall
	BodyEmpty   BodyStyle = "empty"
	BodyRaw     BodyStyle = "raw" // Fault.Body as it is
)

// Fault is something that goes wrong with the requests it matches. Of faults
// that take the place of the answer, the one injected first is served; all
// others add up.
type Fault struct {
	Kind FaultKind `json:"kind"`

	// A fault matches requests of this Method, of a path (without the base
	// path) that fits the pattern Path as path.Match does, of this Page and
	// of at least MinPageSize. Zero values match everything.
	Method      string `json:"method,omitempty"`
	Path        string `json:"path,omitempty"`
	Page        int    `json:"page,omitempty"`
	MinPageSize int    `json:"minPageSize,omitempty"`

	// Of the matching requests it leaves out the first After, then hits each
	// with the Probability (0 means 1), and ends after Times (0 means never).
	After       int     `json:"after,omitempty"`
	Times       int     `json:"times,omitempty"`
	Probability float64 `json:"probability,omitempty"`

	// Do, if set, is called when the fault hits, before the answer is made.
	Do func() `json:"-"`

	// What the kinds above speak of.
	Status         int           `json:"status,omitempty"`
	Style          BodyStyle     `json:"style,omitempty"`
	RetryAfter     string        `json:"retryAfter,omitempty"` // the header as it is
	Body           string        `json:"body,omitempty"`
	Location       string        `json:"location,omitempty"`
	Name           string        `json:"name,omitempty"`
	Count          int           `json:"count,omitempty"`
	Size           int64         `json:"size,omitempty"`
	BytesPerSecond int           `json:"bytesPerSecond,omitempty"`
	Delay          time.Duration `json:"delay,omitempty"` // JSON: nanoseconds
}

// RateLimited is a 429 as the gateway may word it; without a Retry-After
// header if retryAfter is "".
func RateLimited(retryAfter string) Fault {
	return Fault{
		Kind: FaultStatus, Status: http.StatusTooManyRequests, Style: BodyMessage, RetryAfter: retryAfter,
	}
}

// TookTooLong is IT Glue giving up on pages of at least minPageSize.
func TookTooLong(minPageSize int) Fault {
	return Fault{Kind: FaultTookTooLong, MinPageSize: minPageSize}
}

// Inject switches a fault on, until remove is called. It panics if the fault
// is not a possible one.
func (s *Server) Inject(f Fault) func() {
	if err := f.check(); err != nil {
		panic(err)
	}

	return s.faults.add(f)
}

// ClearFaults switches all faults off.
func (s *Server) ClearFaults() { s.faults.clear() }

func (f Fault) check() error {
	known := slices.Concat(replacingKinds(), []FaultKind{
		FaultDelay, FaultSlowBody, FaultTruncate, FaultWrongLength, FaultBOM, FaultTrailing,
		FaultTotalCount, FaultTotalPages, FaultNextPageLoop, FaultCurrentPage, FaultDuplicateRow,
		FaultMissingRows, FaultEmptyList, FaultIgnoredFilters, FaultIDsAsNumbers, FaultOddID, FaultStatusAsString, FaultCall,
	})
	if !slices.Contains(known, f.Kind) {
		return fmt.Errorf("itgluetest: there is no fault %q", f.Kind)
	}

	if f.Kind == FaultStatus && (f.Status < 200 || f.Status > 599) {
		return errors.New("itgluetest: a status fault needs a status from 200 to 599")
	}

	if _, err := path.Match(f.Path, ""); err != nil {
		return fmt.Errorf("itgluetest: path pattern %q: %w", f.Path, err)
	}

	return nil
}

func replacingKinds() []FaultKind {
	return []FaultKind{
		FaultStatus, FaultTookTooLong, FaultRedirect, FaultDrop, FaultHTML,
		FaultEmptyBody, FaultOtherJSON, FaultGzipBomb, FaultEndlessBody,
	}
}

func (f Fault) matches(x *exchange) bool {
	if f.Method != "" && f.Method != x.r.Method {
		return false
	}

	if f.Path != "" {
		if ok, _ := path.Match(f.Path, x.path); !ok {
			return false
		}
	}

	number, size := x.paging()

	return (f.Page == 0 || f.Page == number && x.isIndex()) && size >= f.MinPageSize
}

// isIndex tells lists from reads by id, which have no page.
func (x *exchange) isIndex() bool {
	_, last := path.Split(x.path)
	_, isID := parseID(last)

	return !isID
}

// faultList holds the faults that are switched on.
type faultList struct {
	mu     sync.Mutex
	faults []*activeFault
}

type activeFault struct {
	Fault

	seen, hits int
}

func (l *faultList) add(f Fault) func() {
	active := &activeFault{Fault: f}

	l.mu.Lock()
	defer l.mu.Unlock()

	l.faults = append(l.faults, active)

	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()

		l.faults = slices.DeleteFunc(l.faults, func(other *activeFault) bool { return other == active })
	}
}

func (l *faultList) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()

	l.faults = nil
}

// match returns the faults that hit the request.
func (l *faultList) match(x *exchange) []Fault {
	l.mu.Lock()
	defer l.mu.Unlock()

	var hits []Fault

	for _, active := range l.faults {
		if active.matches(x) && active.hit() {
			hits = append(hits, active.Fault)
		}
	}

	return hits
}

func (f *activeFault) hit() bool {
	f.seen++

	switch {
	case f.seen <= f.After, f.Times > 0 && f.hits >= f.Times:
		return false
	case f.Probability > 0 && rand.Float64() >= f.Probability: //nolint:gosec // a dice, no secret
		return false
	}

	f.hits++

	return true
}

func (x *exchange) has(kind FaultKind) bool {
	_, ok := x.fault(kind)

	return ok
}

func (x *exchange) fault(kinds ...FaultKind) (Fault, bool) {
	for _, f := range x.faults {
		if slices.Contains(kinds, f.Kind) {
			return f, true
		}
	}

	return Fault{}, false
}
