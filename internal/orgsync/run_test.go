package orgsync_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

func TestInitialSyncMapsEqualNamesAndExplainsTheRest(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs := w.theirs("Acme", "bolt", "Crane", "Crane", "Caf\u00e9")
		ours := w.ours("Acme", "Bolt", "Crane", "Delta", "Cafe\u0301")
		s := w.connect()
		w.expect(s, orgsync.Succeeded, "Acme map applied equal-name", "Crane skip refused ambiguous", "Cafe\u0301 map applied equal-name")
		if want := (orgsync.Counts{Listed: 5, Mapped: 2, Skipped: 1}); s.Counts != want {
			w.t.Errorf("counts %+v, want %+v", s.Counts, want)
		}
		w.expectRow(ours[0], "Acme", theirs[0], mapping.Active)
		w.expectRow(ours[4], "Cafe\u0301", theirs[4], mapping.Active)
		for i, want := range map[int]mapping.UnmatchedCode{1: mapping.NoEqualName, 2: mapping.Ambiguous, 3: mapping.NoEqualName} {
			if r := w.row(ours[i]); r.State != mapping.Unmapped || r.Unmatched != want {
				w.t.Errorf("%s is %s because %q, want %q", r.OrganizationName, r.State, r.Unmatched, want)
			}
		}
		if r := w.row(ours[2]); len(r.Candidates) != 2 {
			w.t.Errorf("candidates %+v, want both Cranes", r.Candidates)
		}
	})
}

func TestSecondSyncOfTheSameStateChangesNothing(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		w.theirs("Acme", "Bolt", "Bolt")
		w.ours("Acme", "Bolt")
		w.connect()
		w.itglue.ResetCalls()
		s := w.sync(orgsync.Manual)
		w.expect(s, orgsync.Succeeded)
		if s.Counts.Unchanged != 1 || w.itglue.CallCount() != 1 {
			w.t.Errorf("counts %+v with %d requests to IT Glue, want 1 unchanged with 1", s.Counts, w.itglue.CallCount())
		}
	})
}

func TestManualSyncFollowsITGlue(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs := w.theirs("Acme", "Bolt", "Crane", "Delta")
		ours := w.ours("Acme", "Bolt", "Crane", "Delta")
		w.connect()
		_, err := w.mappings.SetSyncEnabled(w.t.Context(), w.accountID, ours[1], false, w.token)
		w.ok(err)
		_, err = w.mappings.Unmap(w.t.Context(), w.accountID, ours[3], w.token)
		w.ok(err)
		w.itglue.Rename(theirs[0], "Acme Inc.")
		w.itglue.Rename(theirs[1], "Bolt Inc.")
		w.itglue.Delete(theirs[2])
		s := w.sync(orgsync.Manual)
		w.expect(s, orgsync.Succeeded, "Crane unmap applied deleted-in-itglue", "Acme rename applied renamed-in-itglue", "Bolt skip refused paused")
		w.expectRow(ours[0], "Acme Inc.", theirs[0], mapping.Active)
		w.expectRow(ours[1], "Bolt", theirs[1], mapping.Paused)
		w.expectRow(ours[2], "Crane", "", mapping.Unmapped)
		w.expectRow(ours[3], "Delta", "", mapping.Unmapped)
		if r := w.row(ours[2]); r.Unmatched != mapping.DeletedInITGlue {
			w.t.Errorf("unmatched %q, want deleted in IT Glue", r.Unmatched)
		}
	})
}

func TestPreviewChangesNothing(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs := w.theirs("Acme", "Bolt")
		ours := w.ours("Acme", "Bolt")
		w.connect()
		w.itglue.Rename(theirs[0], "Acme Inc.")
		w.itglue.Delete(theirs[1])
		s := w.sync(orgsync.Preview)
		w.expect(s, orgsync.Succeeded, "Bolt unmap planned deleted-in-itglue", "Acme rename planned renamed-in-itglue")
		if s.Counts.Renamed != 1 || s.Counts.Unmapped != 1 {
			w.t.Errorf("counts %+v", s.Counts)
		}
		w.expectRow(ours[0], "Acme", theirs[0], mapping.Active)
		w.expectRow(ours[1], "Bolt", theirs[1], mapping.Active)
	})
}

