package main

import (
	"log/slog"

	"github.com/orgbridge/orgbridge/internal/observe"
)

func newLogger(in invocation) *slog.Logger {
	options := &slog.HandlerOptions{Level: in.config.LogLevel}
	if in.config.LogFormat == "json" {
		return slog.New(observe.Handler(slog.NewJSONHandler(in.stderr, options)))
	}
	return slog.New(observe.Handler(slog.NewTextHandler(in.stderr, options)))
}
