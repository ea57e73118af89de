package orgsync_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/page"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// held maps n organizations, deletes the first ones of them in IT Glue and syncs. It returns the sync, which is held, and both sides'
// ids.
func (w *world) held(n, deleted int) (s orgsync.Sync, ours, theirs []string) {
	w.t.Helper()
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("Company %03d", i)
	}
	theirs, ours = w.theirs(names...), w.ours(names...)
	w.connect()
	for _, id := range theirs[:deleted] {
		w.itglue.Delete(id)
	}
	if s = w.sync(orgsync.Manual); s.Status != orgsync.Held || s.Counts.Held != deleted {
		w.t.Fatalf("the sync is %s with %+v", s.Status, s.Counts)
	}
	return s, ours, theirs
}

func (w *world) release(s orgsync.Sync) orgsync.Sync {
	w.t.Helper()
	released, err := w.syncs.Release(w.t.Context(), w.accountID, s.ID, w.token)
	w.ok(err)
	return released
}

func (w *world) integration() integration.Integration {
	w.t.Helper()
	in, err := w.store.Integration(w.t.Context(), w.accountID)
	w.ok(err)
	return in
}

// statuses counts the changes of a sync by status and reason.
func (w *world) statuses(s orgsync.Sync) map[string]int {
	w.t.Helper()
	counts, f := map[string]int{}, orgsync.ChangeFilter{Limit: 200}
	for {
		found, err := w.store.SyncChanges(w.t.Context(), w.accountID, s.ID, f)
		w.ok(err)
		for _, c := range found.Items {
			counts[string(c.Status)+" "+string(c.Reason)]++
		}
		if f.After = found.Next; f.After == nil {
			return counts
		}
	}
}

func (w *world) expectStatuses(s orgsync.Sync, want map[string]int) {
	w.t.Helper()
	if got := w.statuses(s); fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("changes %v, want %v", got, want)
	}
}

func (w *world) expectHeld(id string) {
	w.t.Helper()
	if got := w.integration().HeldSyncID; got != id {
		w.t.Errorf("the removals of %q wait for a person, want those of %q", got, id)
	}
}

// removed counts the removals that are facts.
func (w *world) removed() int {
	w.t.Helper()
	events, err := w.store.Events(w.t.Context(), w.accountID, event.Filter{Type: event.MappingRemoved, Limit: 200})
	w.ok(err)
	return len(events.Items)
}

func TestReleaseReadsEachAgainAndRemovesWhatIsGone(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		s, ours, theirs := w.held(60, 55) // more than one batch
		w.expectHeld(s.ID)
		w.itglue.Rename(theirs[59], "Company with a new name")
		released := w.release(s)
		if released.Status != orgsync.Queued || released.Epoch != s.Epoch+1 || released.Attempt != 0 || released.FinishedAt != nil ||
			released.ReleasedAt == nil || released.Progress != (orgsync.Progress{}) {
			w.t.Fatalf("released as %+v", released)
		}
		w.expectHeld("")
		w.itglue.ResetCalls()
		done := w.run(released)
		want := orgsync.Counts{Listed: 5, Unchanged: 5, Unmapped: 55}
		if done.Status != orgsync.Succeeded || done.Counts != want || done.ReleasedAt != nil || done.FinishedAt == nil ||
			done.Progress != (orgsync.Progress{Phase: orgsync.Confirming, Done: 55, Total: 55}) {
			w.t.Errorf("the release ended as %+v", done)
		}
		if n := w.itglue.CallCount(); n != 55 {
			w.t.Errorf("%d requests to IT Glue, want one for each of 55", n)
		}
		w.expectStatuses(done, map[string]int{"applied deleted-in-itglue": 55})
		for i := range 55 {
			w.expectRow(ours[i], fmt.Sprintf("Company %03d", i), "", mapping.Unmapped)
		}
		if r := w.row(ours[0]); r.Unmatched != mapping.DeletedInITGlue {
			w.t.Errorf("unmatched because %q", r.Unmatched)
		}
		w.expectRow(ours[59], "Company 059", theirs[59], mapping.Active) // a release renames nothing
		if w.removed() != 55 {
			w.t.Errorf("%d removals are facts", w.removed())
		}
		w.expect(w.sync(orgsync.Manual), orgsync.Succeeded, "Company 059 rename applied renamed-in-itglue")
	})
}

