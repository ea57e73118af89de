package faulttest_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/faulttest"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// What a person does, to the end. Each has faults at every step of the requests ("start") and of the syncs ("run") that it leads to.
const (
	syncing    = "sync"    // a manual sync that maps, renames, removes, finds names ambiguous and changes the directory
	releasing  = "release" // a manual sync whose removals are held, and their release
	connecting = "connect" // the connection and the initial sync
)

// subject is an account whose work fails once.
type subject struct {
	script string
	kind   string // of the step, "start" or "run"
	step   int    // 0 for no fault at all
	action string

	id, token string
	key       string // for IT Glue
}

func (s *subject) String() string {
	if s.step == 0 {
		return s.script + " without a fault"
	}
	return fmt.Sprintf("%s, %s at step %d of its %s", s.script, s.action, s.step, s.kind)
}

// scope is the work whose steps are counted together. A sweep is for all accounts.
func (s *subject) scope() string {
	if s.kind == "sweep" {
		return "sweep -"
	}
	return s.kind + " " + s.id
}

// sweep is a site of the program with failpoints and its accounts.
type sweep struct {
	*e2e.Site

	t        *testing.T
	database *faulttest.Database
	subjects []*subject
	plans    int
	plan     string        // the file of the last one
	patience time.Duration // of a person who waits for an answer
}

const manyTheirs = "1000" // more than a page, together with ours

// newSweep has the accounts of the subjects ready for their scripts.
func newSweep(t *testing.T, url string, subjects []*subject, env ...string) *sweep {
	t.Helper()
	site := e2e.NewSite(t, url, "--organizations", manyTheirs).Using(e2e.Build{Tags: "failpoints"}).With(append(env,
		"ORGBRIDGE_ITGLUE_REQUESTS_PER_5_MINUTES=1000000", "ORGBRIDGE_REQUESTS_PER_MINUTE=0")...)
	w := &sweep{Site: site, t: t, database: faulttest.OpenDatabase(t, url), subjects: subjects, patience: e2e.Patience}
	w.makeAccounts()
	ids := map[string]string{}
	for _, name := range []string{"Keep", "Rename", "Gone 1", "Gone 2", "Gone 3"} {
		ids[name] = site.Add(name)
	}
	server := w.serve(nil)
	var all sync.WaitGroup
	room := make(chan struct{}, 8)
	for _, s := range subjects {
		all.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			w.prepare(server.Client(s.token), s)
		})
	}
	all.Wait()
	e2e.Terminated(t, server)

	site.Rename(ids["Rename"], "Renamed")
	for _, name := range []string{"Gone 1", "Gone 2", "Gone 3"} {
		site.Remove(ids[name])
	}
	for _, name := range []string{"Later", "Twin", "Twin"} {
		site.Add(name)
	}
	return w
}