func TestTooManyRemovalsAreHeldAndNamesStillFollow(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs := w.theirs("Acme", "Bolt", "Crane")
		ours := w.ours("Acme", "Bolt", "Crane")
		w.connect()
		w.itglue.Delete(theirs[0])
		w.itglue.Delete(theirs[1])
		w.itglue.Rename(theirs[2], "Crane Inc.")
		s := w.sync(orgsync.Manual)
		w.expect(s, orgsync.Held,
			"Acme unmap held deleted-in-itglue", "Bolt unmap held deleted-in-itglue", "Crane rename applied renamed-in-itglue")
		if s.Counts.Held != 2 || s.Counts.Unmapped != 0 {
			w.t.Errorf("counts %+v", s.Counts)
		}
		w.expectRow(ours[0], "Acme", theirs[0], mapping.Active)
		w.expectRow(ours[2], "Crane Inc.", theirs[2], mapping.Active)
	})
}

func TestEmptyListingIsHeldWithoutReads(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs := w.theirs("Acme")
		ours := w.ours("Acme")
		w.connect()
		w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultEmptyList})
		w.itglue.ResetCalls()
		w.expect(w.sync(orgsync.Manual), orgsync.Held, "Acme unmap held absent-from-listing")
		w.expectRow(ours[0], "Acme", theirs[0], mapping.Active)
		if n := w.itglue.CallCount(); n != 1 {
			w.t.Errorf("%d requests, want 1", n)
		}
	})
}

func TestIncompleteListingIsTakenAgainAndThenChangesNothing(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]itgluetest.Fault{
		"RowMissing":   {Kind: itgluetest.FaultMissingRows, Count: 1},
		"RowTwice":     {Kind: itgluetest.FaultDuplicateRow},
		"TotalTooHigh": {Kind: itgluetest.FaultTotalCount, Count: 1},
		"TotalTooLow":  {Kind: itgluetest.FaultTotalCount, Count: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachWorld(t, func(w *world) {
				theirs := w.theirs("Acme", "Bolt", "Crane")
				ours := w.ours("Acme", "Bolt", "Crane")
				w.connect()
				w.itglue.Rename(theirs[0], "Acme Inc.")
				w.itglue.Delete(theirs[1])
				remove := w.itglue.Inject(fault)
				s := w.sync(orgsync.Manual)
				w.expect(s, orgsync.Failed)
				if s.Failure.Code != errs.ITGlueListingIncomplete {
					w.t.Errorf("failure %+v", s.Failure)
				}
				w.expectRow(ours[0], "Acme", theirs[0], mapping.Active)
				w.expectRow(ours[1], "Bolt", theirs[1], mapping.Active)
				remove()
				once := fault
				once.Times = 1
				w.itglue.Inject(once)
				w.expect(w.sync(orgsync.Manual), orgsync.Succeeded, "Bolt unmap applied deleted-in-itglue", "Acme rename applied renamed-in-itglue")
			})
		})
	}
}

func TestAbsentButReadableIsKept(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs := w.theirs("Acme", "Bolt", "Crane")
		ours := w.ours("Acme", "Bolt", "Crane")
		w.connect()
		// The listing and its count leave one out, as when IT Glue's index lags behind.
		w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultMissingRows, Count: 1})
		w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultTotalCount, Count: -1})
		w.expect(w.sync(orgsync.Manual), orgsync.Succeeded, "Crane unmap refused absent-but-readable")
		w.expectRow(ours[2], "Crane", theirs[2], mapping.Active)
	})
}

