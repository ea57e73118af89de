package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/orgbridge/orgbridge/internal/config"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/metrics"
	"github.com/orgbridge/orgbridge/internal/observe"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// watchers are told of all that the program does.
type watchers struct {
	metrics *metrics.Metrics
	traces  observe.Traces
}

// newWatchers begins to show what they are told. Unwatch ends that, after everything else.
func newWatchers(ctx context.Context, in invocation, logger *slog.Logger) (w watchers, unwatch func(), err error) {
	w.metrics = metrics.New(versionName(), logger)
	traces, flush, err := newTraces(ctx, in.getenv, logger)
	if err != nil {
		return watchers{}, nil, err
	}
	w.traces = traces
	closeMetrics, err := serveMetrics(ctx, in.config.MetricsAddr, w.metrics, logger)
	if err != nil {
		flush()
		return watchers{}, nil, err
	}
	return w, func() {
		flush()
		closeMetrics()
	}, nil
}

// serveMetrics answers /metrics, and nothing else, at an address of its own until it is closed: also while the rest of the process ends,
// or cannot work because the database is away. Without an address it does nothing.
func serveMetrics(ctx context.Context, addr string, m *metrics.Metrics, logger *slog.Logger) (closeIt func(), err error) {
	if addr == "" {
		return func() {}, nil
	}
	listener, err := listen(ctx, config.MetricsAddr, addr)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.Handler())
	server := &http.Server{
		Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	go func() { _ = server.Serve(listener) }() // until it is closed
	logger.InfoContext(ctx, "serving metrics", "address", "http://"+listener.Addr().String()+"/metrics")
	return func() { _ = server.Close() }, nil
}

// watch has everything of the node counted.
func (n *node) watch() {
	n.watchers.metrics.WatchLevels(n.db.Levels, n.logger)
	n.watchers.metrics.WatchConnections(n.db.Connections)
}

// watched has clients of IT Glue tell of each of their requests.
func (n *node) watched() integration.DialerOption {
	return integration.Configured(func(c *itglue.Config) {
		c.Watch = func(ctx context.Context, operation string) (context.Context, func(itglue.Attempt)) {
			ctx, span := observe.Call(ctx, "IT Glue: "+operation)
			return ctx, func(a itglue.Attempt) {
				n.watchers.metrics.ITGlue(operation, a)
				endCall(span, a)
			}
		}
	})
}

func endCall(span observe.Span, a itglue.Attempt) {
	span.SetInt("orgbridge.itglue.waited_ms", int(a.Waited.Milliseconds()))
	switch kind := itglue.KindOf(a.Err); {
	case a.Err == nil:
		span.EndAs("")
	case kind != "":
		span.EndAs("itglue-" + string(kind))
	default:
		span.EndAs("cancelled")
	}
}

// metricsHere answers /metrics at the address of the API, nil when there is another one for them.
func (n *node) metricsHere(c config.Config) http.Handler {
	if c.MetricsAddr != "" {
		return nil
	}
	return n.watchers.metrics.Handler()
}
