package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/internal/idempotency"
	"github.com/orgbridge/orgbridge/internal/seal"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// victim is a process that serves one request and is killed between the commit of what the request does and its answer. It is told what
// to do in this variable.
const victim = "ORGBRIDGE_TEST_VICTIM"

type victimOrder struct {
	URL    string `json:"url"`
	Keyset string `json:"keyset"`
	Path   string `json:"path"`
	Body   string `json:"body"`
	Token  string `json:"token"`
	Key    string `json:"key"`
}

// killer kills its process when the answer is about to be kept: all is committed, and nothing is answered.
type killer struct{ api.KeyStore }

func (killer) AnswerKey(context.Context, *idempotency.Claim, idempotency.Answer) error {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// TestVictim is the process that is killed; without an order it has nothing to do.
func TestVictim(t *testing.T) {
	t.Parallel()
	order := victimOrder{}
	text := os.Getenv(victim)
	if text == "" {
		t.Skip("for processes that tests start")
	}
	if err := json.Unmarshal([]byte(text), &order); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), order.URL, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := newNode(t, db, loadKeyset(t, order.Keyset), func(d *api.Dependencies) { d.Keys = killer{d.Keys} })
	fill(w)
	a := do(t, w, request{method: "POST", path: api.Base + order.Path, token: order.Token, body: order.Body, header: keys(order.Key)})
	t.Fatalf("still alive, with %d %s", a.status, a.body)
}

// fill gives the simulated IT Glue what the requests ask for.
func fill(w *world) {
	w.glue[itglue.RegionEU].Add(
		itgluetest.Organization{ID: "101", Name: "Contoso", Domains: []string{"contoso.net"}},
		itgluetest.Organization{ID: "102", Name: "Fabrikam", Domains: []string{"fabrikam.net"}},
		itgluetest.Organization{ID: "103", Name: "Tailspin Toys", Domains: []string{"tailspin.net"}},
	)
}

// killDuring has another process serve the request and be killed before it answers.
func (w *world) killDuring(t *testing.T, url, keyset, path, key, body string) {
	t.Helper()
	order, err := json.Marshal(victimOrder{URL: url, Keyset: keyset, Path: path, Body: body, Token: w.admin, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVictim$")
	cmd.Env = append(os.Environ(), victim+"="+string(order))
	out, err := cmd.CombinedOutput()
	failed, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		t.Fatalf("the process was not killed: %v\n%s", err, out)
	}
	if status, isWait := failed.Sys().(syscall.WaitStatus); !isWait || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the process was not killed: %v\n%s", err, out)
	}
}

// retried sends the request five times at once until each is answered, and checks that all get one answer.
func (w *world) retried(t *testing.T, path, key, body string, status int) answer {
	t.Helper()
	answers := make([]answer, 5)
	var senders sync.WaitGroup
	for i := range answers {
		senders.Go(func() {
			until := time.Now().Add(time.Minute)
			for time.Now().Before(until) {
				answers[i] = do(t, w, request{method: "POST", path: api.Base + path, token: w.admin, body: body, header: keys(key)})
				if !strings.Contains(answers[i].body, "idempotency-key-in-use") {
					return
				}
				<-time.After(20 * time.Millisecond)
			}
		})
	}
	senders.Wait()
	replayed := 0
	for _, a := range answers {
		if a.status != status || a.body != answers[0].body || a.header.Get("Location") != answers[0].header.Get("Location") {
			t.Errorf("%s: %d %s %s, another %d %s %s", path, a.status, a.header.Get("Location"), a.body,
				answers[0].status, answers[0].header.Get("Location"), answers[0].body)
		}
		if a.header.Get("Idempotency-Replayed") == "true" {
			replayed++
		}
	}
	if replayed != len(answers)-1 {
		t.Errorf("%s: %d of %d answers were given again", path, replayed, len(answers))
	}
	return answers[0]
}

// lapse has the leases of all keys run out, so that a test need not wait for it.
func (w *world) lapse(t *testing.T) {
	t.Helper()
	storetest.Exec(t, w.db, "UPDATE idempotency_keys SET lease_until = '2000-01-01 00:00:00+00:00' WHERE lease_until IS NOT NULL")
}

