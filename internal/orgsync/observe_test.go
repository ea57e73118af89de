package orgsync_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// unwritable cannot end a sync.
type unwritable struct{ orgsync.SyncStore }

func (unwritable) FinishSync(context.Context, orgsync.Fence, orgsync.Outcome) error {
	return errors.New("the disk is full")
}

func TestEveryRunIsObservedWithHowItWent(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs, ours := w.theirs("Acme", "Bolt"), w.ours("Acme", "Bolt")
		w.connect()
		var seen []string
		observe := func(r orgsync.Ran) {
			if r.Took < 0 {
				w.t.Errorf("%+v", r)
			}
			seen = append(seen, string(r.Kind)+" "+string(r.Outcome))
		}
		config, service := w.runner.RunnerConfig, w.syncs.ServiceConfig
		config.Observe, service.Observe = observe, observe
		w.runner, w.syncs = orgsync.NewRunner(config), orgsync.NewService(service)

		w.sync(orgsync.Manual)
		w.sync(orgsync.Preview)
		_, err := w.syncs.Refresh(w.t.Context(), w.accountID, ours[0], w.token)
		w.ok(err)
		cut := w.start(orgsync.Manual)
		remove := w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultCall, Do: func() {
			_, err := w.store.CancelSync(context.WithoutCancel(w.t.Context()), w.accountID, cut.ID, w.token)
			if err != nil && !errs.Is(err, errs.SyncEnded) {
				w.t.Error(err)
			}
		}})
		w.run(cut)
		remove()
		for _, id := range theirs {
			w.itglue.Delete(id)
		}
		w.sync(orgsync.Manual)
		config.Syncs = unwritable{config.Syncs}
		lost := w.start(orgsync.Preview)
		if err := orgsync.NewRunner(config).Run(w.t.Context(), fence(lost)); err == nil {
			w.t.Error("a sync was ended that could not be written")
		}
		_, err = w.store.CancelSync(w.t.Context(), w.accountID, lost.ID, w.token)
		w.ok(err)
		w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultStatus, Status: 500})
		if _, err := w.syncs.Refresh(w.t.Context(), w.accountID, ours[0], w.token); err == nil {
			w.t.Error("refreshed by an IT Glue that fails")
		}
		w.run(w.start(orgsync.Manual)) // queued again
		want := []string{
			"manual succeeded", "preview succeeded", "organization succeeded", "manual lost", "manual held", "preview unrecorded",
			"organization failed", "manual handed_back",
		}
		if !slices.Equal(seen, want) {
			w.t.Errorf("observed %q, want %q", seen, want)
		}
	})
}
