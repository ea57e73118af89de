package metrics

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
)

const (
	// levelsKept is for how long levels are shown again without asking the database, so that many who look cost no more than one.
	levelsKept = 5 * time.Second
	// levelsTimeout bounds how long a database that does not answer keeps everything else waiting.
	levelsTimeout = 3 * time.Second
)

// LevelReader reads how much waits, from the database.
type LevelReader func(ctx context.Context) (orgsync.Levels, error)

// WatchLevels shows what waits in the database. All processes on the same database show the same.
func (m *Metrics) WatchLevels(read LevelReader, logger *slog.Logger) {
	m.registry.MustRegister(&levels{read: read, logger: logger})
}

// levels are read when they are asked for.
type levels struct {
	read   LevelReader
	logger *slog.Logger

	mu   sync.Mutex
	at   time.Time
	last orgsync.Levels
	err  error
}

// now returns the levels, which may be some seconds old.
func (l *levels) now() (orgsync.Levels, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.at.IsZero() && time.Since(l.at) < levelsKept {
		return l.last, l.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), levelsTimeout)
	defer cancel()
	l.last, l.err = l.read(ctx)
	l.at = time.Now()
	if l.err != nil {
		l.logger.WarnContext(ctx, "levels not read for the metrics", "error", l.err)
	}
	return l.last, l.err
}

// levelDescriptions are the metrics of the levels.
type levelDescriptions struct {
	readable, syncs, oldestDue, dailyLag, heldSyncs, heldRemovals, oldestHeld, integrations *prometheus.Desc
}

func describeLevels() levelDescriptions {
	return levelDescriptions{
		readable:     description("levels_readable", "1 when the metrics that are read from the database could be read, 0 when not."),
		syncs:        description("syncs", "Syncs that run, are due or have to wait for their time.", "kind", "state"),
		oldestDue:    description("sync_due_age_seconds", "How long the sync has waited that is due for the longest time and does not run."),
		dailyLag:     description("daily_sync_lag_seconds", "How long ago the oldest daily sync was due that is not even queued."),
		heldSyncs:    description("held_syncs", "Syncs with removals that wait for a person's decision."),
		heldRemovals: description("held_removals", "Removals that wait for a person's decision."),
		oldestHeld:   description("held_age_seconds", "For how long the first of the held removals have waited."),
		integrations: description("integrations", "Connected accounts, by what they need attention for.", "attention"),
	}
}

// Describe describes nothing, so that the metrics may be missing while the database is away.
func (*levels) Describe(chan<- *prometheus.Desc) {}

// Collect reads the levels.
func (l *levels) Collect(to chan<- prometheus.Metric) {
	d := describeLevels()
	now, err := l.now()
	if err != nil {
		to <- level(d.readable, 0)
		return
	}
	to <- level(d.readable, 1)
	collectSyncs(to, d.syncs, now.Syncs)
	to <- level(d.oldestDue, now.OldestDue.Seconds())
	to <- level(d.dailyLag, now.DailyLag.Seconds())
	to <- level(d.heldSyncs, float64(now.HeldSyncs))
	to <- level(d.heldRemovals, float64(now.HeldRemovals))
	to <- level(d.oldestHeld, now.OldestHeld.Seconds())
	for attention, n := range now.Integrations {
		to <- level(d.integrations, float64(n), attention)
	}
}

// collectSyncs shows also that there is none.
func collectSyncs(to chan<- prometheus.Metric, d *prometheus.Desc, found []orgsync.SyncLevel) {
	for _, kind := range []orgsync.Kind{orgsync.Initial, orgsync.Daily, orgsync.Manual, orgsync.Preview} {
		for _, state := range []string{orgsync.LevelRunning, orgsync.LevelDue, orgsync.LevelDelayed} {
			n := 0
			for _, s := range found {
				if s.Kind == kind && s.State == state {
					n = s.Count
				}
			}
			to <- level(d, float64(n), string(kind), state)
		}
	}
}

// WatchConnections shows how this process uses its connections to the database.
func (m *Metrics) WatchConnections(read func() store.Connections) {
	m.registry.MustRegister(connections(read))
}

type connections func() store.Connections

// Describe describes nothing: all is known when it is read.
func (connections) Describe(chan<- *prometheus.Desc) {}

// Collect reads the use of connections.
func (read connections) Collect(to chan<- prometheus.Metric) {
	now := read()
	used := description("database_connections", "Connections to the database.", "state")
	to <- level(used, float64(now.InUse), "in_use")
	to <- level(used, float64(now.Idle), "idle")
	to <- level(description("database_connections_max", "The most connections to the database that this process takes."), float64(now.Max))
	to <- count(description("database_waits_total", "How often a connection had to be waited for."), float64(now.Waits))
	to <- count(description("database_wait_seconds_total", "How long connections were waited for."), now.Waited.Seconds())
}

// WatchStreams has the number of streams that are open read whenever metrics are asked for.
func (m *Metrics) WatchStreams(read func() int) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "streams", Help: "Streams of events that clients follow at the moment.",
	}, func() float64 { return float64(read()) }))
}

func description(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

func level(d *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func count(d *prometheus.Desc, value float64) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.CounterValue, value)
}
