// Package observe carries, with the context, what a line of the log and a span should tell of the work that they belong to.
package observe

import (
	"context"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/trace"
)

// The fields that say which work a line belongs to.
const (
	RequestID = "requestId"
	AccountID = "accountId"
	SyncID    = "syncId"
	traceID   = "traceId"
)

type fieldsKey struct{}

// With has every line that is logged with the returned context tell a field, given as key and value pairs.
func With(ctx context.Context, keysAndValues ...string) context.Context {
	known, _ := ctx.Value(fieldsKey{}).([]slog.Attr)
	fields := slices.Clone(known)
	for pair := range slices.Chunk(keysAndValues, 2) {
		fields = slices.DeleteFunc(fields, func(a slog.Attr) bool { return a.Key == pair[0] })
		if pair[1] != "" {
			fields = append(fields, slog.String(pair[0], pair[1]))
		}
	}
	return context.WithValue(ctx, fieldsKey{}, fields)
}

// field is the value of a field of ctx.
func field(ctx context.Context, key string) string {
	known, _ := ctx.Value(fieldsKey{}).([]slog.Attr)
	for _, a := range known {
		if a.Key == key {
			return a.Value.String()
		}
	}
	return ""
}

// Handler adds to each line the fields of its context that it does not have, and the trace that it belongs to.
func Handler(h slog.Handler) slog.Handler { return handler{h} }

type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	fields, _ := ctx.Value(fieldsKey{}).([]slog.Attr)
	if span := trace.SpanContextFromContext(ctx); span.IsSampled() {
		fields = append(slices.Clone(fields), slog.String(traceID, span.TraceID().String()))
	}
	if len(fields) == 0 {
		return h.Handler.Handle(ctx, r)
	}
	had := make(map[string]bool, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		had[a.Key] = true
		return true
	})
	r = r.Clone()
	for _, a := range fields {
		if !had[a.Key] {
			r.AddAttrs(a)
		}
	}
	return h.Handler.Handle(ctx, r)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs)}
}

func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }
