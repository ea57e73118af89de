package e2e

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Traces is where processes send their traces to.
type Traces struct {
	server *httptest.Server

	mu    sync.Mutex
	spans []Span
	raw   [][]byte
}

// Span is one step of a trace.
type Span struct {
	Trace, ID, Parent, Name string
	Attributes              map[string]string
}

// ReceiveTraces listens for traces until the test ends.
func ReceiveTraces(tb testing.TB) *Traces {
	tb.Helper()
	r := &Traces{}
	r.server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		if err == nil {
			err = r.keep(body)
		}
		if err != nil || q.URL.Path != "/v1/traces" {
			tb.Errorf("traces came to %s: %v", q.URL.Path, err)
		}
	}))
	tb.Cleanup(r.server.Close)
	return r
}

// Env has a process send its traces, and send them soon.
func (r *Traces) Env() []string {
	return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + r.server.URL, "OTEL_BSP_SCHEDULE_DELAY=100"}
}

func (r *Traces) keep(body []byte) error {
	var message collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &message); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.raw = append(r.raw, body)
	for _, resource := range message.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				span := Span{
					Trace: hex.EncodeToString(s.GetTraceId()), ID: hex.EncodeToString(s.GetSpanId()), Parent: hex.EncodeToString(s.GetParentSpanId()),
					Name: s.GetName(), Attributes: map[string]string{},
				}
				for _, a := range s.GetAttributes() {
					span.Attributes[a.GetKey()] = a.GetValue().GetStringValue()
				}
				r.spans = append(r.spans, span)
			}
		}
	}
	return nil
}

// Spans are those that have come until now.
func (r *Traces) Spans() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.spans)
}

// Raw is all that has come until now, as it came.
func (r *Traces) Raw() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.raw)
}
