package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/config"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/jobs"
	"github.com/orgbridge/orgbridge/internal/live"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/oidc"
	"github.com/orgbridge/orgbridge/internal/organization"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/seal"
	"github.com/orgbridge/orgbridge/internal/store"
)

// now is the clock, in UTC and no finer than a database keeps it: what is answered at once and what is read later are the same.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// roles says what a process is there for.
type roles struct {
	api     bool
	workers bool
}

// node is one process on the database, wired and not yet running.
type node struct {
	logger        *slog.Logger
	db            *store.Store
	jobs          *jobs.Jobs
	accounts      *account.Service
	organizations *organization.Service
	people        *oidc.Authenticator // nil without an identity provider
	watchers      watchers
	streams       *live.Service
	handler       http.Handler
	draining      atomic.Bool
}

func newNode(ctx context.Context, c config.Config, r roles, logger *slog.Logger, w watchers) (*node, error) {
	if err := makeKeyset(c); err != nil {
		return nil, err
	}
	keyset, err := loadKeyset(c)
	if err != nil {
		return nil, err
	}
	n := &node{logger: logger, watchers: w}
	if n.db, err = openDatabase(ctx, c, logger); err != nil {
		return nil, err
	}
	if err := n.examineKeys(ctx, keyset); err != nil {
		return nil, errors.Join(err, n.db.Close())
	}
	if err := n.wire(c, r, keyset); err != nil { //nolint:contextcheck // handlers have the context of their request
		return nil, errors.Join(err, n.db.Close())
	}
	return n, nil
}

// examineKeys tells the operator when stored keys cannot be opened. Everything else is served all the same.
func (n *node) examineKeys(ctx context.Context, keyset *seal.Keyset) error {
	found, err := integration.Examine(ctx, n.db, keyset)
	if err != nil || found.Unreadable == 0 {
		return err
	}
	n.logger.ErrorContext(ctx, "stored IT Glue keys cannot be opened with this keyset: "+
		"their accounts are served without IT Glue until the keyset is put right, or the keys are given up with: orgbridge keys discard",
		"unreadable", found.Unreadable, "readable", found.Readable, "variable", config.Prefix+string(config.Keyset))
	return nil
}

// wire connects everything. Services enqueue syncs; the runner, which works them, needs no service that does.
func (n *node) wire(c config.Config, r roles, keyset *seal.Keyset) (err error) {
	n.watch()
	dialer := integration.NewDialer(
		c.ITGlueURLs, c.ITGlueRequestsPer5Minutes, integration.Sharing(n.db, c.ITGlueRequestsPer5Minutes), n.watched(),
	)
	connections := integration.NewService(integration.Config{
		Store: n.db, Sealed: n.db, Keyset: keyset, ITGlue: dialer, Now: now, Logger: n.logger,
	})
	runs := orgsync.RunnerConfig{
		Syncs: n.db, State: n.db, Releases: n.db, Connections: connections, Now: now, Logger: n.logger, Observe: n.watchers.metrics.Run,
	}
	work := jobs.Config{
		Pool: n.db.PostgresPool(), SQLite: n.db.SQLite(), Workers: r.workers, Sweeps: n.db,
		Nights: orgsync.NewNights(n.db, n.logger), Keys: n.db, Logger: n.logger, Traces: n.watchers.traces,
	}
	if err := tune(&runs, &work); err != nil {
		return err
	}
	work.Sync = orgsync.NewRunner(runs)
	if n.jobs, err = jobs.New(work); err != nil {
		return err
	}
	connections.Starter = n.jobs

	n.accounts = account.NewService(n.db, now)
	n.organizations = organization.NewService(organization.Config{
		Store: n.db, Connections: connections, Now: now, Logger: n.logger,
	})
	n.streams = live.NewService(live.Config{Source: n.db})
	n.watchers.metrics.WatchStreams(n.streams.Following)
	n.handler, err = api.New(api.Dependencies{
		Log: n.logger, Now: now, Ready: n.db.Ready, Draining: n.draining.Load, Version: versionName(), HealthOnly: !r.api,
		Observe: n.watchers.metrics.Request, Metrics: n.metricsHere(c), Traces: n.watchers.traces,
		CORSOrigins:       c.CORSOrigins,
		RequestsPerMinute: c.RequestsPerMinute, FailuresPerMinute: c.FailedAuthenticationsPerMinute, TrustedProxies: c.TrustedProxies,
		Authenticator: n.authenticator(c.OIDC), Tokens: n.db, Accounts: n.db, AccountService: n.accounts,
		Integrations: n.db, IntegrationService: connections,
		Organizations: n.db, OrganizationService: n.organizations,
		Mappings: n.db, MappingService: mapping.NewService(n.db, connections),
		Events: n.db, Streams: n.streams, Keys: n.db,
		Syncs: n.db, SyncService: orgsync.NewService(orgsync.ServiceConfig{
			Syncs: n.db, Refreshes: n.db, Releases: n.db, Reads: n.db, Connections: connections, Starter: n.jobs, Now: now, Logger: n.logger,
			Observe: n.watchers.metrics.Run,
		}),
	})
	return err
}

// authenticator knows our tokens and, with an identity provider, its JWTs.
func (n *node) authenticator(c config.OIDC) api.Authenticator {
	if c.Issuer == "" {
		return n.accounts
	}
	n.people = oidc.New(oidc.Config{
		Issuer: c.Issuer, Audience: c.Audience, AccountClaim: c.AccountClaim, RoleClaim: c.RoleClaim,
		Tokens: n.accounts, Accounts: n.db, Now: now, Logger: n.logger,
	})
	return n.people
}
