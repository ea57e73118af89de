package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/orgbridge/orgbridge/api"
)

const (
	// grace is how long requests and jobs may take to end after a signal. Container runtimes kill after 30 s or, some, 10 s; what is
	// killed is taken over, only later.
	grace = 20 * time.Second

	// farewell is how long a process that is not ready any more goes on to answer: whoever sends it requests has to notice, and a
	// connection that is kept alive must not be closed under the next one.
	farewell = time.Second

	// The API gives every request an end of its own before writeTimeout.
	writeTimeout = 75 * time.Second

	// The API limits headers and addresses apart, and less.
	maxHeaderBytes = 48 << 10
)

func (n *node) httpServer(base context.Context) *http.Server {
	return &http.Server{
		Handler:           n.partingHandler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeaderBytes,
		// OPTIONS * is answered like any other address that there is not.
		DisableGeneralOptionsHandler: true,
		BaseContext:                  func(net.Listener) context.Context { return base },
		ErrorLog:                     slog.NewLogLogger(n.logger.Handler(), slog.LevelWarn),
	}
}

// partingHandler has clients of a process that is about to end open their next connection elsewhere.
func (n *node) partingHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		n.handler.ServeHTTP(w, r)
	})
}

// serve runs jobs and answers requests until ctx ends, and then ends in order. It closes the listener and the database. Started is
// called, if given, once requests are answered.
func (n *node) serve(ctx context.Context, listener net.Listener, started func() error) error {
	if err := n.jobs.Start(ctx); err != nil {
		return errors.Join(fmt.Errorf("start the workers: %w", err), listener.Close(), n.db.Close())
	}
	// Requests outlive the signal that ends the process; they are cut off when the grace time is over.
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	server := n.httpServer(base)
	if n.people != nil {
		go n.people.Warm(base)
	}
	telling, stopTelling := context.WithCancel(base)
	var teller sync.WaitGroup
	teller.Go(func() { n.db.TellChanges(telling) })
	served := make(chan error, 1)
	go func() { served <- server.Serve(api.Listener(listener)) }()
	n.logger.InfoContext(ctx, "listening", "address", "http://"+listener.Addr().String())

	var err error
	if started != nil {
		err = started()
	}
	if err == nil {
		select {
		case err = <-served:
		case <-ctx.Done():
		}
	}
	ended := n.drain(ctx, server, cut)
	stopTelling()
	teller.Wait()
	if !ended {
		return err // something still uses the database, and closing would wait for it
	}
	return errors.Join(err, n.db.Close())
}

// drain ends the process's work: it is not ready any more, ends streams, soon takes no new requests, and jobs hand back at once what they
// have begun. It tells whether all has ended within the grace time; the rest is cut off, and found by the sweep of another process or the
// next start.
func (n *node) drain(ctx context.Context, server *http.Server, cut context.CancelFunc) bool {
	n.draining.Store(true)
	n.streams.Close()
	n.logger.InfoContext(ctx, "ending")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()

	var requests, work error
	var both sync.WaitGroup
	both.Go(func() {
		<-time.After(farewell)
		requests = server.Shutdown(ctx)
	})
	both.Go(func() { work = n.jobs.Stop(ctx) })
	both.Wait()

	if requests != nil || work != nil {
		n.logger.WarnContext(ctx, "cut off what did not end in time", "requests", requests, "jobs", work)
		cut()
		_ = server.Close()
		return false
	}
	return true
}