func TestRejectedKeyChangesNothingAndAsksForAttention(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs := w.theirs("Acme", "Bolt", "Crane")
		ours := w.ours("Acme", "Bolt", "Crane")
		w.connect()
		w.itglue.Rename(theirs[0], "Acme Inc.")
		w.itglue.Delete(theirs[1])
		// The list is answered, the read by id is not: the key was revoked in between.
		remove := w.itglue.Inject(itgluetest.Fault{
			Kind: itgluetest.FaultStatus, Status: http.StatusForbidden, Style: itgluetest.BodyMessage, Path: "/organizations/*",
		})
		s := w.sync(orgsync.Manual)
		w.expect(s, orgsync.Failed)
		w.expectRow(ours[0], "Acme", theirs[0], mapping.Active)
		in, err := w.store.Integration(w.t.Context(), w.accountID)
		w.ok(err)
		if s.Failure.Code != errs.ITGlueKeyRejected || in.Attention == nil || in.Attention.Code != integration.CredentialsRejected {
			w.t.Fatalf("failure %+v, attention %+v", s.Failure, in.Attention)
		}
		remove()
		w.expect(w.sync(orgsync.Manual), orgsync.Succeeded, "Bolt unmap applied deleted-in-itglue", "Acme rename applied renamed-in-itglue")
		in, err = w.store.Integration(w.t.Context(), w.accountID)
		w.ok(err)
		if in.Attention != nil {
			w.t.Errorf("attention %+v after a success", in.Attention)
		}
	})
}

func TestFailureThatMayPassIsTriedAgainAndThenFails(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		w.theirs("Acme")
		w.ours("Acme")
		w.connect()
		w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultStatus, Status: http.StatusServiceUnavailable, RetryAfter: "3600"})
		s := w.start(orgsync.Manual)
		for attempt := range 3 {
			s = w.run(s)
			if s.Status != orgsync.Queued || s.Attempt != attempt+1 || s.Failure.Code != errs.ITGlueUnavailable || time.Until(s.NotBefore) < 50*time.Minute {
				w.t.Fatalf("after attempt %d: %+v (%+v)", attempt+1, s, s.Failure)
			}
			storetest.Exec(w.t, w.store, "UPDATE syncs SET not_before = created_at WHERE id = $1", s.ID)
		}
		s = w.run(s)
		if s.Status != orgsync.Failed || s.Failure.Code != errs.ITGlueUnavailable {
			w.t.Fatalf("after the last attempt: %+v (%+v)", s, s.Failure)
		}
	})
}

func TestCutOffSyncIsHandedBackAndDoneByTheNextOwner(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		w.theirs("Acme")
		ours := w.ours("Acme")
		w.connect()
		w.itglue.Rename(w.row(ours[0]).ITGlueID, "Acme Inc.")
		ctx, cancel := context.WithCancel(w.t.Context())
		w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultCall, Do: cancel, Times: 1})
		s := w.start(orgsync.Manual)
		w.ok(w.runner.Run(ctx, fence(s)))
		again := w.read(s)
		if again.Status != orgsync.Queued || again.Epoch != s.Epoch+1 || again.Attempt != 0 || again.Failure != nil {
			w.t.Fatalf("handed back as %+v", again)
		}
		w.ok(w.runner.Run(w.t.Context(), fence(s))) // the old owner's fence opens nothing
		if w.read(s).Status != orgsync.Queued {
			w.t.Fatal("the old epoch ran the sync")
		}
		w.expect(w.run(again), orgsync.Succeeded, "Acme rename applied renamed-in-itglue")
	})
}

func TestSyncThatWasTakenOverWritesNothingMore(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs := w.theirs("Acme")
		ours := w.ours("Acme")
		w.connect()
		w.itglue.Rename(theirs[0], "Acme Inc.")
		s := w.start(orgsync.Manual)
		w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultCall, Times: 1, Do: func() {
			storetest.Exec(w.t, w.store, "UPDATE syncs SET epoch = epoch + 1 WHERE id = $1", s.ID)
		}})
		w.ok(w.runner.Run(w.t.Context(), fence(s)))
		w.expectRow(ours[0], "Acme", theirs[0], mapping.Active)
		if got := w.read(s); got.Status != orgsync.Running || got.Epoch != s.Epoch+1 {
			w.t.Errorf("the old owner ended the sync: %+v", got)
		}
	})
}