// TestF2LostAnswersAreGivenAgain kills the process between commit and answer on every route that does something. Five retries at once
// get the right answer, and it was done once.
func TestF2LostAnswersAreGivenAgain(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Helper()
		db := storetest.Open(t, url, store.Options{})
		keyset := filepath.Join(t.TempDir(), "keyset")
		if err := seal.Create(keyset); err != nil {
			t.Fatal(err)
		}
		w := newNode(t, db, loadKeyset(t, keyset))
		w.admin, w.viewer = w.newAccount(t)
		fill(w)
		lost := func(path, body string, status int) answer {
			t.Helper()
			key := storetest.ID(t)
			w.killDuring(t, url, keyset, path, key, body)
			events := storetest.Value[int](t, db, "SELECT sum(last_event) FROM accounts")
			if os.Getenv("ORGBRIDGE_TEST_FAULTS") != "long" {
				w.lapse(t)
			}
			a := w.retried(t, path, key, body, status)
			if now := storetest.Value[int](t, db, "SELECT sum(last_event) FROM accounts"); now != events {
				t.Errorf("%s: %d events after the kill, %d after the retries", path, events, now)
			}
			return a
		}
		decoded := func(a answer) (o object) {
			t.Helper()
			if err := json.Unmarshal([]byte(a.body), &o); err != nil {
				t.Fatal(err)
			}
			return o
		}
		decoded(lost("/organizations", newOrg, 201)).want(t, object{"name": "Contoso", "domain": "contoso.com", "mapped": false})
		decoded(lost("/integrations/itglue/connect", `{"apiKey":"`+canary+`","region":"eu"}`, 201)).
			want(t, object{"status": "connected", "activeSync.kind": "initial", "activeSync.status": "queued"})
		initial := w.call(t, "POST", "/syncs", `{"kind":"manual"}`, 200).text(t, "id")
		decoded(lost("/syncs/"+initial+"/cancel", "", 200)).want(t, object{"id": initial, "status": "cancelled"})

		decoded(lost("/organizations", `{"itglueOrganizationId":"103","domain":"tailspin.com","emailPlatform":"google_workspace"}`, 201)).
			want(t, object{"name": "Tailspin Toys", "mapped": true})
		imported := decoded(lost("/organizations/import", itemsJSON(
			`{"itglueOrganizationId":"102","emailPlatform":"microsoft_365"}`, `{"itglueOrganizationId":"999","emailPlatform":"microsoft_365"}`,
		), 200))
		imported.want(t, object{
			"items.0.status": "imported", "items.0.organization.name": "Fabrikam", "items.1.status": "failed", "items.1.error.code": "not-found", "items.2": nil,
		})
		fabrikam := imported.text(t, "items.0.organization.id")
		decoded(lost("/mappings/"+fabrikam+"/sync", "", 200)).want(t, object{"organization.id": fabrikam, "state": "active"})

		started := lost("/syncs", `{"kind":"manual"}`, 202)
		decoded(started).want(t, object{"status": "queued", "kind": "manual", "id": strings.TrimPrefix(started.header.Get("Location"), api.Base+"/syncs/")})
		w.call(t, "GET", "/organizations?count=true", "", 200).want(t, object{"total": 3})
		if n := storetest.Value[int](t, db, "SELECT count(*) FROM syncs"); n != 3 { // initial, refresh, manual
			t.Errorf("%d syncs", n)
		}
	})
}

func TestF2LostAnswersToDecisionsAreGivenAgain(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Helper()
		db := storetest.Open(t, url, store.Options{})
		keyset := filepath.Join(t.TempDir(), "keyset")
		if err := seal.Create(keyset); err != nil {
			t.Fatal(err)
		}
		for path, status := range map[string]int{"/release": 202, "/reject": 200} {
			w := newNode(t, db, loadKeyset(t, keyset))
			w.admin, w.viewer = w.newAccount(t)
			held, key := w.hold(t), storetest.ID(t)
			w.killDuring(t, url, keyset, "/syncs/"+held+path, key, "")
			w.lapse(t)
			w.retried(t, "/syncs/"+held+path, key, "", status)
			w.call(t, "GET", "/events?type=removals"+strings.Replace(path, "/", ".", 1)+map[string]string{"/release": "d", "/reject": "ed"}[path]+"&count=true", "", 200).
				want(t, object{"total": 1})
		}
	})
}

// TestF2AnImportGoesOnWhereItWasCutOff has the first of three items imported by an attempt that ended there.
func TestF2AnImportGoesOnWhereItWasCutOff(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		first := &firstAnswerLost{}
		w := newWorldOn(t, db, func(d *api.Dependencies) { first.KeyStore, d.Keys = d.Keys, first })
		fill(w)
		w.connect(t)
		item := func(id string) string { return `{"itglueOrganizationId":"` + id + `","emailPlatform":"microsoft_365"}` }
		body := itemsJSON(item("101"), item("102"), item("102"), item("103"))
		for _, id := range []string{"102", "103"} { // the attempt ends after its first item
			w.glue[itglue.RegionEU].Delete(id)
		}
		first.lose = true
		w.callKeyed(t, "/organizations/import", "k", body)
		first.lose = false
		fill(w)
		w.lapse(t)
		again := w.retried(t, "/organizations/import", "k", body, 200)
		var o object
		if err := json.Unmarshal([]byte(again.body), &o); err != nil {
			t.Fatal(err)
		}
		o.want(t, object{
			"items.0.status": "imported", "items.0.itglueOrganizationId": "101", "items.1.status": "imported", "items.1.itglueOrganizationId": "102",
			"items.2.error.code": "itglue-organization-already-mapped", "items.3.status": "imported", "items.4": nil,
		})
		w.call(t, "GET", "/organizations?count=true", "", 200).want(t, object{"total": 3})
	})
}

// firstAnswerLost keeps no answers while it loses them.
type firstAnswerLost struct {
	api.KeyStore

	lose bool
}

func (f *firstAnswerLost) AnswerKey(ctx context.Context, c *idempotency.Claim, a idempotency.Answer) error {
	if f.lose {
		return context.DeadlineExceeded
	}
	return f.KeyStore.AnswerKey(ctx, c, a)
}

func (w *world) callKeyed(t *testing.T, path, key, body string) answer {
	t.Helper()
	return do(t, w, request{method: "POST", path: api.Base + path, token: w.admin, body: body, header: keys(key)})
}
