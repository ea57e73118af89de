// Package metrics counts what the program does and measures how long it takes, for Prometheus. No metric names an account, and no label
// takes its values from a request.
package metrics

import (
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/orgbridge/orgbridge/internal/orgsync"
)

const (
	namespace = "orgbridge"

	// answerTimeout is below the ten seconds after which Prometheus gives up by default.
	answerTimeout = 8 * time.Second
)

// Metrics is what one process has counted. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	handler  http.Handler

	requests     *prometheus.CounterVec
	requestTime  *prometheus.HistogramVec
	runs         *prometheus.CounterVec
	runTime      *prometheus.HistogramVec
	itglueSent   *prometheus.CounterVec
	itglueUnsent *prometheus.CounterVec
	itglueTime   *prometheus.HistogramVec
	itglueWait   prometheus.Histogram
}

// New returns metrics that nothing was counted in yet. What goes wrong when they are asked for is logged.
func New(version string, logger *slog.Logger) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.countRequests()
	m.countRuns()
	m.countITGlue()
	build := gauge("build_info", "Always 1; the labels say what runs.", "version", "goversion")
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.registry.MustRegister(
		m.requests, m.requestTime, m.runs, m.runTime, m.itglueSent, m.itglueUnsent, m.itglueTime, m.itglueWait, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError, Timeout: answerTimeout,
	})
	return m
}

// Handler answers with all metrics, whatever the path.
func (m *Metrics) Handler() http.Handler { return m.handler }

func (m *Metrics) countRequests() {
	m.requests = counter("http_requests_total", "Requests answered, by the pattern of the path and the class of the status.",
		"method", "route", "status")
	m.requestTime = histogram("http_request_duration_seconds",
		"How long requests took, from the headers to the end of the answer, or to the beginning of a stream.",
		[]float64{.002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}, "method", "route")
}

// Request counts one request. The route is a pattern; methods that no route has are counted as one.
func (m *Metrics) Request(method, route string, status int, took time.Duration) {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
	default:
		method = "other"
	}
	m.requests.WithLabelValues(method, route, class(status)).Inc()
	m.requestTime.WithLabelValues(method, route).Observe(took.Seconds())
}

func class(status int) string {
	classes := []string{"1xx", "2xx", "3xx", "4xx", "5xx"}
	if i := status/100 - 1; i >= 0 && i < len(classes) {
		return classes[i]
	}
	return "other"
}

func (m *Metrics) countRuns() {
	m.runs = counter("sync_runs_total", "Runs of syncs, by how they went: one that was handed back is followed by another.", "kind", "outcome")
	m.runTime = histogram("sync_run_duration_seconds", "How long runs of syncs took.",
		[]float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800}, "kind")
	// What has not happened yet is 0, or the first time would be no increase.
	for _, kind := range []orgsync.Kind{orgsync.Initial, orgsync.Daily, orgsync.Manual, orgsync.Preview, orgsync.Organization} {
		outcomes := []orgsync.RunOutcome{
			orgsync.RunSucceeded, orgsync.RunHeld, orgsync.RunFailed, orgsync.RunHandedBack, orgsync.RunLost, orgsync.RunUnrecorded,
		}
		for _, outcome := range outcomes {
			m.runs.WithLabelValues(string(kind), string(outcome))
		}
	}
}

// Run counts one run of a sync.
func (m *Metrics) Run(r orgsync.Ran) {
	m.runs.WithLabelValues(string(r.Kind), string(r.Outcome)).Inc()
	m.runTime.WithLabelValues(string(r.Kind)).Observe(r.Took.Seconds())
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
}