func (w *sweep) makeAccounts() {
	w.t.Helper()
	db := storetest.Open(w.t, w.Database, store.Options{})
	accounts := account.NewService(db, storetest.Now)
	for i, s := range w.subjects {
		s.key = fmt.Sprintf("ITG.%023dsweep", i) // one each, so that a request that hangs is in nobody else's way
		e2e.Call[any](w.Sim, "POST", "/_sim/keys", map[string]string{"key": s.key}, http.StatusNoContent)
		a, err := accounts.CreateAccount(w.t.Context(), "Sweep", event.Actor{})
		if err != nil {
			w.t.Fatal(err)
		}
		s.id = a.ID
		if _, s.token, err = accounts.CreateToken(w.t.Context(), account.NewToken{AccountID: a.ID, Role: account.Admin, Name: "sweep"}, event.Actor{}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// prepare adds the account's organizations and, unless connecting is what it is about, connects it.
func (w *sweep) prepare(c e2e.Client, s *subject) {
	w.t.Helper()
	names := []string{"Keep", "Rename", "Gone 1", "Later", "Twin"}
	if s.script == releasing {
		names = append(names, "Gone 2", "Gone 3")
	}
	for i, name := range names {
		c.AddOrganization(name, fmt.Sprintf("c%d.example.com", i))
	}
	if s.script != connecting {
		c.Ended(c.ConnectWith(s.key).ID)
		e2e.Call[any](c, "PATCH", "/integrations/itglue", map[string]string{"autoMap": "every_sync"}, http.StatusOK)
	}
}

// serve starts a server in which the work of the subjects fails.
func (w *sweep) serve(subjects []*subject) *e2e.Server {
	w.t.Helper()
	var plan strings.Builder
	for _, s := range subjects {
		if s.step > 0 {
			fmt.Fprintln(&plan, s.scope(), s.step, s.action)
		}
	}
	w.plans++
	w.plan = filepath.Join(w.t.TempDir(), fmt.Sprintf("plan-%d", w.plans))
	if err := os.WriteFile(w.plan, []byte(plan.String()), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return w.With("ORGBRIDGE_FAILPOINTS=" + w.plan).Serve()
}

// steps returns how many steps each kind of work of each account made in the last server, and which of them failed as planned.
func (w *sweep) steps() (made map[string]int, failed map[string]bool) {
	w.t.Helper()
	text, err := os.ReadFile(w.plan + ".steps")
	if err != nil {
		w.t.Fatal(err)
	}
	made, failed = map[string]int{}, map[string]bool{}
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	for lines.Scan() {
		words := strings.Split(lines.Text(), " ") // KIND ACCOUNT STEP WHEN NAME ACTION, the last perhaps empty
		scope := words[0] + " " + words[1]
		made[scope]++
		if words[len(words)-1] != "" {
			failed[scope] = true
		}
	}
	return made, failed
}

// drive has the subjects do their scripts to the end, or until the server is gone. After an answer that leaves open what happened, a
// person looks at what is there.
func (w *sweep) drive(server *e2e.Server, subjects []*subject) {
	w.t.Helper()
	e2e.Eventually(w.t, 4*e2e.Patience, "the end of all scripts", func() bool {
		select {
		case <-server.Exited():
			return true
		case <-time.After(100 * time.Millisecond):
		}
		states, open := w.states(), 0
		var all sync.WaitGroup
		for _, s := range subjects {
			path, body, done := s.next(states[s.id])
			if !done {
				open++
			}
			if path != "" {
				all.Go(func() {
					ctx, cancel := context.WithTimeout(w.t.Context(), w.patience)
					defer cancel()
					_, _ = server.Client(s.token).Try(ctx, "POST", path, body)
				})
			}
		}
		all.Wait()
		return open == 0
	})
}

type syncState struct{ id, status string }

// states returns the last manual sync of each account, or its initial one if it has none.
func (w *sweep) states() map[string]map[string]syncState {
	w.t.Helper()
	found := map[string]map[string]syncState{}
	rows, err := w.database.QueryContext(w.t.Context(), "SELECT account_id, kind, id, status FROM syncs ORDER BY id")
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var accountID, kind string
		var s syncState
		if err := rows.Scan(&accountID, &kind, &s.id, &s.status); err != nil {
			w.t.Fatal(err)
		}
		if found[accountID] == nil {
			found[accountID] = map[string]syncState{}
		}
		found[accountID][kind] = s
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return found
}

// next is the request that comes next in the script, if any, and whether it has come to its end.
func (s *subject) next(syncs map[string]syncState) (path string, body any, done bool) {
	kind := "manual"
	path, body = "/syncs", map[string]string{"kind": "manual"}
	if s.script == connecting {
		kind, path, body = "initial", "/integrations/itglue/connect", map[string]string{"apiKey": s.key, "region": "us"}
	}
	last, begun := syncs[kind]
	switch {
	case !begun:
		return path, body, false
	case last.status == "held" && s.script == releasing:
		return "/syncs/" + last.id + "/release", nil, false
	default:
		return "", nil, last.status != "queued" && last.status != "running"
	}
}

// compare demands of all subjects what those of their script have that had no fault.
func (w *sweep) compare(subjects []*subject) {
	w.t.Helper()
	want := map[string]string{}
	for _, s := range w.subjects {
		if s.step == 0 {
			want[s.script] = snapshot(w.t, w.database, s.id)
			if strings.Contains(want[s.script], "status=failed") {
				w.t.Errorf("%s: failed", s)
			}
		}
	}
	for _, s := range subjects {
		if got := snapshot(w.t, w.database, s.id); got != want[s.script] {
			w.t.Errorf("%s: %s", s, difference(got, want[s.script]))
		}
	}
}

// reached demands that the faults of the last server came about. Only the first who connect in a process look for sealing keys of others;
// the rest have one step less.
func (w *sweep) reached(subjects []*subject) {
	w.t.Helper()
	made, failed := w.steps()
	for _, s := range subjects {
		oneLess := s.script == connecting && s.kind == "start" && made[s.scope()] == s.step-1
		if s.step > 0 && !failed[s.scope()] && !oneLess {
			w.t.Errorf("%s: the step was not reached", s)
		}
	}
}

func untouched() []*subject {
	return []*subject{{script: syncing}, {script: releasing}, {script: connecting}}
}

// learnSteps returns a subject for each step that the scripts make without a fault.
func learnSteps(t *testing.T, url string) (all []*subject) {
	t.Helper()
	w := newSweep(t, url, untouched())
	server := w.serve(nil)
	w.drive(server, w.subjects)
	e2e.Terminated(t, server)
	made, _ := w.steps()
	for _, s := range w.subjects {
		for _, kind := range []string{"start", "run"} {
			for step := range made[kind+" "+s.id] {
				all = append(all, &subject{script: s.script, kind: kind, step: step + 1})
			}
		}
	}
	return all
}

// failing returns subjects for the actions at every so manieth of the steps, and those without a fault.
func failing(steps []*subject, every int, actions ...string) []*subject {
	found := untouched()
	for i := every / 2; i < len(steps); i += every {
		for _, action := range actions {
			s := *steps[i]
			s.action = action
			found = append(found, &s)
		}
	}
	return found
}

// TestF1FailureAtEveryStepEndsInTheSameState has every step of every script fail once, in every way. The state at the end is that of the
// same script without a fault: what there is, what was changed, and what is told of it.
func TestF1FailureAtEveryStepEndsInTheSameState(t *testing.T) {
	t.Parallel()
	for engine, fresh := range map[string]func(testing.TB) string{"sqlite": storetest.SQLiteURL, "postgres": storetest.PostgresURL} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			steps := learnSteps(t, fresh(t))
			if len(steps) < 100 {
				t.Errorf("%d steps", len(steps))
			}
			for name, fail := range map[string]func(t *testing.T, url string, steps []*subject) *sweep{
				"error": failWithErrors, "kill": failKilled, "hang": failHanging,
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					var made atomic.Int32
					parts := faulttest.Rounds(1, 4) // most of the time is waiting
					for part := range parts {
						t.Run(fmt.Sprintf("part %d", part+1), func(t *testing.T) {
							t.Parallel()
							w := fail(t, fresh(t), steps[part*len(steps)/parts:(part+1)*len(steps)/parts])
							w.compare(w.subjects)
							w.database.Check(t)
							made.Add(int32(len(w.subjects) - len(untouched())))
						})
					}
					t.Cleanup(func() {
						faulttest.Figuref(t, "fail at step n with "+name+", steps / that end otherwise", "%d / 0", made.Load())
					})
				})
			}
		})
	}
}

