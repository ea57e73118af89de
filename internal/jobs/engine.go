package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
	"golang.org/x/time/rate"
)

const (
	// A new kind of job needs a new queue: an older process on the same database works all that it finds in a queue of its own, and gives
	// up what it does not know.
	//
	// Apart, so that neither the syncs of the night nor a full house of others keep anybody else out.
	syncQueue  = "syncs"
	dailyQueue = "daily"
	sweepQueue = "sweeps"

	// A new job is announced, but not within the cooldown after another one. Polling finds what was not announced.
	fetchCooldown = time.Millisecond
	pollInterval  = time.Second
	// On PostgreSQL, where polling is cheap, a burst of syncs should not notice the cooldown.
	syncPollPostgres = 250 * time.Millisecond

	// Finished jobs are of no use, since syncs are their own history; the sweeps of a day would be 17,280 rows.
	retention = time.Hour
)

// engine is a River client of either database.
type engine interface {
	InsertMany(ctx context.Context, params []river.InsertManyParams) ([]*rivertype.JobInsertResult, error)
	Start(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
	migrate(ctx context.Context) error
}

func newEngine(c Config, rc *river.Config) (engine, error) {
	if c.Pool != nil {
		return newClient(riverpgxv5.New(c.Pool), rc)
	}
	return newClient(sqliteDriver{riversqlite.New(c.SQLite)}, rc)
}

// sqliteDriver says that there are no announcements in the database. River's stand-in for them is a table that is read 20 times a
// second, half of what an idle process does; without it, River hands new jobs to its workers directly if they are in the same
// process, which is how SQLite is used, and workers in another process find them by polling.
type sqliteDriver struct{ *riversqlite.Driver }

func (sqliteDriver) SupportsListener() bool     { return false }
func (sqliteDriver) SupportsListenNotify() bool { return false }

type client[TTx any] struct {
	*river.Client[TTx]

	driver riverdriver.Driver[TTx]
	logger *slog.Logger
}

func newClient[TTx any](driver riverdriver.Driver[TTx], rc *river.Config) (*client[TTx], error) {
	c, err := river.NewClient(driver, rc)
	if err != nil {
		return nil, fmt.Errorf("set up jobs: %w", err)
	}
	return &client[TTx]{Client: c, driver: driver, logger: rc.Logger}, nil
}

func (c *client[TTx]) migrate(ctx context.Context) error {
	migrator, err := rivermigrate.New(c.driver, &rivermigrate.Config{Logger: c.logger})
	if err != nil {
		return fmt.Errorf("set up the migration of jobs: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate jobs: %w", err)
	}
	return nil
}

// river returns a configuration that only enqueues, or, with workers, one that runs j's jobs as well.
func (c Config) river(j *Jobs) *river.Config {
	logger := slog.New(warnings{c.Logger.Handler()})
	rc := &river.Config{Logger: logger, FetchCooldown: fetchCooldown}
	if !c.Workers {
		return rc
	}
	rc.Workers = river.NewWorkers()
	river.AddWorker(rc.Workers, &syncWorker{runner: c.Sync, pace: rate.NewLimiter(dailyPerSecond, 1), traces: c.Traces})
	river.AddWorker(rc.Workers, &sweepWorker{store: c.Sweeps, nights: c.Nights, keys: c.Keys, enqueue: j.enqueue})

	rc.Queues = map[string]river.QueueConfig{
		syncQueue:  {MaxWorkers: c.MaxWorkers},
		dailyQueue: {MaxWorkers: dailyWorkers},
		sweepQueue: {MaxWorkers: 1},
	}
	rc.FetchPollInterval = pollInterval
	if c.Pool != nil {
		rc.Queues[syncQueue] = river.QueueConfig{MaxWorkers: c.MaxWorkers, FetchPollInterval: syncPollPostgres}
	}
	rc.ErrorHandler = errorLog{c.Logger}
	// River gives up jobs of kinds that it does not know when they run for longer than this. They are those of a newer version.
	rc.RescueStuckJobsAfter = syncTimeout
	rc.CancelledJobRetentionPeriod = retention
	rc.CompletedJobRetentionPeriod = retention
	rc.DiscardedJobRetentionPeriod = retention
	return rc
}
