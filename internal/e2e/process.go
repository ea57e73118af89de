package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// Output keeps what a program writes.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String is all of it until now.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Process is a program that runs beside the test. Its output is shown when the test fails.
type Process struct {
	T   testing.TB
	Cmd *exec.Cmd
	Out Output // stdout and stderr

	exited chan struct{}
}

// Start starts a program. It is killed at the end of the test, unless it has ended before.
func Start(tb testing.TB, env []string, path string, args ...string) *Process {
	tb.Helper()
	// It outlives the test's context: how it ends is for the test to say.
	cmd := exec.CommandContext(context.WithoutCancel(tb.Context()), path, args...)
	p := &Process{T: tb, Cmd: cmd, exited: make(chan struct{})}
	p.Cmd.Dir, p.Cmd.Env, p.Cmd.Stdout, p.Cmd.Stderr = tb.TempDir(), env, &p.Out, &p.Out
	if err := p.Cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() {
		_ = p.Cmd.Wait() // the exit code is in ProcessState
		close(p.exited)
	}()
	tb.Cleanup(func() {
		_ = p.Cmd.Process.Kill()
		<-p.exited
		if tb.Failed() {
			tb.Logf("output of %s:\n%s", strings.Join(cmd.Args, " "), p.Out.String())
		}
	})
	return p
}

// Word waits until the output has prefix and a whole word behind it, and returns the word.
func (p *Process) Word(prefix string) (word string) {
	p.T.Helper()
	Eventually(p.T, Patience, fmt.Sprintf("%q in the output of %s", prefix, p.Cmd.Path), func() bool {
		ended := p.ended() // before its output is read: all of it is there when it has ended
		_, rest, found := strings.Cut(p.Out.String(), prefix)
		end := strings.IndexAny(rest, " \n")
		if !found || end < 0 {
			if ended {
				p.T.Fatalf("%s ended by itself", p.Cmd.Path)
			}
			return false
		}
		word = rest[:end]
		return true
	})
	return word
}

func (p *Process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// Signal sends a signal, if the process still runs.
func (p *Process) Signal(signal os.Signal) {
	p.T.Helper()
	if err := p.Cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.T.Fatal(err)
	}
}

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// ExitCode waits for the end and returns the exit code, -1 when a signal ended the process.
func (p *Process) ExitCode() int {
	p.T.Helper()
	select {
	case <-p.exited:
	case <-time.After(Patience):
		p.T.Fatalf("%s does not end", p.Cmd.Path)
	}
	return p.Cmd.ProcessState.ExitCode()
}

// End sends the signal and returns the exit code, -1 when the signal itself ended the process.
func (p *Process) End(signal os.Signal) int {
	p.T.Helper()
	p.Signal(signal)
	return p.ExitCode()
}

// Kill ends the process at once, as a power cut would.
func (p *Process) Kill() {
	p.T.Helper()
	p.End(os.Kill)
}
