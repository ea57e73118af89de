package jobs

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/orgbridge/orgbridge/internal/observe"
)

// warnings lets pass what a person should know of: River speaks at length at the levels below. It calls it an error when Stop cuts off
// what it is doing, which is none, and whenever the database is away, which is not the program's; a panic is.
type warnings struct{ slog.Handler }

func (h warnings) Handle(ctx context.Context, r slog.Record) error {
	cutOff := false
	r.Attrs(func(a slog.Attr) bool {
		cutOff = strings.Contains(a.Value.String(), context.Canceled.Error())
		return !cutOff
	})
	if cutOff {
		return nil
	}
	if r.Level == slog.LevelError && !strings.Contains(r.Message, "panic") {
		r.Level = slog.LevelWarn
	}
	return h.Handler.Handle(ctx, r)
}

func (h warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}

func (h warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{h.Handler.WithAttrs(attrs)}
}

func (h warnings) WithGroup(name string) slog.Handler { return warnings{h.Handler.WithGroup(name)} }

// errorLog reports jobs that failed. River logs panics by itself, with their trace.
type errorLog struct{ logger *slog.Logger }

func (l errorLog) HandleError(ctx context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	var about syncArgs
	_ = json.Unmarshal(job.EncodedArgs, &about) // of a sweep it is nothing
	ctx = observe.With(ctx, observe.AccountID, about.AccountID, observe.SyncID, about.SyncID)
	l.logger.ErrorContext(ctx, "job failed", "kind", job.Kind, "job", job.ID, "error", err)
	return nil
}

func (l errorLog) HandlePanic(context.Context, *rivertype.JobRow, any, string) *river.ErrorHandlerResult {
	return nil
}
