package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// runOnTerminal is runCommand with a terminal for stderr.
func runOnTerminal(t *testing.T, env map[string]string, args ...string) result {
	t.Helper()
	screen, terminal, err := pty.Open()
	if err != nil {
		t.Skipf("this test needs a pseudo-terminal: %v", err)
	}
	defer screen.Close()
	shown := make(chan string, 1)
	go func() { shown <- allOf(screen) }()
	var stdout bytes.Buffer
	code := run(t.Context(), args, func(name string) string { return env[name] }, &stdout, terminal)
	terminal.Close()
	return result{code, stdout.String(), <-shown}
}

// allOf reads until the terminal is closed, which Linux calls an error.
func allOf(screen *os.File) string {
	text, _ := io.ReadAll(screen)
	return string(text)
}

func TestProgressIsDrawnOnATerminalOnly(t *testing.T) {
	t.Parallel()
	plain, drawn, scripted := sqliteEnv(t), sqliteEnv(t), sqliteEnv(t)
	for _, env := range []map[string]string{plain, drawn, scripted} {
		env["ORGBRIDGE_LOG_LEVEL"] = "error"
	}
	check := func(command, title, stdout string) {
		t.Helper()
		args := strings.Fields(command)
		if got := runCommand(t, plain, args...); got != (result{exitOK, stdout, ""}) {
			t.Errorf("not on a terminal: %+v", got)
		}
		got := runOnTerminal(t, drawn, args...)
		if got.code != exitOK || got.stdout != stdout || !strings.Contains(got.stderr, title) || !strings.Contains(got.stderr, "(0/") {
			t.Errorf("on a terminal: %+v", got)
		}
		// What was drawn is removed.
		if !strings.HasSuffix(got.stderr, "\033[2K\r") {
			t.Errorf("left on the terminal: %q", got.stderr)
		}
		if got := runOnTerminal(t, scripted, append(args, "--json")...); got.code != exitOK || got.stderr != "" {
			t.Errorf("with --json: %+v", got)
		}
	}
	check("migrate", "Migrating", "The database is up to date.\n")
	if got := runOnTerminal(t, drawn, "migrate"); got.stderr != "" {
		t.Errorf("nothing is to be done, and drawn: %q", got.stderr)
	}
	for _, env := range []map[string]string{plain, drawn, scripted} {
		connect(t, env, 2)
	}
	check("keys rotate", "Sealing IT Glue keys", "Added a key.\nSealed 2 IT Glue keys anew.\nRemoved 1 old keys.\n")
}
