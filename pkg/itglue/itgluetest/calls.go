package itgluetest

import (
	"net/url"
	"slices"
	"sync"
	"time"
)

// maxCalls bounds the log of a server that runs for long.
const maxCalls = 10_000

// Call is one request that reached the server.
type Call struct {
	Method string     `json:"method"`
	Path   string     `json:"path"` // without the base path
	Query  url.Values `json:"query"`

	// KeyHash is the SHA-256 of the key in hexadecimal, "" without a key.
	KeyHash string `json:"keyHash"`

	// KeyValid says whether the key was valid at the time.
	KeyValid bool `json:"keyValid"`

	// Status is what was answered; 0 while the answer is pending, or if the
	// connection was dropped instead.
	Status int `json:"status"`

	At time.Time `json:"at"`
}

type callLog struct {
	mu    sync.Mutex
	count int
	calls []*Call
}

func (l *callLog) begin(x *exchange) *Call {
	call := &Call{
		Method: x.r.Method, Path: x.path, Query: x.query,
		KeyValid: x.server.keys.valid(x.key), At: x.server.now(),
	}
	if x.key != "" {
		call.KeyHash = hashKey(x.key)
	}

	l.mu.Lock()
	defer l.mu.Unlock()

	l.count++

	l.calls = append(l.calls, call)
	if len(l.calls) >= 2*maxCalls {
		l.calls = slices.Clone(l.calls[len(l.calls)-maxCalls:])
	}

	return call
}

func (l *callLog) finish(call *Call, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()

	call.Status = status
}

// Calls returns the requests since the start or the last ResetCalls, oldest
// first. Of very many, only the last 10,000 or more are kept.
func (s *Server) Calls() []Call {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()

	calls := make([]Call, len(s.calls.calls))
	for i, call := range s.calls.calls {
		calls[i] = *call
	}

	return calls
}

// CallCount returns the number of requests since the start or the last
// ResetCalls.
func (s *Server) CallCount() int {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()

	return s.calls.count
}

// ResetCalls empties the log.
func (s *Server) ResetCalls() {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()

	s.calls.count, s.calls.calls = 0, nil
}
