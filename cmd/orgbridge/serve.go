package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/orgbridge/orgbridge/internal/config"
)

func (p program) serve() *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the API and run the workers",
		Long: "Both in one process, or split between processes on one PostgreSQL database. SIGTERM ends it in order: what has begun is\n" +
			"finished or handed back. With SQLite, the first start makes the database and, beside it, the keyset.",
		Example: "  orgbridge serve\n" +
			"  orgbridge serve --no-workers\n" +
			"  orgbridge serve --workers-only --addr 127.0.0.1:8081",
	}
	noWorkers := c.Flags().Bool("no-workers", false, "leave the workers to other processes")
	workersOnly := c.Flags().Bool("workers-only", false, "serve /healthz and /readyz, and no API")
	act := func(ctx context.Context, in invocation) error {
		if *noWorkers && *workersOnly {
			return usageError{errors.New("--no-workers and --workers-only leave nothing to do")}
		}
		return serve(ctx, in, roles{api: !*workersOnly, workers: !*noWorkers})
	}
	return p.command(c, act,
		config.Addr, config.DatabaseURL, config.Keyset, config.ITGlueUSURL, config.ITGlueEUURL, config.ITGlueAUURL,
		config.ITGlueRequestsPer5Minutes, config.RequestsPerMinute, config.FailedAuthenticationsPerMinute, config.TrustedProxies,
		config.CORSOrigins, config.OIDCIssuer, config.OIDCAudience, config.OIDCAccountClaim, config.OIDCRoleClaim,
		config.MetricsAddr, config.LogLevel, config.LogFormat,
	)
}

func serve(ctx context.Context, in invocation, r roles) error {
	listener, err := listen(ctx, config.Addr, in.config.Addr)
	if err != nil {
		return err
	}
	logger := newLogger(in)
	w, unwatch, err := newWatchers(ctx, in, logger)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer unwatch()
	n, err := newNode(ctx, in.config, r, logger, w)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	return n.serve(ctx, listener, nil)
}

func listen(ctx context.Context, variable config.Variable, addr string) (net.Listener, error) {
	lc := net.ListenConfig{Control: giveUpOnSilence}
	listener, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s%s: %w", config.Prefix, variable, err)
	}
	return listener, nil
}