func TestReleaseKeepsWhatIsThereOrUnclearOrChanged(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		s, ours, theirs := w.held(8, 6)
		released := w.release(s)
		w.itglue.Add(itgluetest.Organization{ID: theirs[0], Name: "Company 000"})
		w.itglue.Inject(itgluetest.Fault{
			Kind: itgluetest.FaultStatus, Status: http.StatusNotFound, Style: itgluetest.BodyHTML, Path: "/organizations/" + theirs[1],
		})
		_, err := w.mappings.SetSyncEnabled(w.t.Context(), w.accountID, ours[2], false, w.token)
		w.ok(err)
		_, err = w.mappings.Map(w.t.Context(), w.accountID, ours[3], w.theirs("New home")[0], w.token)
		w.ok(err)
		storetest.Exec(w.t, w.store, "DELETE FROM organizations WHERE id = $1", ours[4])
		done := w.run(released)
		w.expect(done, orgsync.Succeeded,
			"Company 000 unmap refused absent-but-readable", "Company 001 unmap refused absence-not-confirmed",
			"Company 002 unmap refused changed-since-the-listing", "Company 003 unmap refused changed-since-the-listing",
			"Company 004 unmap refused changed-since-the-listing", "Company 005 unmap applied deleted-in-itglue")
		if want := (orgsync.Counts{Listed: 2, Unchanged: 2, Unmapped: 1, Skipped: 5}); done.Counts != want {
			w.t.Errorf("counts %+v, want %+v", done.Counts, want)
		}
		w.expectRow(ours[0], "Company 000", theirs[0], mapping.Active)
		w.expectRow(ours[1], "Company 001", theirs[1], mapping.Active)
		w.expectRow(ours[2], "Company 002", theirs[2], mapping.Paused)
		w.expectRow(ours[5], "Company 005", "", mapping.Unmapped)
		w.expectHeld("")
		if w.removed() != 1 {
			w.t.Errorf("%d removals are facts, want 1", w.removed())
		}
	})
}

func TestReleaseTakesOnlyWhatIsGoneOutOfTheDirectory(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs := w.theirs("Acme", "Bolt", "Crane")
		ours := w.ours("Acme", "Bolt", "Crane")
		w.connect()
		w.itglue.Delete(theirs[0])
		remove := w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultEmptyList})
		s := w.sync(orgsync.Manual) // an empty listing leaves the directory as it is and reads nothing by id
		w.expect(s, orgsync.Held, "Acme unmap held absent-from-listing", "Bolt unmap held absent-from-listing", "Crane unmap held absent-from-listing")
		remove()
		before := w.integration().ListedAt
		w.expect(w.run(w.release(s)), orgsync.Succeeded, "Acme unmap applied deleted-in-itglue",
			"Bolt unmap refused absent-but-readable", "Crane unmap refused absent-but-readable")
		w.expectRow(ours[1], "Bolt", theirs[1], mapping.Active)
		directory, err := w.store.Directory(w.t.Context(), w.accountID)
		w.ok(err)
		if len(directory) != 2 || directory[0].ID == theirs[0] || directory[1].ID == theirs[0] || !w.integration().ListedAt.Equal(*before) {
			w.t.Errorf("directory %+v, taken %v, before %v", directory, w.integration().ListedAt, before)
		}
	})
}

// cutOff runs the sync and stops it at the read after so many.
func (w *world) cutOff(s orgsync.Sync, after int) orgsync.Sync {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	remove := w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultCall, Do: cancel, After: after, Times: 1})
	defer remove()
	w.ok(w.runner.Run(ctx, fence(s)))
	return w.read(s)
}

func TestReleaseThatIsCutOffGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		s, _, _ := w.held(112, 110)
		handedBack := w.cutOff(w.release(s), 70)
		if handedBack.Status != orgsync.Queued || handedBack.Attempt != 0 || handedBack.ReleasedAt == nil || handedBack.Failure != nil {
			w.t.Fatalf("handed back as %+v", handedBack)
		}
		w.expectStatuses(handedBack, map[string]int{"applied deleted-in-itglue": 50, "held absent-from-listing": 60})
		w.itglue.ResetCalls()
		done := w.run(handedBack)
		w.expectStatuses(done, map[string]int{"applied deleted-in-itglue": 110})
		if n := w.itglue.CallCount(); done.Status != orgsync.Succeeded || done.Counts.Unmapped != 110 || n != 60 || w.removed() != 110 {
			w.t.Errorf("%s with %+v, %d requests, %d facts", done.Status, done.Counts, n, w.removed())
		}
		if done.Progress != (orgsync.Progress{Phase: orgsync.Confirming, Done: 60, Total: 60}) {
			w.t.Errorf("progress %+v", done.Progress)
		}
	})
}

func TestReleaseWhoseNodeDiesIsTakenOver(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		s, _, _ := w.held(60, 55)
		released := w.release(s)
		// The node freezes at the first read of the second batch; when it wakes up, another one has done the work.
		w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultCall, After: 50, Times: 1, Do: func() {
			storetest.Exec(w.t, w.store, "UPDATE syncs SET lease_until = created_at WHERE id = $1", s.ID)
			n, err := w.store.TakeOverSyncs(w.t.Context())
			w.ok(err)
			taken := w.read(s)
			if n != 1 || taken.Epoch != released.Epoch+1 || taken.Attempt != 1 {
				w.t.Errorf("%d taken over, %+v", n, taken)
			}
			if done := w.run(taken); done.Status != orgsync.Succeeded || done.Counts.Unmapped != 55 {
				w.t.Errorf("the new owner ended it as %+v", done)
			}
		}})
		done := w.run(released)
		w.expectStatuses(done, map[string]int{"applied deleted-in-itglue": 55})
		if done.Status != orgsync.Succeeded || w.removed() != 55 {
			w.t.Errorf("%s, %d facts", done.Status, w.removed())
		}
	})
}

func TestRateLimitedReleaseWaitsAndFinallyIsHeldAgain(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		s, ours, theirs := w.held(5, 4)
		remove := w.itglue.Inject(itgluetest.RateLimited("3600"))
		s = w.release(s)
		for attempt := range 5 {
			s = w.run(s)
			if s.Status != orgsync.Queued || s.Attempt != 0 || s.Failure.Code != errs.ITGlueRateLimited || time.Until(s.NotBefore) < 50*time.Minute {
				w.t.Fatalf("after attempt %d: %+v (%+v)", attempt+1, s, s.Failure)
			}
		}
		storetest.Exec(w.t, w.store, "UPDATE syncs SET released_at = $1 WHERE id = $2", time.Now().UTC().Add(-12*time.Hour), s.ID)
		s = w.run(s)
		if s.Status != orgsync.Held || s.Failure == nil || s.Failure.Code != errs.ITGlueRateLimited || s.ReleasedAt != nil ||
			s.Counts != (orgsync.Counts{Listed: 1, Unchanged: 1, Held: 4}) {
			w.t.Fatalf("after the last attempt: %+v (%+v)", s, s.Failure)
		}
		w.expectHeld(s.ID)
		w.expectRow(ours[0], "Company 000", theirs[0], mapping.Active)
		remove()
		w.forgetLimits()
		s = w.release(s) // a person tries again
		if s.Attempt != 0 || s.Failure != nil {
			w.t.Errorf("released again as %+v (%+v)", s, s.Failure)
		}
		s = w.run(s)
		if s.Status != orgsync.Succeeded || s.Failure != nil || s.Counts != (orgsync.Counts{Listed: 1, Unchanged: 1, Unmapped: 4}) {
			w.t.Errorf("after the second release: %+v (%+v)", s, s.Failure)
		}
	})
}

