package orgsync_test

import (
	"context"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

func TestCancelStopsARunningSyncAtOnceAndNothingIsChangedAfterIt(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs := w.theirs("Acme", "Bolt", "Crane")
		ours := w.ours("Acme", "Bolt", "Crane")
		w.connect()
		w.itglue.Rename(theirs[0], "Acme Inc.")
		w.itglue.Delete(theirs[1])
		listing := make(chan struct{})
		remove := w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultCall, Times: 1, Do: func() { close(listing) }})
		defer remove()
		slow := w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultDelay, Delay: 20 * time.Second})
		config := w.runner.RunnerConfig
		config.Lease = 900 * time.Millisecond
		s := w.start(orgsync.Manual)
		ended := make(chan error, 1)
		go func() { ended <- orgsync.NewRunner(config).Run(w.t.Context(), fence(s)) }()
		<-listing
		_, err := w.store.CancelSync(w.t.Context(), w.accountID, s.ID, w.token)
		w.ok(err)
		slow()
		other := w.start(orgsync.Preview)
		if other.ID == s.ID {
			w.t.Fatal("the cancelled sync stands in the way of a new one")
		}
		w.expect(w.run(other), orgsync.Succeeded, "Bolt unmap planned deleted-in-itglue", "Acme rename planned renamed-in-itglue")
		select {
		case err := <-ended:
			w.ok(err)
		case <-time.After(10 * time.Second):
			w.t.Fatal("the owner of the cancelled sync goes on")
		}
		w.expect(w.read(s), orgsync.Cancelled)
		w.expectRow(ours[0], "Acme", theirs[0], mapping.Active)
		w.expectRow(ours[1], "Bolt", theirs[1], mapping.Active)
	})
}

// cancelsAt cancels a sync at one step of its run.
type cancelsAt struct {
	orgsync.StateStore

	step   string
	cancel func()
}

func (c cancelsAt) at(step string) {
	if c.step == step {
		c.cancel()
	}
}

func (c cancelsAt) DirectoryTaken(ctx context.Context, f orgsync.Fence, at time.Time) error {
	c.at("before DirectoryTaken")
	return c.StateStore.DirectoryTaken(ctx, f, at)
}

func (c cancelsAt) ApplyChanges(ctx context.Context, f orgsync.Fence, b orgsync.Batch) error {
	c.at("before ApplyChanges")
	err := c.StateStore.ApplyChanges(ctx, f, b)
	c.at("after ApplyChanges")
	return err
}

func (c cancelsAt) ApplyUnmatched(ctx context.Context, f orgsync.Fence, updates []orgsync.UnmatchedUpdate) error {
	c.at("before ApplyUnmatched")
	return c.StateStore.ApplyUnmatched(ctx, f, updates)
}

func TestCancelAtAnyStepLeavesWhatWasCommittedAndNoMore(t *testing.T) {
	t.Parallel()
	for step, want := range map[string]string{
		"before DirectoryTaken": "Acme", "before ApplyChanges": "Acme", "after ApplyChanges": "Acme Inc.", "before ApplyUnmatched": "Acme Inc.",
	} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			eachWorld(t, func(w *world) {
				theirs := w.theirs("Acme", "Bolt", "Crane")
				ours := w.ours("Acme", "Bolt", "Crane")
				w.connect()
				w.itglue.Rename(theirs[0], "Acme Inc.")
				w.itglue.Delete(theirs[1])
				s := w.start(orgsync.Manual)
				config := w.runner.RunnerConfig
				config.State = cancelsAt{StateStore: w.store, step: step, cancel: func() {
					_, err := w.store.CancelSync(w.t.Context(), w.accountID, s.ID, w.token)
					w.ok(err)
				}}
				w.ok(orgsync.NewRunner(config).Run(w.t.Context(), fence(s)))
				cancelled := w.read(s)
				made := 0
				if want != "Acme" {
					made = 1
				}
				if cancelled.Status != orgsync.Cancelled || cancelled.Counts.Renamed != made || cancelled.Counts.Unmapped != made {
					w.t.Errorf("%s with %+v", cancelled.Status, cancelled.Counts)
				}
				if name := w.row(ours[0]).OrganizationName; name != want {
					w.t.Errorf("the name is %q, want %q", name, want)
				}
			})
		})
	}
}
