package orgsync_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

func (w *world) expectProgress(s orgsync.Sync, phase orgsync.Phase, done, total int) {
	w.t.Helper()
	if want := (orgsync.Progress{Phase: phase, Done: done, Total: total}); s.Progress != want {
		w.t.Errorf("the progress of a %s sync that is %s is %+v, want %+v", s.Kind, s.Status, s.Progress, want)
	}
}

// TestProgressStaysWhereTheSyncEnded has every kind of sync end in each phase that it can end in. All of them are too quick for a
// heartbeat to write it.
func TestProgressStaysWhereTheSyncEnded(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs := w.theirs("Acme", "Bolt", "Crane", "Delta", "Echo")
		w.ours("Acme", "Bolt", "Crane", "Delta", "Echo", "Other")
		w.expectProgress(w.connect(), orgsync.Applying, 6, 6) // five mapped, and one reason why not
		w.expectProgress(w.start(orgsync.Preview), "", 0, 0)
		w.expectProgress(w.sync(orgsync.Preview), orgsync.Listing, 5, 5)
		w.expectProgress(w.sync(orgsync.Manual), orgsync.Listing, 5, 5)
		w.itglue.Rename(theirs[0], "Acme Inc.")
		w.expectProgress(w.sync(orgsync.Preview), orgsync.Applying, 1, 1)
		w.expectProgress(w.sync(orgsync.Manual), orgsync.Applying, 1, 1)
		for _, id := range theirs[:4] {
			w.itglue.Delete(id)
		}
		held := w.sync(orgsync.Manual)
		w.expectProgress(held, orgsync.Applying, 4, 4)
		remove := w.itglue.Inject(itgluetest.Fault{
			Kind: itgluetest.FaultStatus, Status: http.StatusForbidden, Style: itgluetest.BodyMessage, Path: "/organizations/*", After: 1,
		})
		w.expectProgress(w.sync(orgsync.Manual), orgsync.Confirming, 1, 4)
		released := w.release(held)
		w.expectProgress(released, "", 0, 0)
		released = w.run(released)
		w.expectProgress(released, orgsync.Confirming, 0, 4)
		remove()
		w.expectProgress(w.run(w.release(released)), orgsync.Confirming, 4, 4)
	})
}

func TestProgressOfALongListing(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		w.connect()
		names := make([]string, 2500)
		for i := range names {
			names[i] = fmt.Sprintf("Company %04d", i)
		}
		w.theirs(names...)
		w.expectProgress(w.sync(orgsync.Manual), orgsync.Listing, 2500, 2500)
		w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultStatus, Status: http.StatusForbidden, Style: itgluetest.BodyMessage, Page: 3})
		s := w.start(orgsync.Manual)
		w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultCall, Times: 1, Do: func() {
			w.expectProgress(w.read(s), orgsync.Listing, 0, 0) // from the beginning on it is known what the sync does
		}})
		w.expectProgress(w.run(s), orgsync.Listing, 2000, 2500)
	})
}

func TestProgressIsWrittenWithThePhaseThatBegins(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs := w.theirs("Acme", "Bolt", "Crane")
		ours := w.ours("Acme", "Bolt", "Crane")
		w.connect()
		w.itglue.Delete(theirs[0])
		w.itglue.Delete(theirs[1])
		s := w.start(orgsync.Manual)
		w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultCall, Times: 1, After: 1, Path: "/organizations/*", Do: func() {
			w.expectProgress(w.read(s), orgsync.Confirming, 0, 2)
		}})
		w.expectProgress(w.run(s), orgsync.Applying, 2, 2)
		row, err := w.syncs.Refresh(w.t.Context(), w.accountID, ours[2], w.token)
		w.ok(err)
		refreshed, err := w.store.Syncs(w.t.Context(), w.accountID, orgsync.Filter{Kind: orgsync.Organization})
		w.ok(err)
		if row.OrganizationID != ours[2] || len(refreshed.Items) != 1 {
			w.t.Fatalf("%+v, %+v", row, refreshed)
		}
		w.expectProgress(refreshed.Items[0], "", 0, 0)
	})
}