// forgetLimits has IT Glue asked as if by a process that has not been told to wait.
func (w *world) forgetLimits() {
	w.integrations.ITGlue = integration.NewDialer(map[itglue.Region]string{itglue.RegionUS: w.itglue.URL}, 0)
}

func TestReleaseWithARejectedKeyChangesNothingAndIsHeldAgain(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		s, ours, theirs := w.held(5, 4)
		remove := w.itglue.Inject(itgluetest.Fault{
			Kind: itgluetest.FaultStatus, Status: http.StatusUnauthorized, Style: itgluetest.BodyMessage, After: 2,
		})
		s = w.run(w.release(s))
		if s.Status != orgsync.Held || s.Failure == nil || s.Failure.Code != errs.ITGlueKeyRejected || s.Counts.Held != 4 {
			w.t.Fatalf("%+v (%+v)", s, s.Failure)
		}
		w.expectHeld(s.ID)
		w.expectRow(ours[0], "Company 000", theirs[0], mapping.Active)
		if a := w.integration().Attention; a == nil || a.Code != integration.CredentialsRejected {
			w.t.Errorf("attention %+v", a)
		}
		remove()
		s = w.run(w.release(s))
		if s.Status != orgsync.Succeeded || s.Counts.Unmapped != 4 || w.integration().Attention != nil {
			w.t.Errorf("%+v, attention %+v", s, w.integration().Attention)
		}
	})
}

func TestReleaseDecidesNothingWhileITGlueIsOutOfOrder(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		s, _, _ := w.held(5, 4)
		remove := w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultStatus, Status: http.StatusNotFound, Style: itgluetest.BodyHTML})
		s = w.run(w.release(s))
		if s.Status != orgsync.Queued || s.Attempt != 1 || s.Failure == nil || s.Failure.Code != errs.ITGlueBadAnswer {
			w.t.Fatalf("%+v (%+v)", s, s.Failure)
		}
		w.expectStatuses(s, map[string]int{"held deleted-in-itglue": 2, "held absent-from-listing": 2})
		remove()
		if s = w.run(s); s.Status != orgsync.Succeeded || s.Counts.Unmapped != 4 {
			w.t.Errorf("%+v", s)
		}
	})
}

func TestReleaseThatIsTakenOverTooOftenIsHeldAgain(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		s, _, _ := w.held(5, 4)
		s = w.release(s)
		storetest.Exec(w.t, w.store, "UPDATE syncs SET attempt = 4 WHERE id = $1", s.ID)
		if s = w.run(s); s.Status != orgsync.Held || s.Failure.Code != errs.Internal || s.Counts.Held != 4 || s.Counts.Listed != 1 {
			w.t.Errorf("%+v (%+v)", s, s.Failure)
		}
		w.expectHeld(s.ID)
	})
}

// paged notes after which change each page of held changes begins.
type paged struct {
	orgsync.ReleaseStore

	after []string
}

func (p *paged) SyncChanges(ctx context.Context, accountID, syncID string, f orgsync.ChangeFilter) (page.Page[orgsync.Change], error) {
	after := ""
	if f.After != nil {
		after = f.After.Key
	}
	p.after = append(p.after, after)
	return p.ReleaseStore.SyncChanges(ctx, accountID, syncID, f)
}

func TestReleaseDoesNotReadAgainWhatItHasDecided(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		s, _, _ := w.held(105, 105)
		store := &paged{ReleaseStore: w.store}
		w.runner.Releases = store
		if done := w.run(w.release(s)); done.Status != orgsync.Succeeded || done.Counts.Unmapped != 105 {
			w.t.Errorf("%+v", done)
		}
		if got := fmt.Sprint(store.after); got != "[ 50 100]" {
			w.t.Errorf("the pages begin after %s", got)
		}
	})
}

