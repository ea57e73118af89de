package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
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

// command is one sub-command.
type command struct {
	name     string // the words that call it, such as "account create"
	operands []string
	summary  string
	details  string
	examples []string

	// variables are the parts of the configuration that it uses, each a flag as well.
	variables []config.Variable
	// prepare declares the flags that are its own and returns what to do once all are parsed.
	prepare func(fs *flag.FlagSet) action
}

// action does the work of a command, until it is done or ctx ends.
type action func(ctx context.Context, in invocation) error

// invocation is what a command was called with.
type invocation struct {
	config   config.Config
	operands []string
	stdout   io.Writer
	stderr   io.Writer
}

// usageError is a command line that is not understood.
type usageError struct{ error }

func commands() []command {
	return []command{
		serveCommand(), demoCommand(), migrateCommand(), accountCreateCommand(), tokenCreateCommand(), tokenRevokeCommand(),
		keysCreateCommand(), keysRotateCommand(), keysDiscardCommand(), healthcheckCommand(), versionCommand(),
	}
}

// run is the whole program: it does what args say and returns the exit code. It ends soon after ctx does.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	if len(args) > 1 && args[0] == "help" {
		args = append(slices.Clone(args[1:]), "--help")
	}
	c, rest, ok := find(args)
	if !ok && len(args) > 0 && slices.Contains([]string{"help", "-h", "-help", "--help"}, args[len(args)-1]) {
		overview(stdout)
		return exitOK
	}
	if !ok {
		if len(args) > 0 {
			fmt.Fprintf(stderr, "orgbridge: there is no command %q\n\n", strings.Join(args[:min(2, len(args))], " "))
		}
		overview(stderr)
		return exitUsage
	}
	return c.run(ctx, rest, getenv, stdout, stderr)
}

func find(args []string) (c command, rest []string, ok bool) {
	for _, c := range commands() {
		words := strings.Fields(c.name)
		if len(args) >= len(words) && slices.Equal(args[:len(words)], words) {
			return c, args[len(words):], true
		}
	}
	return command{}, nil, false
}

func (c command) run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	flags := config.Declare(fs, c.variables...)
	act := c.prepare(fs)

	operands, err := parse(fs, args)
	if errors.Is(err, flag.ErrHelp) {
		c.usage(stdout, fs)
		return exitOK
	}
	switch {
	case err != nil:
	case len(operands) < len(c.operands):
		err = fmt.Errorf("%s is missing", c.operands[len(operands)])
	case len(operands) > len(c.operands):
		err = fmt.Errorf("there is no place for %q", operands[len(c.operands)])
	}
	if err != nil {
		return c.misused(stderr, fs, err)
	}

	conf, err := flags.Parse(getenv)
	if err == nil {
		err = act(ctx, invocation{config: conf, operands: operands, stdout: stdout, stderr: stderr})
	}
	if usage, ok := errors.AsType[usageError](err); ok {
		return c.misused(stderr, fs, usage)
	}
	if err != nil {
		fmt.Fprintln(stderr, "orgbridge:", oneLine(err))
		return exitFailed
	}
	return exitOK
}

func (c command) misused(stderr io.Writer, fs *flag.FlagSet, err error) int {
	fmt.Fprintf(stderr, "orgbridge %s: %s\n\n", c.name, oneLine(err))
	c.usage(stderr, fs)
	return exitUsage
}

// parse lets flags stand before, between and behind the operands.
func parse(fs *flag.FlagSet, args []string) (operands []string, err error) {
	for {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		if fs.NArg() == 0 {
			return operands, nil
		}
		operands = append(operands, fs.Arg(0))
		args = fs.Args()[1:]
	}
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
