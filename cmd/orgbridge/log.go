package main

import "log/slog"

func newLogger(in invocation) *slog.Logger {
	options := &slog.HandlerOptions{Level: in.config.LogLevel}
	if in.config.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(in.stderr, options))
	}
	return slog.New(slog.NewTextHandler(in.stderr, options))
}
