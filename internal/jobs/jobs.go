// Package jobs has work done in the background, by River. What there is to do stands in our own tables; a job only says whom to
// call. A lost job is therefore no lost work: the sweep enqueues what is due and has none.
package jobs

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/orgbridge/orgbridge/internal/observe"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

// The defaults of [Config].
const (
	DefaultSweepInterval = 5 * time.Second
	DefaultMaxWorkers    = 100
)

// Runner does the work of one sync. It records every outcome itself and returns an error only for what it could not record.
// When ctx is cancelled it hands the sync back and returns soon.
type Runner interface {
	Run(ctx context.Context, f orgsync.Fence) error
}

// Nights begins the syncs that no person asks for.
type Nights interface {
	// Due returns the accounts for which a sync may be due, the longest waiting first.
	Due(ctx context.Context) (accountIDs []string, err error)
	// Start begins those that are due and returns them.
	Start(ctx context.Context, accountIDs []string) []orgsync.Fence
}

// KeyStore keeps what is to be forgotten after a time.
type KeyStore interface {
	ForgetKeys(ctx context.Context) error
}

// Config is what background work needs.
type Config struct {
	// The database: one of the two. The SQLite handle must be limited to one open connection.
	Pool   *pgxpool.Pool
	SQLite *sql.DB

	// Workers says whether jobs are run here. Without it they are only enqueued, and Sync, Sweeps and Nights may be left
	// out.
	Workers bool
	Sync    Runner
	Sweeps  orgsync.SweepStore
	Nights  Nights
	// Keys may be left out; then nothing is forgotten.
	Keys KeyStore

	// SweepInterval is how long a sync without a job waits at most for one.
	SweepInterval time.Duration
	// MaxWorkers is how many syncs run here at the same time, daily ones apart.
	MaxWorkers int

	Logger *slog.Logger
	Now    func() time.Time
	// Traces has syncs traced; it may be left out.
	Traces observe.Traces
}

// Jobs enqueues background work and, if it is to, runs it.
type Jobs struct {
	engine        engine
	workers       bool
	now           func() time.Time
	logger        *slog.Logger
	sweepInterval time.Duration
	// stopSweeping ends what Start began, and waits for it.
	stopSweeping func()
}

// New prepares background work in a database that may not be migrated yet. Nothing runs before Start.
func New(c Config) (*Jobs, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	j := &Jobs{workers: c.Workers, now: c.Now, logger: c.Logger, sweepInterval: c.SweepInterval, stopSweeping: func() {}}
	var err error
	if j.engine, err = newEngine(c, c.river(j)); err != nil {
		return nil, err
	}
	return j, nil
}

// Migrate brings River's own tables up to date. It has to be kept from running on several nodes at once.
func (j *Jobs) Migrate(ctx context.Context) error { return j.engine.migrate(ctx) }

// Start begins to run jobs and returns. They run until Stop, also when ctx ends. It does nothing without workers.
func (j *Jobs) Start(ctx context.Context) error {
	if !j.workers {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	if err := j.engine.Start(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var sweeping sync.WaitGroup
	sweeping.Go(func() { j.keepSweeping(ctx) })
	j.stopSweeping = func() {
		cancel()
		sweeping.Wait()
	}
	return nil
}

// Stop cancels the jobs that are running, so that they hand back what they have begun, and waits until all have returned or ctx
// ends.
func (j *Jobs) Stop(ctx context.Context) error {
	if !j.workers {
		return nil
	}
	j.stopSweeping()
	return j.engine.StopAndCancel(ctx)
}

func (c Config) withDefaults() Config {
	if c.SweepInterval == 0 {
		c.SweepInterval = DefaultSweepInterval
	}
	if c.MaxWorkers == 0 {
		c.MaxWorkers = DefaultMaxWorkers
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c Config) validate() error {
	if (c.Pool == nil) == (c.SQLite == nil) {
		return errors.New("jobs: exactly one of Pool and SQLite is needed")
	}
	if c.Workers && (c.Sync == nil || c.Sweeps == nil || c.Nights == nil) {
		return errors.New("jobs: Sync, Sweeps and Nights are needed to run jobs")
	}
	if c.SweepInterval < time.Second {
		return errors.New("jobs: SweepInterval must be at least one second")
	}
	return nil
}
