package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/orgbridge/orgbridge/internal/config"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/metrics"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

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
func (n *node) watch(m *metrics.Metrics) {
	m.WatchLevels(n.db.Levels, n.logger)
	m.WatchConnections(n.db.Connections)
}

// watched has clients of IT Glue tell of each of their requests.
func (n *node) watched() integration.DialerOption {
	return integration.Configured(func(c *itglue.Config) {
		c.Watch = func(ctx context.Context, operation string) (context.Context, func(itglue.Attempt)) {
			return ctx, func(a itglue.Attempt) { n.metrics.ITGlue(operation, a) }
		}
	})
}

// metricsHere answers /metrics at the address of the API, nil when there is another one for them.
func (n *node) metricsHere(c config.Config) http.Handler {
	if c.MetricsAddr != "" {
		return nil
	}
	return n.metrics.Handler()
}
