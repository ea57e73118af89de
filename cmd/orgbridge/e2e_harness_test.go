package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// patience bounds every wait; a machine that is busy with other tests is slow.
const patience = 60 * time.Second

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "orgbridge-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	programs = sync.OnceValues(func() (string, error) { return dir, buildPrograms(dir) })
	code := storetest.Main(m)
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// programs builds both programs once and returns their directory.
var programs func() (string, error)

func buildPrograms(dir string) error {
	build := exec.CommandContext(context.Background(), "go", "build", "-o", dir, "../../cmd/orgbridge", "../../cmd/itglue-sim")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return nil
}

func program(tb testing.TB, name string) string {
	tb.Helper()
	dir, err := programs()
	if err != nil {
		tb.Fatal(err)
	}
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(dir, name)
}

// eventually asks until the answer is yes and fails the test when it takes longer than the limit.
func eventually(tb testing.TB, limit time.Duration, what string, yes func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), limit)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !yes() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			tb.Fatalf("waited %s in vain for: %s", limit, what)
		}
	}
}

// process is a program that runs beside the test. Its output is shown when the test fails.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	out    output
	exited chan struct{}
}

type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func start(tb testing.TB, env []string, name string, args ...string) *process {
	tb.Helper()
	// It outlives the test's context: how it ends is for the test to say.
	cmd := exec.CommandContext(context.WithoutCancel(tb.Context()), program(tb, name), args...)
	p := &process{t: tb, cmd: cmd, exited: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = tb.TempDir(), env, &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // the exit code is in ProcessState
		close(p.exited)
	}()
	tb.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
		if tb.Failed() {
			tb.Logf("output of %s %s:\n%s", name, strings.Join(args, " "), p.out.String())
		}
	})
	return p
}

// word waits until the output has prefix and a whole word behind it, and returns the word.
func (p *process) word(prefix string) (word string) {
	p.t.Helper()
	eventually(p.t, patience, fmt.Sprintf("%q in the output of %s", prefix, p.cmd.Path), func() bool {
		select {
		case <-p.exited:
			p.t.Fatalf("%s ended by itself", p.cmd.Path)
		default:
		}
		_, rest, found := strings.Cut(p.out.String(), prefix)
		end := strings.IndexAny(rest, " \n")
		if !found || end < 0 {
			return false
		}
		word = rest[:end]
		return true
	})
	return word
}

// end sends the signal and returns the exit code, -1 when the signal itself ended the process.
func (p *process) end(signal os.Signal) int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatalf("%s did not end on %s", p.cmd.Path, signal)
	}
	return p.cmd.ProcessState.ExitCode()
}

// site is one installation: a database, a keyset, and a simulated IT Glue to connect to, in the region us.
type site struct {
	t        testing.TB
	database string
	env      []string
	sim      client // works the simulator
}

const simKey = "ITG.e2e00000000000000000000000000000"

func newSite(tb testing.TB, databaseURL string, simFlags ...string) *site {
	tb.Helper()
	sim := simulator(tb, simKey, simFlags...)
	s := &site{t: tb, database: databaseURL, sim: sim}
	keyset := filepath.Join(tb.TempDir(), "keyset.json")
	s.env = []string{
		"ORGBRIDGE_ADDR=127.0.0.1:0", "ORGBRIDGE_DATABASE_URL=" + databaseURL, "ORGBRIDGE_KEYSET=" + keyset,
		"ORGBRIDGE_ITGLUE_US_URL=" + sim.base, "ORGBRIDGE_ITGLUE_EU_URL=http://127.0.0.1:1", "ORGBRIDGE_ITGLUE_AU_URL=http://127.0.0.1:1",
	}
	s.cli("keys", "create", "--out", keyset)
	return s
}

