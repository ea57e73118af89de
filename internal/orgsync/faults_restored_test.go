package orgsync_test

import (
	"testing"

	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// TestF32RestoredOrganizationIsOfferedAndNotMappedByItself has IT Glue organizations deleted and restored with the same id: one under its
// name, one under another. The removals stay told, both are offered first, and neither is mapped without a person.
func TestF32RestoredOrganizationIsOfferedAndNotMappedByItself(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs := w.theirs("Acme", "Bolt", "Crane", "bolt")
		ours := w.ours("Acme", "Bolt", "Crane")
		w.connect()
		for i, id := range theirs[:2] { // one a night, as the limit has it
			w.itglue.Delete(id)
			removed := w.sync(orgsync.Manual)
			w.expect(removed, orgsync.Succeeded, []string{"Acme", "Bolt"}[i]+" unmap applied deleted-in-itglue")
			if r := w.row(ours[i]); r.Unmatched != mapping.DeletedInITGlue || (len(r.Candidates) > 0 && r.Candidates[0].ID == id) {
				w.t.Errorf("while it is gone: %+v", r)
			}
		}
		w.itglue.Add(itgluetest.Organization{ID: theirs[0], Name: "Acme"}, itgluetest.Organization{ID: theirs[1], Name: "Screw"})
		w.expect(w.sync(orgsync.Manual), orgsync.Succeeded)
		if r := w.row(ours[0]); r.State != mapping.Unmapped || r.Unmatched != mapping.NotAutoMapped || len(r.Candidates) != 1 || r.Candidates[0].ID != theirs[0] {
			w.t.Errorf("restored under its name: %+v", r)
		}
		r := w.row(ours[1])
		if r.State != mapping.Unmapped || r.Unmatched != mapping.DeletedInITGlue || len(r.Candidates) != 2 ||
			r.Candidates[0] != (mapping.Candidate{ID: theirs[1], Name: "Screw"}) || r.Candidates[1].ID != theirs[3] {
			w.t.Errorf("restored under another name: %+v", r)
		}
		_, err := w.mappings.Map(w.t.Context(), w.accountID, ours[1], r.Candidates[0].ID, w.token)
		w.ok(err)
		w.expect(w.sync(orgsync.Manual), orgsync.Succeeded, "Bolt rename applied renamed-in-itglue")
		w.expectRow(ours[1], "Screw", theirs[1], mapping.Active)
		if n := storetest.Value[int](w.t, w.store, "SELECT count(*) FROM sync_changes WHERE action = 'unmap' AND status = 'applied'"); n != 2 {
			w.t.Errorf("%d removals are told, want 2", n)
		}
	})
}

// TestF32AutoMapOfEverySyncTakesTheNameOnly has a restored organization mapped by itself only where equal names are, and the account asked
// for that.
func TestF32AutoMapOfEverySyncTakesTheNameOnly(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs := w.theirs("Acme", "Bolt", "Crane")
		ours := w.ours("Acme", "Bolt", "Crane")
		w.connect()
		_, err := w.integrations.Change(w.t.Context(), w.accountID, integration.Change{AutoMap: new(integration.EverySync)}, w.token)
		w.ok(err)
		for _, id := range theirs[:2] {
			w.itglue.Delete(id)
			w.sync(orgsync.Manual)
		}
		w.itglue.Add(itgluetest.Organization{ID: theirs[0], Name: "Acme"}, itgluetest.Organization{ID: theirs[1], Name: "Screw"})
		w.expect(w.sync(orgsync.Manual), orgsync.Succeeded, "Acme map applied equal-name")
		w.expectRow(ours[0], "Acme", theirs[0], mapping.Active)
		w.expectRow(ours[1], "Bolt", "", mapping.Unmapped)
	})
}
