package observe

import (
	"context"
	"errors"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/orgbridge/orgbridge/internal/errs"
)

const (
	scope       = "github.com/orgbridge/orgbridge"
	traceparent = "traceparent"
)

// Span is one step of a trace. Nothing but names, ids and codes goes into it: whatever else a program works with may be a secret or a
// customer's name.
type Span struct{ span trace.Span }

// Start begins a step of the work that ctx belongs to. Where that is not traced, neither is the step.
func Start(ctx context.Context, name string, attributes ...string) (context.Context, Span) {
	return start(ctx, trace.SpanFromContext(ctx).TracerProvider(), name, trace.SpanKindInternal, attributes)
}

// Call is [Start] for a step that is done by somebody else.
func Call(ctx context.Context, name string, attributes ...string) (context.Context, Span) {
	return start(ctx, trace.SpanFromContext(ctx).TracerProvider(), name, trace.SpanKindClient, attributes)
}

func start(ctx context.Context, p trace.TracerProvider, name string, kind trace.SpanKind, attributes []string) (context.Context, Span) {
	var s Span
	ctx, s.span = p.Tracer(scope).Start(ctx, name, trace.WithSpanKind(kind)) //nolint:spancheck // ended by End or EndAs
	for i := 1; i < len(attributes); i += 2 {
		s.Set(attributes[i-1], attributes[i])
	}
	return ctx, s
}

// Set tells something of the step.
func (s Span) Set(key, value string) {
	if value != "" {
		s.span.SetAttributes(attribute.String(key, value))
	}
}

// SetInt tells a number of the step.
func (s Span) SetInt(key string, value int) { s.span.SetAttributes(attribute.Int(key, value)) }

// End ends the step; of an error it tells the code.
func (s Span) End(err error) {
	if errors.Is(err, context.Canceled) {
		s.EndAs("cancelled")
		return
	}
	s.EndAs(string(errs.CodeOf(err)))
}

// EndAs ends the step, which failed in this way unless that is nothing.
func (s Span) EndAs(failure string) {
	if failure != "" {
		s.Set("error.type", failure)
		if failure == string(errs.Internal) || failure == string(errs.Unavailable) || strings.HasPrefix(failure, "itglue-") {
			s.span.SetStatus(codes.Error, failure)
		}
	}
	s.span.End()
}

// Tell tells something of the step that ctx belongs to.
func Tell(ctx context.Context, key, value string) { Span{trace.SpanFromContext(ctx)}.Set(key, value) }

// Untraced leaves the trace of ctx: nothing that is done with what it returns is a step of it. Lines of the log go on to name it.
func Untraced(ctx context.Context) context.Context {
	if span := trace.SpanContextFromContext(ctx); span.IsSampled() {
		ctx = With(ctx, traceID, span.TraceID().String())
	}
	return trace.ContextWithSpan(ctx, noop.Span{})
}

// Traces begins traces, or continues those of others. The zero value does neither.
type Traces struct{ provider trace.TracerProvider }

// NewTraces returns traces that go where the provider sends them.
func NewTraces(p trace.TracerProvider) Traces { return Traces{p} }

// Request begins the answer to a request, as part of the trace that its header traceparent names.
func (t Traces) Request(ctx context.Context, parent, name string) (context.Context, Span) {
	if t.provider == nil {
		return ctx, Span{noop.Span{}}
	}
	return start(within(ctx, parent), t.provider, name, trace.SpanKindServer, nil)
}

// Job begins work that was asked for earlier, as part of the trace in which it was.
func (t Traces) Job(ctx context.Context, asked Origin, name string, attributes ...string) (context.Context, Span) {
	ctx = With(ctx, RequestID, asked.RequestID)
	if t.provider == nil {
		return ctx, Span{noop.Span{}}
	}
	return start(within(ctx, asked.Traceparent), t.provider, name, trace.SpanKindConsumer, attributes)
}

func within(ctx context.Context, parent string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{traceparent: parent})
}

// Origin is what work that is done later should know of who asked for it.
type Origin struct {
	Traceparent string `json:"traceparent,omitempty"`
	RequestID   string `json:"requestId,omitempty"`
}

// OriginOf is the origin of what is asked for with ctx.
func OriginOf(ctx context.Context) Origin {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return Origin{Traceparent: carrier[traceparent], RequestID: field(ctx, RequestID)}
}
