package observe_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/internal/observe"
)

func line(t *testing.T, ctx context.Context, fields ...any) string {
	t.Helper()
	var out bytes.Buffer
	slog.New(observe.Handler(slog.NewTextHandler(&out, nil))).With("node", 1).InfoContext(ctx, "done", fields...)
	_, rest, _ := strings.Cut(out.String(), "msg=")
	return strings.TrimSpace(rest)
}

func TestLinesTellWhatTheirContextKnowsOnce(t *testing.T) {
	t.Parallel()
	ctx := observe.With(t.Context(), observe.RequestID, "r1", observe.AccountID, "")
	later := observe.With(ctx, observe.AccountID, "a1", observe.SyncID, "s1", observe.RequestID, "r2")
	for want, got := range map[string]string{
		"done node=1":              line(t, t.Context()),
		"done node=1 requestId=r1": line(t, ctx),
		"done node=1 accountId=a1 syncId=s1 requestId=r2":     line(t, later),
		"done node=1 accountId=own syncId=s1 requestId=r2":    line(t, later, "accountId", "own"),
		"done node=1 n=3 accountId=a1 syncId=s1 requestId=r2": line(t, later, "n", 3),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestWithoutTracesNothingIsBegun(t *testing.T) {
	t.Parallel()
	ctx, request := observe.Traces{}.Request(t.Context(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "GET /")
	_, step := observe.Start(ctx, "step")
	step.End(errors.New("failed"))
	request.EndAs("")
	if text := line(t, ctx); text != "done node=1" {
		t.Error(text)
	}
	if o := observe.OriginOf(observe.With(t.Context(), observe.RequestID, "r1")); o != (observe.Origin{RequestID: "r1"}) {
		t.Errorf("%+v", o)
	}
}
