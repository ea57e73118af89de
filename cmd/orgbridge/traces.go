package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
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
	endpoints := []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"}
	if getenv(endpoints[0])+getenv(endpoints[1]) == "" || getenv("OTEL_SDK_DISABLED") == "true" || getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false, nil
	}
	for variable, only := range map[string]string{
		"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
	} {
		if value := getenv(variable); value != "" && value != only {
			return false, fmt.Errorf("%s must be %s", variable, only)
		}
	}
	for _, variable := range endpoints {
		if value := getenv(variable); value != "" && !isEndpoint(value) {
			return false, fmt.Errorf("%s must be a URL, as http://127.0.0.1:4318 is", variable)
		}
	}
	for _, variable := range []string{"OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"} {
		if value := getenv(variable); value != "" && !areHeaders(value) {
			return false, fmt.Errorf("%s must be name=value pairs with commas between them", variable)
		}
	}
	return true, nil
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
