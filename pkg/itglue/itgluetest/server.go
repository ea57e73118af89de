package itgluetest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Server is a simulated IT Glue with the data of one account. It is an
// http.Handler and safe for concurrent use.
type Server struct {
	store  *store
	faults faultList
	calls  callLog
	keys   keyRing

	now            func() time.Time
	basePath       string
	strictIncludes bool
	weekLimit      bool
	control        http.Handler // nil unless asked for
}

// Option changes a Server at its making.
type Option func(*Server)

// WithKey makes the key valid.
func WithKey(key string) Option { return func(s *Server) { s.AddKey(key) } }

// WithBasePath mounts the API under a path such as "/gateway/v1"; everything
// outside it is 404. http.StripPrefix does as well, links stay right.
func WithBasePath(path string) Option {
	return func(s *Server) { s.basePath = strings.TrimRight(path, "/") }
}

// WithClock sets the clock that stamps changes and calls, ends the deletion
// lag and moves the window of the rate limit. It does not drive delays.
func WithClock(now func() time.Time) Option { return func(s *Server) { s.now = now } }

// WithRateLimit answers 429 to a key that has made so many requests within the
// last 5 minutes. There is no limit by default.
func WithRateLimit(requestsPer5Minutes int) Option {
	return func(s *Server) { s.keys.limit = requestsPer5Minutes }
}

// WithStrictIncludes refuses an unknown include with 400 instead of ignoring it.
func WithStrictIncludes() Option { return func(s *Server) { s.strictIncludes = true } }

// WithWeekLimit refuses, with 422, filters on created_at and updated_at that
// span more than a week or have no start, as IT Glue does on some resources.
func WithWeekLimit() Option { return func(s *Server) { s.weekLimit = true } }

// WithControl serves Control as well, at /_sim/ whatever the base path.
func WithControl() Option { return func(s *Server) { s.control = s.Control() } }

// New returns a server without organizations that listens nowhere. Without
// WithKey or AddKey it refuses every request.
func New(options ...Option) *Server {
	s := &Server{now: time.Now}
	s.keys.keys = make(map[string]*keyState)

	for _, option := range options {
		option(s)
	}

	s.store = newStore(s.now)

	return s
}

// AddKey makes the key valid.
func (s *Server) AddKey(key string) { s.keys.add(key) }

// RevokeKey makes the key invalid, from the next request on.
func (s *Server) RevokeKey(key string) { s.keys.revoke(key) }

// Hide keeps organizations from a key, as a change of the rights of the key
// would: they are absent from lists and 404 when read. A further call replaces
// the ids of the one before.
func (s *Server) Hide(key string, ids ...string) { s.keys.hide(key, ids) }

// SetDeletionLag makes deletion asynchronous, as IT Glue documents it: for so
// long a deleted organization is still listed, while reading it is 404
// already. Zero lets go of all that are waiting.
func (s *Server) SetDeletionLag(lag time.Duration) { s.store.setDeletionLag(lag) }

// Add stores organizations and returns their ids. One with the id of another
// replaces it. Add panics if an id is not a number.
func (s *Server) Add(organizations ...Organization) []string {
	ids := make([]string, 0, len(organizations))

	for _, organization := range organizations {
		id, err := s.store.add(organization)
		if err != nil {
			panic(err)
		}

		ids = append(ids, id)
	}

	return ids
}

// Rename gives the organization another name and reports whether it exists.
func (s *Server) Rename(id, name string) bool {
	return s.Update(id, func(organization *Organization) { organization.Name = name })
}

// Update changes the organization, except for its id and its domains, and
// reports whether it exists.
func (s *Server) Update(id string, change func(*Organization)) bool {
	number, ok := parseID(id)
	if !ok {
		return false
	}

	_, ok = s.store.update(number, func(organization *Organization) {
		kept, domains := organization.ID, organization.Domains
		change(organization)
		organization.ID, organization.Domains = kept, domains
		organization.TypeID, organization.TypeName = s.store.types.resolve(organization.TypeID, organization.TypeName)
		organization.StatusID, organization.StatusName = s.store.statuses.resolve(organization.StatusID, organization.StatusName)
	})

	return ok
}

