package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/orgbridge/orgbridge/internal/e2e"
)

// path is the names of a span and of those above it.
func path(spans []e2e.Span, s e2e.Span) (names []string) {
	for {
		names = append([]string{s.Name}, names...)
		at := slices.IndexFunc(spans, func(above e2e.Span) bool { return above.ID == s.Parent && above.Trace == s.Trace })
		if at < 0 {
			return names
		}
		s = spans[at]
	}
}

// TestOneTraceLeadsFromTheRequestToITGlueAndThroughTheJob has the program send its traces, and finds each of its rooms in the one that a
// client began; what is secret or a customer's is in none.
func TestOneTraceLeadsFromTheRequestToITGlueAndThroughTheJob(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		const begun = "4bf92f3577b34da6a3ce929d0e0e4736"
		received := e2e.ReceiveTraces(t)
		s.Add("Alpine Dental")
		server := s.With(append(received.Env(), "ORGBRIDGE_LOG_FORMAT=json")...).Start("serve")
		c := e2e.Client{T: t, Base: server.Word(`"msg":"listening","address":"`), Token: s.NewAccount()}
		c.Base = strings.Split(c.Base, `"`)[0] + "/api/v1"
		c.AddOrganization("Alpine Dental", "alpine.example.com")
		asking := c.WithHeader("Traceparent", "00-"+begun+"-00f067aa0ba902b7-01").WithHeader("X-Request-Id", "first-sync")
		asking.Connect()
		var sync e2e.SyncView
		e2e.Eventually(t, e2e.Patience, "the end of the sync", func() bool {
			in := e2e.Call[e2e.IntegrationView](c, "GET", "/integrations/itglue", nil, http.StatusOK)
			if in.LastSync != nil {
				sync = *in.LastSync
			}
			return in.LastSync != nil
		})
		if code := server.End(syscall.SIGTERM); code != 0 { // what is left is sent
			t.Errorf("exit code %d", code)
		}

		spans := received.Spans()
		var paths []string
		for _, span := range spans {
			if span.Trace == begun {
				paths = append(paths, strings.Join(path(spans, span), " > "))
			}
			if span.Name == "sync" && span.Attributes["orgbridge.sync.id"] != sync.ID {
				t.Errorf("the sync %s is called %v", sync.ID, span.Attributes)
			}
		}
		const request = "POST /api/v1/integrations/itglue/connect"
		for _, want := range []string{
			request, request + " > connect to IT Glue", request + " > connect to IT Glue > IT Glue: count organizations",
			request + " > connect to IT Glue > database: connect", request + " > connect to IT Glue > sync",
			request + " > connect to IT Glue > sync > list the IT Glue organizations > IT Glue: list organizations",
			request + " > connect to IT Glue > sync > apply the plan > database: apply changes",
		} {
			if !slices.Contains(paths, want) {
				t.Errorf("the trace has no %q", want)
			}
		}
		if t.Failed() {
			t.Log(strings.Join(paths, "\n"))
		}
		for _, raw := range received.Raw() {
			for _, secret := range []string{e2e.SimKey, c.Token, "Alpine", "alpine", "SELECT", "INSERT", strings.TrimPrefix(s.Sim.Base, "http://")} {
				if bytes.Contains(raw, []byte(secret)) {
					t.Errorf("%q is in the traces", secret)
				}
			}
		}
		wantLine(t, server.Out.String(), map[string]string{"msg": "sync ended", "syncId": sync.ID, "requestId": "first-sync", "traceId": begun})
		wantLine(t, server.Out.String(), map[string]string{"msg": "request", "requestId": "first-sync", "traceId": begun})
	})
}

// wantLine demands a line of the log with these fields, each of them once.
func wantLine(t *testing.T, log string, fields map[string]string) {
	t.Helper()
	for line := range strings.Lines(log) {
		var got map[string]any
		if json.Unmarshal([]byte(line), &got) != nil {
			continue
		}
		all := true
		for key, value := range fields {
			all = all && got[key] == value && strings.Count(line, fmt.Sprintf("%q:", key)) == 1
		}
		if id, ok := got["accountId"].(string); all && ok && id != "" {
			return
		}
	}
	t.Errorf("no line of the log has %v:\n%s", fields, log)
}

func TestTracesThatCannotBeSentAsAskedForStopTheStart(t *testing.T) {
	t.Parallel()
	for variable, values := range map[string][]string{
		"OTEL_EXPORTER_OTLP_PROTOCOL": {"grpc"}, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": {"http/json"}, "OTEL_TRACES_EXPORTER": {"zipkin"},
		"OTEL_EXPORTER_OTLP_ENDPOINT":       {"127.0.0.1:4318", "localhost:4318", "ftp://secret", "http://", " ", "%%%secret"},
		"OTEL_BSP_MAX_QUEUE_SIZE":           {"-5", "0", "100000000000000", "many"},
		"OTEL_BSP_MAX_EXPORT_BATCH_SIZE":    {"-1"},
		"OTEL_EXPORTER_OTLP_HEADERS":        {"Authorization: Bearer secret", "=secret", "a=b,secret"},
		"OTEL_EXPORTER_OTLP_TRACES_HEADERS": {"secret"},
	} {
		for _, value := range values {
			env := map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1", variable: value}
			_, err := tracesWanted(func(name string) string { return env[name] })
			if err == nil || !strings.Contains(err.Error(), variable) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s=%s: %v", variable, value, err)
			}
		}
	}
	whole := map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.example.com:4318/x", "OTEL_EXPORTER_OTLP_HEADERS": "a=b, c=d=e",
		"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf", "OTEL_BSP_MAX_QUEUE_SIZE": "100",
	}
	if wanted, err := tracesWanted(func(name string) string { return whole[name] }); !wanted || err != nil {
		t.Errorf("%v: %t, %v", whole, wanted, err)
	}
	for _, env := range []map[string]string{
		{}, {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "TRUE"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": "none"},
	} {
		if wanted, err := tracesWanted(func(name string) string { return env[name] }); wanted || err != nil {
			t.Errorf("%v: %t, %v", env, wanted, err)
		}
	}
}
