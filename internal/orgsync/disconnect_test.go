package orgsync_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/page"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

const newKey = "ITG.CANARYnew-0123456789"

// records is everything that an account has, as far as syncs write it.
type records struct {
	States    []orgsync.OrganizationState
	Directory []integration.DirectoryEntry
	Mappings  page.Page[mapping.Row]
	Syncs     page.Page[orgsync.Sync]
	Events    page.Page[event.Event]
	Changes   int
}

func (w *world) records() (r records) {
	w.t.Helper()
	ctx := w.t.Context()
	var err error
	r.States, _, err = w.store.OrganizationStates(ctx, w.accountID)
	w.ok(err)
	r.Directory, err = w.store.Directory(ctx, w.accountID)
	w.ok(err)
	r.Mappings, err = w.store.Mappings(ctx, w.accountID, mapping.Filter{Limit: 200})
	w.ok(err)
	r.Syncs, err = w.store.Syncs(ctx, w.accountID, orgsync.Filter{Limit: 200})
	w.ok(err)
	r.Events, err = w.store.Events(ctx, w.accountID, event.Filter{Limit: 200})
	w.ok(err)
	for _, s := range r.Syncs.Items {
		n, err := w.store.CountSyncChanges(ctx, w.accountID, s.ID, orgsync.ChangeFilter{})
		w.ok(err)
		r.Changes += n
	}
	return r
}

// unchanged fails the test when something was written since.
func (w *world) unchanged(since records) {
	w.t.Helper()
	if now := w.records(); len(since.States) == 0 || !reflect.DeepEqual(now, since) {
		w.t.Errorf("is %+v, was %+v", now, since)
	}
}

// during has something done while a run waits for the answer that the fault is about, and returns how the run ended.
func (w *world) during(run func() error, fault itgluetest.Fault, do func()) error {
	w.t.Helper()
	reached, done, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	fault.Times, fault.Do = 1, func() {
		close(reached)
		<-done
	}
	w.itglue.Inject(fault)
	go func() { ended <- run() }()
	select {
	case <-reached:
	case err := <-ended:
		w.t.Fatalf("ended without the request: %v", err)
	}
	func() {
		defer close(done)
		do()
	}()
	return <-ended
}

// syncDuring is a manual sync during which something is done while it waits for a page of the listing. The page takes longer than a
// sync goes on without asking whether it still may.
func (w *world) syncDuring(number int, do func()) orgsync.Sync {
	w.t.Helper()
	s := w.start(orgsync.Manual)
	fault := itgluetest.Fault{
		Kind: itgluetest.FaultDelay, Delay: 1100 * time.Millisecond, Path: "/organizations", Page: number, MinPageSize: 1000,
	}
	w.ok(w.during(func() error { return w.runner.Run(w.t.Context(), fence(s)) }, fault, do))
	return w.read(s)
}

// manyTheirs fills three pages of IT Glue's list. The first organizations are called "Customer 0" and so on.
func (w *world) manyTheirs() []string {
	names := make([]string, 2500)
	for i := range names {
		names[i] = fmt.Sprintf("Customer %d", i)
	}
	return w.theirs(names...)
}

func (w *world) deactivate() {
	w.t.Helper()
	_, err := w.integrations.Deactivate(w.t.Context(), w.accountID, true, w.token)
	w.ok(err)
}

func (w *world) reconnect() {
	w.t.Helper()
	w.deactivate()
	_, err := w.integrations.Connect(w.t.Context(), w.accountID, w.token, apiKey, "us")
	w.ok(err)
}

func (w *world) changeKey() {
	w.t.Helper()
	w.itglue.AddKey(newKey)
	_, err := w.integrations.Change(w.t.Context(), w.accountID, integration.Change{APIKey: new(newKey)}, w.token)
	w.ok(err)
}

func (w *world) active() orgsync.Sync {
	w.t.Helper()
	s, err := w.store.ActiveSync(w.t.Context(), w.accountID)
	w.ok(err)
	if s == nil {
		w.t.Fatal("no sync waits or runs")
	}
	return *s
}