// failWithErrors has the steps fail with an error that nobody foresaw, with one of a lost connection, and with a panic.
func failWithErrors(t *testing.T, url string, steps []*subject) *sweep {
	t.Helper()
	w := newSweep(t, url, failing(steps, faulttest.Rounds(18, 1), "error", "away", "panic"))
	server := w.serve(w.subjects)
	w.drive(server, w.subjects)
	e2e.Terminated(t, server)
	w.reached(w.subjects)
	return w
}

// failKilled kills the process at the steps, and starts it again.
func failKilled(t *testing.T, url string, steps []*subject) *sweep {
	t.Helper()
	w := newSweep(t, url, failing(steps, faulttest.Rounds(18, 1), "kill"))
	for group := range slices.Chunk(w.subjects, 12) { // killed within the time of a lease, so that no other is hit
		for _, s := range group {
			if s.step == 0 {
				continue
			}
			server := w.serve([]*subject{s})
			w.drive(server, []*subject{s})
			w.reached([]*subject{s})
			server.Kill()
		}
		server := w.serve(nil)
		w.drive(server, group)
		e2e.Terminated(t, server)
	}
	return w
}

// failHanging has the steps hang, deaf to their deadline, until the work has been done again, and then go on.
func failHanging(t *testing.T, url string, steps []*subject) *sweep {
	t.Helper()
	w := newSweep(t, url, failing(steps, faulttest.Rounds(48, 1), "hang"),
		"ORGBRIDGE_FAILPOINTS_DEADLINE=5s", "ORGBRIDGE_FAILPOINTS_WORKERS=100")
	w.patience = 3 * time.Second
	for group := range slices.Chunk(w.subjects, 6) { // a sync that hangs keeps one of the few desks of the process
		server := w.serve(group)
		w.drive(server, group)
		w.reached(group)
		if err := os.WriteFile(w.plan+".release", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		e2e.Terminated(t, server)
	}
	return w
}

// TestF1KilledSyncIsTakenOverWithin30Seconds kills a server in the middle of a sync. On PostgreSQL another one is there, on SQLite it is
// started again.
func TestF1KilledSyncIsTakenOverWithin30Seconds(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		s.Add("Acme")
		server := s.Serve()
		token := s.NewAccount()
		c := server.Client(token)
		c.AddOrganization("Acme", "acme.example.com")
		c.Ended(c.Connect().ID)
		s.Slow(1, time.Minute)
		id := e2e.Call[e2e.SyncView](c, "POST", "/syncs", map[string]string{"kind": "manual"}, http.StatusAccepted).ID
		e2e.Eventually(t, e2e.Patience, "the beginning of the sync", func() bool { return c.Sync(id).Status == "running" })
		another := s.Surviving()
		s.Fast()
		if code := server.End(syscall.SIGKILL); code != -1 {
			t.Fatalf("exit code %d", code)
		}
		killed := time.Now()
		if another == nil {
			another = s.Serve()
		}
		another.Client(token).Ended(id)
		took := time.Since(killed)
		if took > 30*time.Second {
			t.Errorf("the work rested for %s", took)
		}
		faulttest.Figuref(t, "work resumed after kill -9", "%.1f s", took.Seconds())
	})
}
