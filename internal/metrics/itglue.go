package metrics

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orgbridge/orgbridge/pkg/itglue"
)

func (m *Metrics) countITGlue() {
	const outcome = "outcome"
	m.itglueSent = counter("itglue_requests_total", "Requests sent to IT Glue, by what was asked for and how it went.", "operation", outcome)
	m.itglueUnsent = counter("itglue_unsent_total",
		"Requests to IT Glue that were not sent: no request left for the key, an IT Glue that fails is left alone, or not wanted any more.",
		"reason")
	m.itglueTime = histogram("itglue_request_duration_seconds", "How long IT Glue took to answer.",
		[]float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 90}, "operation")
	m.itglueWait = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Name: "itglue_wait_seconds", Help: "How long requests to IT Glue were held back to keep to the limit of their key.",
		Buckets: []float64{.001, .01, .1, .25, .5, 1, 2.5, 5, 10},
	})
	for _, reason := range []string{"rate-limited", "unavailable", "cancelled", "withdrawn"} {
		m.itglueUnsent.WithLabelValues(reason)
	}
}

// ITGlue counts one attempt at a request to IT Glue. The operation is one of the client's own names.
func (m *Metrics) ITGlue(operation string, a itglue.Attempt) {
	m.itglueWait.Observe(a.Waited.Seconds())
	if !a.Sent {
		m.itglueUnsent.WithLabelValues(outcome(a.Err)).Inc()
		return
	}
	m.itglueSent.WithLabelValues(operation, outcome(a.Err)).Inc()
	m.itglueTime.WithLabelValues(operation).Observe(a.Took.Seconds())
}

// outcome is "ok" or why there was none; "withdrawn" when it was not IT Glue's doing.
func outcome(err error) string {
	kind := itglue.KindOf(err)
	switch {
	case err == nil:
		return "ok"
	case kind != "":
		return string(kind)
	case errors.Is(err, context.Canceled):
		return "cancelled"
	default:
		return "withdrawn"
	}
}