func TestWhatAPersonDoesDuringTheListingWins(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs := w.theirs("Acme", "Bolt", "Free")
		ours := w.ours("Acme", "Bolt")
		w.connect()
		w.itglue.Rename(theirs[0], "Acme Inc.")
		w.itglue.Delete(theirs[1])
		w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultCall, Times: 1, Path: "/organizations/*", Do: func() {
			_, err := w.mappings.Unmap(w.t.Context(), w.accountID, ours[0], w.token)
			w.ok(err)
			_, err = w.mappings.Map(w.t.Context(), w.accountID, ours[1], theirs[2], w.token)
			w.ok(err)
		}})
		s := w.sync(orgsync.Manual)
		w.expect(s, orgsync.Succeeded,
			"Bolt unmap refused changed-since-the-listing", "Acme rename refused changed-since-the-listing")
		w.expectRow(ours[0], "Acme", "", mapping.Unmapped)
		w.expectRow(ours[1], "Bolt", theirs[2], mapping.Active)
		if s.Counts.Skipped != 2 || s.Counts.Renamed+s.Counts.Unmapped != 0 {
			w.t.Errorf("counts %+v", s.Counts)
		}
	})
}

func TestWhatIsNewerThanTheListingWins(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs := w.theirs("Acme")
		ours := w.ours("Acme")
		w.connect()
		w.itglue.Rename(theirs[0], "Acme Inc.")
		// The page that the sync gets is slow to arrive: meanwhile the name changes again and a person refreshes.
		w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultOtherJSON, Times: 1, Path: "/organizations", Body: `{"data": [{"id": "` + theirs[0] +
			`", "type": "organizations", "attributes": {"name": "Acme Inc."}}], "meta": {"current-page": 1, "total-pages": 1, "total-count": 1}}`})
		w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultCall, Times: 1, Path: "/organizations", Do: func() {
			w.itglue.Rename(theirs[0], "Acme Ltd.")
			_, err := w.syncs.Refresh(w.t.Context(), w.accountID, ours[0], w.token)
			w.ok(err)
		}})
		w.expect(w.sync(orgsync.Manual), orgsync.Succeeded, "Acme rename refused changed-since-the-listing")
		w.expectRow(ours[0], "Acme Ltd.", theirs[0], mapping.Active)
		w.expect(w.sync(orgsync.Manual), orgsync.Succeeded)
	})
}

func TestResumedSyncKeepsItsLimitAndItsCounts(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		names := make([]string, 10)
		for i := range names {
			names[i] = fmt.Sprintf("Company %02d", i)
		}
		theirs := w.theirs(names...)
		ours := w.ours(names...)
		w.connect()
		w.itglue.Delete(theirs[0])
		w.itglue.Rename(theirs[1], "Company One")
		s := w.start(orgsync.Manual)
		w.ok(w.interrupted(s)) // after its changes were applied
		s = w.read(s)
		w.expectRow(ours[0], "Company 00", "", mapping.Unmapped)

		w.itglue.Delete(theirs[2])
		s = w.run(s)
		w.expect(s, orgsync.Held, "Company 00 unmap applied deleted-in-itglue", "Company 01 rename applied renamed-in-itglue",
			"Company 02 unmap held deleted-in-itglue")
		w.expectRow(ours[2], "Company 02", theirs[2], mapping.Active)
		if want := (orgsync.Counts{Listed: 8, Unchanged: 7, Renamed: 1, Unmapped: 1, Held: 1}); s.Counts != want {
			w.t.Errorf("counts %+v, want %+v", s.Counts, want)
		}
	})
}

