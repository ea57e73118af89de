//go:build failpoints

package failpoint

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Actions of a plan.
const (
	fail  = "error" // an error that nobody foresaw
	away  = "away"  // an error as of a connection that broke
	crash = "panic"
	kill  = "kill" // SIGKILL to the own process
	hang  = "hang" // deaf to the context, until the file PLAN.release is there
)

// plan is what is to fail, by scope: a kind of work of an account.
type plan struct {
	file  string
	log   *os.File
	mu    sync.Mutex
	armed map[string]point
	steps map[string]int
}

type point struct {
	step   int
	action string
}

// current is the plan of the process; nil until [Load].
var current *plan //nolint:gochecknoglobals // the points of a process are one sequence

// Load arms the process with the plan of a file, before any work begins. Each of its lines is "KIND ACCOUNT STEP ACTION", the account
// of a sweep being "-"; a kind of work of an account fails at most once. Every step is written to the file PLAN.steps as
// "KIND ACCOUNT STEP WHEN NAME", with the action behind it if it is to fail.
func Load(file string) error {
	text, err := os.ReadFile(file) //nolint:gosec // the test says which
	if err != nil {
		return err
	}
	p := &plan{file: file, armed: map[string]point{}, steps: map[string]int{}}
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	for lines.Scan() {
		var kind, account string
		var at point
		if _, err := fmt.Sscan(lines.Text(), &kind, &account, &at.step, &at.action); err != nil {
			return fmt.Errorf("%q: %w", lines.Text(), err)
		}
		p.armed[kind+" "+account] = at
	}
	if p.log, err = os.OpenFile(file+".steps", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err != nil { //nolint:gosec // as above
		return err
	}
	current = p
	return nil
}

type scopeKey struct{}

// Mark has the steps that are made with the returned context counted, for the account.
func Mark(ctx context.Context, kind, account string) context.Context {
	if account == "" {
		account = "-"
	}
	return context.WithValue(ctx, scopeKey{}, kind+" "+account)
}

// Hit is one step. An error is the one that the step is to fail with.
func Hit(ctx context.Context, when, name string) error {
	scope, marked := ctx.Value(scopeKey{}).(string)
	if current == nil || !marked {
		return nil
	}
	return current.hit(scope, when, name)
}

func (p *plan) hit(scope, when, name string) error {
	switch action := p.count(scope, when, name); action {
	case fail:
		return errors.New("failpoint " + when + " " + name)
	case away:
		return fmt.Errorf("failpoint %s %s: %w", when, name, io.ErrUnexpectedEOF)
	case crash:
		panic("failpoint " + when + " " + name)
	case kill:
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		select {} // until it comes
	case hang:
		p.waitForRelease()
	}
	return nil
}

// count notes the step and returns what it is to do.
func (p *plan) count(scope, when, name string) (action string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps[scope]++
	if at := p.armed[scope]; at.step == p.steps[scope] {
		action = at.action
	}
	fmt.Fprintln(p.log, scope, p.steps[scope], when, strings.ReplaceAll(name, " ", "-"), action)
	return action
}

func (p *plan) waitForRelease() {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for range ticker.C {
		if _, err := os.Stat(p.file + ".release"); err == nil {
			return
		}
	}
}

// Transport makes two steps of every request.
func Transport(t http.RoundTripper) http.RoundTripper { return transport{t} }

type transport struct{ http.RoundTripper }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	name := "GET " + r.URL.Path
	if err := Hit(r.Context(), Before, name); err != nil {
		return nil, err
	}
	answer, err := t.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if err := Hit(r.Context(), After, name); err != nil {
		return nil, errors.Join(err, answer.Body.Close())
	}
	return answer, nil
}
