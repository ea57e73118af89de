package itgluetest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Listening is a Server that listens on an address of this machine.
type Listening struct {
	*Server

	// URL is the base URL of the API, base path included, without a
	// trailing slash.
	URL string

	http   *http.Server
	stop   context.CancelFunc
	served chan struct{}

	mu       sync.Mutex
	closed   bool
	handlers sync.WaitGroup
}

// Start makes a Server that listens on a free port of 127.0.0.1.
func Start(options ...Option) (*Listening, error) {
	return New(options...).Listen(context.Background(), "127.0.0.1:0")
}

// Listen serves the API on the address until Close. It fails if the address
// cannot be listened on. A server may listen on several.
func (s *Server) Listen(ctx context.Context, address string) (*Listening, error) {
	var config net.ListenConfig

	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("itgluetest: %w", err)
	}

	// Cancelled by Close, so that delayed answers do not hold it up.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))

	l := &Listening{
		Server: s,
		URL:    "http://" + listener.Addr().String() + s.basePath,
		stop:   stop,
		served: make(chan struct{}),
	}
	l.http = &http.Server{
		Handler:           http.HandlerFunc(l.serve),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return serving },
	}

	go func() {
		defer close(l.served)

		_ = l.http.Serve(listener) // ends with Close
	}()

	return l, nil
}

func (l *Listening) serve(w http.ResponseWriter, r *http.Request) {
	if !l.enter() {
		panic(http.ErrAbortHandler)
	}
	defer l.handlers.Done()

	l.ServeHTTP(w, r)
}

func (l *Listening) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.closed {
		return false
	}

	l.handlers.Add(1)

	return true
}

// Close stops listening, cuts all connections and returns when every handler
// has returned. It may be called more than once.
func (l *Listening) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()

	l.stop()

	_ = l.http.Close()

	<-l.served
	l.handlers.Wait()
}

// TB is the part of testing.TB that StartTB needs.
type TB interface {
	Helper()
	Cleanup(f func())
	Fatalf(format string, args ...any)
}

// StartTB is Start for a test, which it ends if it fails, and Close at the
// test's end.
func StartTB(tb TB, options ...Option) *Listening {
	tb.Helper()

	listening, err := Start(options...)
	if err != nil {
		tb.Fatalf("start the simulated IT Glue: %v", err)
	}

	tb.Cleanup(listening.Close)

	return listening
}