// simulator starts a simulated IT Glue for one key, empty unless the flags fill it, and returns a client that works it.
func simulator(tb testing.TB, apiKey string, flags ...string) client {
	tb.Helper()
	args := append([]string{"--addr", "127.0.0.1:0", "--api-key", apiKey, "--organizations", "0"}, flags...)
	return client{t: tb, base: start(tb, nil, "itglue-sim", args...).word("url: ")}
}

// onEachEngine runs the test on a fresh database of each engine.
func onEachEngine(t *testing.T, test func(t *testing.T, s *site)) {
	t.Helper()
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Helper()
		test(t, newSite(t, url))
	})
}

func (s *site) onSQLite() bool { return strings.HasPrefix(s.database, "sqlite:") }

// cli runs a command to its end and returns what it printed on stdout.
func (s *site) cli(args ...string) string {
	s.t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(s.t.Context(), program(s.t, "orgbridge"), args...)
	cmd.Env, cmd.Stderr = s.env, &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("orgbridge %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// server is a running "orgbridge serve".
type server struct {
	*process

	address string
}

func (s *site) serve(args ...string) *server {
	s.t.Helper()
	p := start(s.t, s.env, "orgbridge", append([]string{"serve"}, args...)...)
	return &server{process: p, address: p.word("msg=listening address=")}
}

// newAccount makes an account with an admin token on the command line.
func (s *site) newAccount() (token string) {
	s.t.Helper()
	id := s.cli("account", "create", "Lighthouse IT Services")
	return s.cli("token", "create", "--account", id, "--role", "admin", "--name", "e2e")
}

// client speaks JSON.
type client struct {
	t     testing.TB
	base  string
	token string
}

func (s *server) client(token string) client {
	return client{t: s.t, base: s.address + "/api/v1", token: token}
}

// do sends a request and returns the status and the body.
func (c client) do(method, path string, body any) (status int, answer []byte) {
	c.t.Helper()
	var content io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, content)
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := (&http.Client{Timeout: patience}).Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	if answer, err = io.ReadAll(response.Body); err != nil {
		c.t.Fatal(err)
	}
	return response.StatusCode, answer
}

// call demands one of the statuses and decodes the answer.
func call[T any](c client, method, path string, body any, statuses ...int) (answer T) {
	c.t.Helper()
	status, text := c.do(method, path, body)
	if !slices.Contains(statuses, status) {
		c.t.Fatalf("%s %s: status %d instead of %v: %s", method, path, status, statuses, text)
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &answer); err != nil {
			c.t.Fatalf("%s %s: %v: %s", method, path, err, text)
		}
	}
	return answer
}

// The parts of answers that the tests look at.
type (
	syncView struct {
		ID       string
		Kind     string
		Status   string
		Progress struct{ Done int }
		Counts   struct{ Listed, Unchanged, Renamed, Mapped, Unmapped, Held, Skipped int }
	}
	organizationView struct{ ID, Name, Domain string }
	referenceView    struct{ ID, Name string }
	rowView          struct {
		Organization       organizationView
		ITGlueOrganization *referenceView
		State              string
		SyncEnabled        bool
		Origin             string
		Unmatched          *struct{ Code string }
	}
	changeView struct {
		Action, Status, Reason string
		Organization           referenceView
		Before, After          string
	}
	problemView struct {
		Code   string
		Detail string
		Params map[string]any
		Errors []struct{ Pointer, Code string }
	}
	tileView struct{ ID, Name, Status string }
	testView struct {
		OK               bool
		Organizations    int
		Code, RegionHint string
	}
	eventView struct {
		Type          string
		Actor         struct{ TokenName string }
		SyncID        string
		Organization  referenceView
		Before, After map[string]any
		Detail        string
	}
	attentionView   struct{ Code, SyncID string }
	integrationView struct {
		Status     string
		Attention  *attentionView
		Region     string
		APIKeyHint string
		AutoMap    string
		DailySync  struct {
			Enabled   bool
			TimeZone  string
			NextRunAt *time.Time
		}
		ActiveSync *syncView
		LastSync   *syncView
		Mappings   struct{ Unmapped, Active, Paused int }
	}
	listView[T any] struct {
		Items      []T
		NextCursor string
	}
)