func TestCancelledReleaseRemovesNothingMore(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		s, _, _ := w.held(60, 55)
		released := w.release(s)
		w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultCall, After: 50, Times: 1, Do: func() {
			_, err := w.store.CancelSync(w.t.Context(), w.accountID, s.ID, w.token)
			w.ok(err)
		}})
		done := w.run(released)
		if want := (orgsync.Counts{Listed: 5, Unchanged: 5, Unmapped: 50, Held: 5}); done.Status != orgsync.Cancelled || done.Counts != want || done.ReleasedAt != nil {
			w.t.Errorf("%s with %+v, want %+v", done.Status, done.Counts, want)
		}
		w.expectHeld("")
		if w.removed() != 50 {
			w.t.Errorf("%d facts", w.removed())
		}
		if again := w.sync(orgsync.Manual); again.Counts.Unmapped+again.Counts.Held != 5 {
			w.t.Errorf("the next sync: %s with %+v", again.Status, again.Counts)
		}
	})
}

func TestRejectedRemovalsStayMappedAndTheNextSyncAsksAgain(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		s, ours, theirs := w.held(3, 2)
		rejected, err := w.store.RejectRemovals(w.t.Context(), w.accountID, s.ID, w.token)
		w.ok(err)
		w.expect(rejected, orgsync.Succeeded, "Company 000 unmap refused rejected-by-person", "Company 001 unmap refused rejected-by-person")
		if rejected.Counts != (orgsync.Counts{Listed: 1, Unchanged: 1, Skipped: 2}) {
			w.t.Errorf("counts %+v", rejected.Counts)
		}
		w.expectRow(ours[0], "Company 000", theirs[0], mapping.Active)
		w.expectHeld("")
		again := w.sync(orgsync.Manual)
		w.expect(again, orgsync.Held, "Company 000 unmap held deleted-in-itglue", "Company 001 unmap held deleted-in-itglue")
		w.expectHeld(again.ID)
	})
}

func TestLaterSyncsTakeThePlaceOfAHeldOne(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		s, _, theirs := w.held(3, 2)
		w.expect(w.sync(orgsync.Preview), orgsync.Succeeded, "Company 000 unmap held deleted-in-itglue", "Company 001 unmap held deleted-in-itglue")
		w.expectHeld(s.ID)
		remove := w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultTotalCount, Count: 1})
		if failed := w.sync(orgsync.Manual); failed.Status != orgsync.Failed {
			w.t.Fatalf("%+v", failed)
		}
		w.expectHeld(s.ID)
		remove()
		cancelled := w.start(orgsync.Manual)
		_, err := w.store.CancelSync(w.t.Context(), w.accountID, cancelled.ID, w.token)
		w.ok(err)
		w.expectHeld(s.ID)
		second := w.sync(orgsync.Manual)
		w.expectHeld(second.ID)
		if _, err := w.syncs.Release(w.t.Context(), w.accountID, s.ID, w.token); !errs.Is(err, errs.HeldSetChanged) {
			w.t.Errorf("release of the earlier one: %v", err)
		}
		w.itglue.Add(itgluetest.Organization{ID: theirs[0], Name: "Company 000"}, itgluetest.Organization{ID: theirs[1], Name: "Company 001"})
		w.expect(w.sync(orgsync.Manual), orgsync.Succeeded)
		w.expectHeld("")
		if _, err := w.syncs.Release(w.t.Context(), w.accountID, second.ID, w.token); !errs.Is(err, errs.HeldSetChanged) {
			w.t.Errorf("release of what is there again: %v", err)
		}
		w.expectStatuses(second, map[string]int{"held deleted-in-itglue": 2})
	})
}
