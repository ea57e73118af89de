package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/orgbridge/orgbridge/internal/config"
	"github.com/orgbridge/orgbridge/internal/errs"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // with one line on stderr that says why
	exitUsage  = 2 // the command line is not understood
)

// action does the work of a command, until it is done or ctx ends.
type action func(ctx context.Context, in invocation) error

// invocation is what a command was called with.
type invocation struct {
	config   config.Config
	operands []string
	json     bool                // data is printed as JSON
	getenv   func(string) string // for what others than us have named
	stdout   io.Writer
	stderr   io.Writer
}

// usageError is a command line that is not understood.
type usageError struct{ error }

// run is the whole program: it does what args say and returns the exit code. It ends soon after ctx does.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	root := program{getenv: getenv, stdout: stdout, stderr: stderr}.root() //nolint:contextcheck // cobra gives commands the context below
	root.SetArgs(args)
	called, err := root.ExecuteContextC(ctx)
	if usage, ok := errors.AsType[usageError](err); ok {
		fmt.Fprintf(stderr, "%s: %s\n\n%s", called.CommandPath(), oneLine(usage), called.UsageString())
		return exitUsage
	}
	if err != nil {
		fmt.Fprintln(stderr, "orgbridge:", oneLine(err))
		return exitFailed
	}
	return exitOK
}

// say prints a text for people; nothing with --json.
func (in invocation) say(format string, args ...any) error {
	if in.json {
		return nil
	}
	_, err := fmt.Fprintf(in.stdout, format, args...)
	return err
}

// answer prints the result for programs, on one line; nothing without --json.
func (in invocation) answer(result any) error {
	if !in.json {
		return nil
	}
	encoder := json.NewEncoder(in.stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(result)
}

// oneLine says an error to a person at a terminal.
func oneLine(err error) string {
	text := err.Error()
	if known, ok := errors.AsType[*errs.Error](err); ok && known.Code != errs.Internal {
		parts := append(make([]string, 0, 1+len(known.Fields)), known.Detail)
		for _, f := range known.Fields {
			parts = append(parts, strings.TrimPrefix(f.Pointer, "/")+" "+f.Detail+".")
		}
		text = strings.Join(parts, " ")
	}
	return strings.Join(strings.Fields(text), " ")
}