// interrupted runs the sync until all is applied and only its end is not recorded, and hands it back.
func (w *world) interrupted(s orgsync.Sync) error {
	config := w.runner.RunnerConfig
	config.Syncs = endless{SyncStore: w.store}
	return orgsync.NewRunner(config).Run(w.t.Context(), fence(s))
}

// endless loses the database in the moment when a sync ends.
type endless struct{ orgsync.SyncStore }

func (e endless) FinishSync(ctx context.Context, f orgsync.Fence, _ orgsync.Outcome) error {
	_, err := e.RequeueSync(ctx, f, 0, nil)
	return err
}

func TestReadsByIDStopAboveTheLimit(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		names := make([]string, 20)
		for i := range names {
			names[i] = fmt.Sprintf("Company %02d", i)
		}
		theirs := w.theirs(names...)
		w.ours(names...)
		w.connect()
		for _, id := range theirs[:10] {
			w.itglue.Delete(id)
		}
		w.itglue.ResetCalls()
		s := w.sync(orgsync.Manual)
		if s.Status != orgsync.Held || s.Counts.Held != 10 || w.itglue.CallCount() != 1+3 {
			w.t.Errorf("%s, counts %+v, %d requests; want 10 held with one listing and 3 reads", s.Status, s.Counts, w.itglue.CallCount())
		}
	})
}

func TestUnclearReadKeepsTheMapping(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs := w.theirs("Acme", "Bolt", "Crane")
		ours := w.ours("Acme", "Bolt", "Crane")
		w.connect()
		w.itglue.Delete(theirs[0])
		w.itglue.Inject(itgluetest.Fault{
			Kind: itgluetest.FaultStatus, Status: http.StatusBadGateway, Style: itgluetest.BodyHTML, Path: "/organizations/*",
		})
		w.expect(w.sync(orgsync.Manual), orgsync.Succeeded, "Acme unmap refused absence-not-confirmed")
		w.expectRow(ours[0], "Acme", theirs[0], mapping.Active)
	})
}

func TestEmptyListingLeavesTheDirectoryAndAutoMapAlone(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs := w.theirs("Acme")
		ours := w.ours("Acme")
		remove := w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultEmptyList})
		w.expect(w.connect(), orgsync.Succeeded)
		remove()
		w.expect(w.sync(orgsync.Manual), orgsync.Succeeded, "Acme map applied equal-name")
		_, err := w.mappings.SetSyncEnabled(w.t.Context(), w.accountID, ours[0], false, w.token)
		w.ok(err)
		w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultEmptyList})
		w.expect(w.sync(orgsync.Manual), orgsync.Held, "Acme skip refused paused")
		if _, err := w.store.DirectoryEntry(w.t.Context(), w.accountID, theirs[0]); err != nil {
			w.t.Errorf("the directory was emptied: %v", err)
		}
	})
}

func TestAbsurdTotalIsABadAnswer(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		w.theirs("Acme")
		w.connect()
		w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultTotalCount, Count: 1 << 30})
		if s := w.sync(orgsync.Manual); s.Failure == nil || s.Failure.Code != errs.ITGlueBadAnswer {
			w.t.Errorf("failure %+v", s.Failure)
		}
	})
}

func TestSyncThatIsTakenOverTooOftenFails(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		w.connect()
		s := w.start(orgsync.Manual)
		storetest.Exec(w.t, w.store, "UPDATE syncs SET attempt = 4 WHERE id = $1", s.ID)
		if s = w.run(s); s.Status != orgsync.Failed || s.Failure.Code != errs.Internal {
			w.t.Errorf("%s, %+v", s.Status, s.Failure)
		}
	})
}

func TestSecondOrganizationOfTheNameDuringTheReadsStopsAutoMap(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		w.theirs("Acme")
		ours := w.ours("Acme")
		w.itglue.Inject(itgluetest.Fault{
			Kind: itgluetest.FaultCall, Times: 1, MinPageSize: 1000, Path: "/organizations", Do: func() { w.ours("Acme") },
		})
		w.expect(w.connect(), orgsync.Succeeded, "Acme map refused changed-since-the-listing")
		w.expectRow(ours[0], "Acme", "", mapping.Unmapped)
	})
}