func (c client) connect() syncView {
	c.t.Helper()
	in := call[integrationView](c, "POST", "/integrations/itglue/connect", map[string]string{"apiKey": simKey, "region": "us"}, http.StatusCreated)
	// A small sync may have ended by the time of the answer.
	for _, run := range []*syncView{in.ActiveSync, in.LastSync} {
		if run != nil {
			return *run
		}
	}
	c.t.Fatal("no initial sync")
	return syncView{}
}

func (c client) sync(id string) syncView {
	c.t.Helper()
	return call[syncView](c, "GET", "/syncs/"+id, nil, http.StatusOK)
}

// ended waits for the end of a sync and demands success.
func (c client) ended(id string) (run syncView) {
	c.t.Helper()
	eventually(c.t, patience, "the end of sync "+id, func() bool {
		run = c.sync(id)
		return run.Status != "queued" && run.Status != "running"
	})
	if run.Status != "succeeded" {
		c.t.Fatalf("the sync ended %s", run.Status)
	}
	return run
}

// runSync starts a sync, waits for its end and returns it with its changes, keyed by the name of the organization.
func (c client) runSync(kind string) (run syncView, changes map[string]changeView) {
	c.t.Helper()
	started := call[syncView](c, "POST", "/syncs", map[string]string{"kind": kind}, http.StatusAccepted)
	run = c.ended(started.ID)
	changes = make(map[string]changeView)
	for _, change := range all[changeView](c, "/syncs/"+run.ID+"/changes") {
		changes[change.Organization.Name] = change
	}
	return run, changes
}

// all reads a list to its last page.
func all[T any](c client, path string) (items []T) {
	c.t.Helper()
	cursor := ""
	for {
		page := call[listView[T]](c, "GET", path+"?limit=200"+cursor, nil, http.StatusOK)
		items = append(items, page.Items...)
		if page.NextCursor == "" {
			return items
		}
		cursor = "&cursor=" + page.NextCursor
	}
}

func (c client) addOrganization(name, domain string) string {
	c.t.Helper()
	return call[organizationView](c, "POST", "/organizations",
		map[string]string{"name": name, "domain": domain, "emailPlatform": "microsoft_365"}, http.StatusCreated).ID
}

func (c client) row(organizationID string) rowView {
	c.t.Helper()
	return call[rowView](c, "GET", "/mappings/"+organizationID, nil, http.StatusOK)
}

// add puts an organization into the simulated IT Glue.
func (s *site) add(name string, domains ...string) (itglueID string) {
	s.t.Helper()
	return call[referenceView](s.sim, "POST", "/_sim/organizations", map[string]any{"name": name, "domains": domains}, http.StatusCreated).ID
}

func (s *site) rename(itglueID, name string) {
	s.t.Helper()
	call[any](s.sim, "POST", "/_sim/organizations/"+itglueID+"/rename", map[string]string{"name": name}, http.StatusNoContent)
}

func (s *site) remove(itglueID string) {
	s.t.Helper()
	call[any](s.sim, "POST", "/_sim/organizations/"+itglueID+"/delete", nil, http.StatusNoContent)
}

// slow delays one page of the listings of syncs; the check of a key asks for a smaller page.
func (s *site) slow(page int, delay time.Duration) {
	s.t.Helper()
	call[any](s.sim, "POST", "/_sim/faults",
		map[string]any{"kind": "delay", "path": "/organizations", "page": page, "minPageSize": 1000, "delay": delay}, http.StatusNoContent)
}

func (s *site) fast() {
	s.t.Helper()
	call[any](s.sim, "DELETE", "/_sim/faults", nil, http.StatusNoContent)
}

func terminated(tb testing.TB, s *server) {
	tb.Helper()
	if code := s.end(syscall.SIGTERM); code != exitOK {
		tb.Errorf("exit code %d after SIGTERM", code)
	}
}