func TestARunningSyncWritesNothingAfterTheDeactivation(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs, ours := w.manyTheirs(), w.ours("Customer 0", "Customer 1", "Customer 2", "Customer 2499")
		w.connect()
		_, err := w.mappings.Unmap(w.t.Context(), w.accountID, ours[3], w.token)
		w.ok(err)
		w.itglue.Rename(theirs[0], "Renamed")
		w.itglue.Delete(theirs[1])
		w.itglue.ResetCalls()
		var after records
		s := w.syncDuring(2, func() {
			w.deactivate()
			after = w.records()
		})
		if s.Status != orgsync.Cancelled || s.Counts.Renamed+s.Counts.Unmapped > 0 {
			w.t.Errorf("%+v", s)
		}
		w.unchanged(after)
		if calls := w.itglue.Calls(); len(calls) != 2 || calls[1].Query.Get("page[number]") != "2" {
			w.t.Errorf("%d calls: %+v", len(calls), calls)
		}
		w.expectRow(ours[0], "Customer 0", "", mapping.Unmapped)
		if s = w.connect(); s.Status != orgsync.Succeeded || s.Counts.Mapped != 2 {
			w.t.Errorf("after the reconnection %+v", s)
		}
		w.expectRow(ours[3], "Customer 2499", theirs[2499], mapping.Active) // also what a person had unmapped
	})
}

func TestReconnectingAtOnceIsNotDisturbedByTheOldSync(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs, ours := w.manyTheirs(), w.ours("Customer 0", "Customer 2499")
		w.connect()
		w.itglue.Rename(theirs[0], "Renamed")
		var after records
		s := w.syncDuring(3, func() { // the last: from here on there are only writes
			w.reconnect()
			after = w.records()
		})
		if s.Status != orgsync.Cancelled {
			w.t.Errorf("%+v", s)
		}
		w.unchanged(after)
		if s := w.run(w.active()); s.Kind != orgsync.Initial || s.Status != orgsync.Succeeded || s.Counts.Mapped != 1 {
			w.t.Errorf("%+v", s)
		}
		w.expectRow(ours[0], "Customer 0", "", mapping.Unmapped)
		w.expectRow(ours[1], "Customer 2499", theirs[2499], mapping.Active)
	})
}

func TestASyncBeginsAgainWithTheNewKey(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs, ours := w.manyTheirs(), w.ours("Customer 0", "Customer 2499")
		w.connect()
		w.itglue.Rename(theirs[0], "Renamed")
		var after records
		s := w.syncDuring(2, func() {
			w.changeKey()
			after = w.records()
		})
		if s.Status != orgsync.Queued || s.Epoch != 2 || s.Attempt != 0 {
			w.t.Errorf("%+v", s)
		}
		w.unchanged(after)
		w.itglue.ResetCalls()
		w.expect(w.run(s), orgsync.Succeeded, "Customer 0 rename applied renamed-in-itglue")
		w.expectRow(ours[0], "Renamed", theirs[0], mapping.Active)
		hash := sha256.Sum256([]byte(newKey))
		for _, call := range w.itglue.Calls() {
			if call.KeyHash != hex.EncodeToString(hash[:]) {
				w.t.Errorf("a call with another key: %+v", call)
			}
		}
	})
}

// IT Glue refuses the old key before the sync notices that there is a new one.
func TestARefusalOfTheOldKeyIsNoneOfTheNewOne(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		w.theirs("Acme")
		w.ours("Acme")
		w.connect()
		s := w.start(orgsync.Manual)
		var after records
		refused := itgluetest.Fault{Kind: itgluetest.FaultStatus, Status: http.StatusUnauthorized, Path: "/organizations", MinPageSize: 1000}
		w.ok(w.during(func() error { return w.runner.Run(w.t.Context(), fence(s)) }, refused, func() {
			w.changeKey()
			after = w.records()
		}))
		w.unchanged(after)
		in, err := w.store.Integration(w.t.Context(), w.accountID)
		if s = w.read(s); s.Status != orgsync.Queued || err != nil || in.Attention != nil {
			w.t.Errorf("%+v with attention %+v, %v", s, in.Attention, err)
		}
		w.expect(w.run(s), orgsync.Succeeded)
	})
}