func TestLongPageDoesNotCostTheLease(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		w.theirs("Acme")
		w.connect()
		config := w.runner.RunnerConfig
		config.Lease = 300 * time.Millisecond
		w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultDelay, Delay: time.Second, Path: "/organizations"})
		s := w.start(orgsync.Manual)
		w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultCall, Path: "/organizations", Do: func() {
			if n, err := w.store.TakeOverSyncs(w.t.Context()); err != nil || n > 0 {
				w.t.Errorf("%d syncs taken over, %v", n, err)
			}
		}})
		w.ok(orgsync.NewRunner(config).Run(w.t.Context(), fence(s)))
		if n, err := w.store.TakeOverSyncs(w.t.Context()); err != nil || n > 0 {
			w.t.Errorf("%d syncs taken over, %v", n, err)
		}
		w.expect(w.read(s), orgsync.Succeeded)
	})
}

func TestAutoMapStillRunsAfterAFailedInitialSync(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		w.theirs("Acme")
		w.ours("Acme")
		remove := w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultTotalCount, Count: 1, MinPageSize: 1000})
		if s := w.connect(); s.Status != orgsync.Failed {
			w.t.Fatalf("initial sync %s", s.Status)
		}
		remove()
		w.expect(w.sync(orgsync.Manual), orgsync.Succeeded, "Acme map applied equal-name")
		w.theirs("Bolt")
		w.ours("Bolt")
		w.expect(w.sync(orgsync.Manual), orgsync.Succeeded) // on_connect: from now on a person maps
	})
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs := w.theirs("Acme", "Bolt")
		ours := w.ours("Acme", "Bolt", "Crane")
		w.connect()
		refresh := func(id string) (mapping.Row, error) { return w.syncs.Refresh(w.t.Context(), w.accountID, id, w.token) }

		_, err := w.mappings.SetSyncEnabled(w.t.Context(), w.accountID, ours[0], false, w.token)
		w.ok(err)
		w.itglue.Rename(theirs[0], "Acme Inc.")
		w.itglue.ResetCalls()
		row, err := refresh(ours[0])
		w.ok(err)
		if row.OrganizationName != "Acme Inc." || row.State != mapping.Paused || row.LastSyncedAt == nil || w.itglue.CallCount() != 1 {
			w.t.Errorf("refreshed paused row %+v with %d requests", row, w.itglue.CallCount())
		}

		w.itglue.Delete(theirs[1])
		row, err = refresh(ours[1])
		w.ok(err)
		if row.State != mapping.Unmapped || row.Unmatched != mapping.DeletedInITGlue {
			w.t.Errorf("refreshed deleted row %+v", row)
		}
		if _, err = refresh(ours[2]); !errs.Is(err, errs.NotMapped) {
			w.t.Errorf("refresh of an unmapped organization: %v", err)
		}
		if _, err = refresh(storetest.ID(w.t)); !errs.Is(err, errs.NotFound) {
			w.t.Errorf("refresh of no organization: %v", err)
		}
		w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultStatus, Status: http.StatusForbidden, Style: itgluetest.BodyMessage})
		if _, err = refresh(ours[0]); !errs.Is(err, errs.ITGlueKeyRejected) || strings.Contains(err.Error(), apiKey) {
			w.t.Errorf("refresh with a rejected key: %v", err)
		}
		attention := func() *integration.Attention {
			in, err := w.store.Integration(w.t.Context(), w.accountID)
			w.ok(err)
			return in.Attention
		}
		if attention() == nil {
			w.t.Error("the rejected key needs no attention")
		}
		w.itglue.ClearFaults()
		if _, err = refresh(ours[0]); err != nil || attention() != nil {
			w.t.Errorf("after the key was accepted again: %v, attention %+v", err, attention())
		}
	})
}
