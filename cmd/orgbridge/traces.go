package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/orgbridge/orgbridge/internal/observe"
)

// flushTimeout is how long the process waits at its end for the last traces to be sent.
const flushTimeout = 5 * time.Second

// newTraces sends traces where the standard variables of OpenTelemetry say, by OTLP over HTTP; without an endpoint there are none. The
// variables are read by OpenTelemetry itself, but for those that would ask it for what is not there. Flush sends what is left.
func newTraces(ctx context.Context, getenv func(string) string, logger *slog.Logger) (t observe.Traces, flush func(), err error) {
	wanted, err := tracesWanted(getenv)
	if err != nil || !wanted {
		return observe.Traces{}, func() {}, err
	}
	otel.SetLogger(logr.Discard()) // it quotes what it does not understand, and the headers are secret
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return observe.Traces{}, nil, fmt.Errorf("set up traces: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "orgbridge"), attribute.String("service.version", versionName())),
		resource.WithHost(), resource.WithTelemetrySDK(), resource.WithFromEnv(),
	)
	if err != nil {
		return observe.Traces{}, nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { // the only way to hear of it
		logger.WarnContext(ctx, "traces not sent", "error", err)
	}))
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	return observe.NewTraces(provider), func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			logger.WarnContext(ctx, "traces not sent", "error", err)
		}
	}, nil
}

// tracesWanted tells whether traces are to be sent. What the variables say that cannot be done is an error, which does not quote them.
func tracesWanted(getenv func(string) string) (bool, error) {
	const endpoint, headers = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS"
	const itsEndpoint, itsHeaders = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"
	off := strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") || getenv("OTEL_TRACES_EXPORTER") == "none"
	if off || getenv(endpoint)+getenv(itsEndpoint) == "" {
		return false, nil
	}
	protocol := "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
	if getenv(protocol) == "" {
		protocol = "OTEL_EXPORTER_OTLP_PROTOCOL"
	}
	is := func(only string) func(string) bool { return func(value string) bool { return value == only } }
	const address, pairs, size = "a URL such as http://127.0.0.1:4318", "name=value pairs with commas between", "a number from 1 to 1000000"
	for _, rule := range []struct {
		variable string
		holds    func(value string) bool
		must     string
	}{
		{"OTEL_TRACES_EXPORTER", is("otlp"), "otlp"},
		{protocol, is("http/protobuf"), "http/protobuf"},
		{endpoint, isEndpoint, address},
		{itsEndpoint, isEndpoint, address},
		{headers, areHeaders, pairs},
		{itsHeaders, areHeaders, pairs},
		{"OTEL_BSP_MAX_QUEUE_SIZE", isSize, size},
		{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", isSize, size},
	} {
		if value := getenv(rule.variable); value != "" && !rule.holds(value) {
			return false, fmt.Errorf("%s must be %s", rule.variable, rule.must)
		}
	}
	return true, nil
}

func isSize(value string) bool {
	n, err := strconv.Atoi(value)
	return err == nil && n >= 1 && n <= 1_000_000
}

func isEndpoint(value string) bool {
	u, err := url.Parse(value)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func areHeaders(value string) bool {
	for header := range strings.SplitSeq(value, ",") {
		if name, _, ok := strings.Cut(header, "="); !ok || strings.TrimSpace(name) == "" {
			return false
		}
	}
	return true
}