func TestARefreshThatIsOvertakenChangesNothing(t *testing.T) {
	t.Parallel()
	live := itgluetest.Fault{Kind: itgluetest.FaultCall, Path: "/organizations/*"}
	refused := itgluetest.Fault{Kind: itgluetest.FaultStatus, Status: http.StatusUnauthorized, Path: "/organizations/*"}
	for name, c := range map[string]struct {
		answer   itgluetest.Fault
		overtake func(w *world)
		want     errs.Code
	}{
		"ByADeactivation":  {live, (*world).deactivate, errs.NotConnected},
		"ByANewConnection": {live, (*world).reconnect, errs.Conflict},
		"ByANewKey":        {live, (*world).changeKey, errs.Conflict},
		"OfTheOldKey":      {refused, (*world).changeKey, errs.ITGlueKeyRejected},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachWorld(t, func(w *world) {
				theirs, ours := w.theirs("Acme"), w.ours("Acme")
				w.connect()
				var after records
				err := w.during(func() error {
					_, err := w.syncs.Refresh(w.t.Context(), w.accountID, ours[0], w.token)
					return err
				}, c.answer, func() {
					c.overtake(w)
					w.itglue.Rename(theirs[0], "Renamed")
					after = w.records()
				})
				if !errs.Is(err, c.want) {
					w.t.Errorf("error %v, want %s", err, c.want)
				}
				w.unchanged(after)
				if in, err := w.store.Integration(w.t.Context(), w.accountID); err == nil && in.Attention != nil {
					w.t.Errorf("attention %+v", in.Attention)
				}
			})
		})
	}
}

func TestAMapThatIsOvertakenChangesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		overtake func(w *world)
		want     errs.Code
	}{
		"ByADeactivation":  {(*world).deactivate, errs.NotConnected},
		"ByANewConnection": {(*world).reconnect, errs.Conflict},
		"ByANewKey":        {(*world).changeKey, errs.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachWorld(t, func(w *world) {
				ours := w.ours("Acme")
				w.connect()
				target := w.theirs("Not listed yet")[0]
				var after records
				err := w.during(func() error {
					_, err := w.mappings.Map(w.t.Context(), w.accountID, ours[0], target, w.token)
					return err
				}, itgluetest.Fault{Kind: itgluetest.FaultCall, Path: "/organizations/*"}, func() {
					c.overtake(w)
					after = w.records()
				})
				if !errs.Is(err, c.want) {
					w.t.Errorf("error %v, want %s", err, c.want)
				}
				w.unchanged(after)
			})
		})
	}
}

func TestARefreshThatIsRefusedNeedsAttention(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		w.theirs("Acme")
		ours := w.ours("Acme")
		w.connect()
		w.itglue.RevokeKey(apiKey)
		if _, err := w.syncs.Refresh(w.t.Context(), w.accountID, ours[0], w.token); !errs.Is(err, errs.ITGlueKeyRejected) {
			w.t.Errorf("error %v", err)
		}
		in, err := w.store.Integration(w.t.Context(), w.accountID)
		if err != nil || in.Attention == nil || in.Attention.Code != integration.CredentialsRejected {
			w.t.Errorf("attention %+v, %v", in.Attention, err)
		}
		w.itglue.AddKey(apiKey)
		_, err = w.syncs.Refresh(w.t.Context(), w.accountID, ours[0], w.token)
		w.ok(err)
		if in, err = w.store.Integration(w.t.Context(), w.accountID); err != nil || in.Attention != nil {
			w.t.Errorf("attention %+v, %v", in.Attention, err)
		}
	})
}