// Delete deletes the organization and reports whether it existed. It is gone
// at once unless there is a deletion lag.
func (s *Server) Delete(id string) bool {
	number, ok := parseID(id)

	return ok && s.store.remove(number)
}

// Organization returns the organization of the id.
func (s *Server) Organization(id string) (Organization, bool) {
	number, ok := parseID(id)
	if !ok {
		return Organization{}, false
	}

	found, ok := s.store.find(number)
	if !ok {
		return Organization{}, false
	}

	return found.export(), true
}

// Organizations returns all organizations that are not deleted, sorted by id.
func (s *Server) Organizations() []Organization {
	var organizations []Organization

	for _, r := range s.store.list() {
		if !r.deleted {
			organizations = append(organizations, r.export())
		}
	}

	return organizations
}

// Reset replaces all organizations, as if the keys led to another account.
func (s *Server) Reset(organizations ...Organization) []string {
	s.store.clear()

	return s.Add(organizations...)
}

// ServeHTTP answers an API request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.control != nil && strings.HasPrefix(r.URL.Path, "/_sim/") {
		s.control.ServeHTTP(w, r)

		return
	}

	x := s.newExchange(r)
	call := s.calls.begin(x)

	s.deliver(r.Context(), w, x, x.answer(), call)
}

// newExchange works out what was asked for. The base of links is taken from
// the request line, which a surrounding http.StripPrefix leaves alone.
func (s *Server) newExchange(r *http.Request) *exchange {
	path, within := strings.CutPrefix(r.URL.Path, s.basePath)

	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}

	prefix := ""
	if line, err := url.ParseRequestURI(r.RequestURI); err == nil {
		prefix = strings.TrimSuffix(line.Path, path)
	}

	x := &exchange{
		server: s, r: r,
		path: path, within: within,
		base:  (&url.URL{Scheme: scheme, Host: r.Host, Path: prefix}).String(),
		query: r.URL.Query(),
		key:   r.Header.Get("X-Api-Key"),
	}
	x.faults = s.faults.match(x)

	return x
}

// keyRing knows the valid keys.
type keyRing struct {
	limit int // requests per 5 minutes, 0 for no limit

	mu   sync.Mutex
	keys map[string]*keyState
}

type keyState struct {
	hidden map[uint64]bool
	times  []time.Time
}

func (k *keyRing) add(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()

	if k.keys[key] == nil {
		k.keys[key] = &keyState{}
	}
}

func (k *keyRing) revoke(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()

	delete(k.keys, key)
}

func (k *keyRing) hide(key string, ids []string) {
	hidden := make(map[uint64]bool, len(ids))

	for _, text := range ids {
		if id, ok := parseID(text); ok {
			hidden[id] = true
		}
	}

	k.mu.Lock()
	defer k.mu.Unlock()

	if state := k.keys[key]; state != nil {
		state.hidden = hidden
	}
}

func (k *keyRing) valid(key string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()

	return key != "" && k.keys[key] != nil
}

// hidden returns what the key may not see. The map is never changed.
func (k *keyRing) hidden(key string) map[uint64]bool {
	k.mu.Lock()
	defer k.mu.Unlock()

	if state := k.keys[key]; state != nil {
		return state.hidden
	}

	return nil
}

// overLimit counts a request of a valid key.
func (k *keyRing) overLimit(key string, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()

	state := k.keys[key]
	if k.limit <= 0 || state == nil {
		return false
	}

	start := now.Add(-5 * time.Minute)
	state.times = slices.DeleteFunc(state.times, func(at time.Time) bool { return !at.After(start) })

	if len(state.times) >= k.limit {
		return true
	}

	state.times = append(state.times, now)

	return false
}

func hashKey(key string) string {
	sum := sha256.Sum256([]byte(key))

	return hex.EncodeToString(sum[:])
}
