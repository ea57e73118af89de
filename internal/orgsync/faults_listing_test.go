package orgsync_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/faulttest"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// TestF25ChangesDuringTheListingCostNoMapping has organizations deleted, added and renamed between the pages, at random. Whatever the sync
// makes of it, no mapping is removed whose IT Glue organization is there, and no organization gets a name that its own never had.
func TestF25ChangesDuringTheListingCostNoMapping(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		const size = 300
		names := make([]string, size)
		for i := range names {
			names[i] = fmt.Sprintf("Company %03d", i)
		}
		theirs := w.theirs(names...)
		w.ours(names[:60]...)
		w.redial(quickly(time.Minute))
		w.connect()
		w.itglue.Inject(itgluetest.TookTooLong(126)) // so that there are several pages
		had := map[string]map[string]bool{}
		for i, id := range theirs {
			had[id] = map[string]bool{names[i]: true}
		}
		random := rand.New(rand.NewPCG(7, 7))
		rounds, ends := faulttest.Rounds(25, 1000), map[string]int{}
		for round := range rounds {
			mutate := func() {
				id := theirs[random.IntN(len(theirs))]
				switch random.IntN(4) {
				case 0:
					if random.IntN(3) == 0 {
						w.itglue.Delete(id)
					}
				case 1:
					name := fmt.Sprintf("Renamed %d", random.IntN(1_000_000))
					had[id][name] = true
					w.itglue.Rename(id, name)
				case 2:
					added := w.theirs(fmt.Sprintf("New %d", random.IntN(1_000_000)))
					theirs = append(theirs, added...)
					had[added[0]] = map[string]bool{}
				}
			}
			remove := w.itglue.Inject(itgluetest.Fault{
				Kind: itgluetest.FaultCall, Path: "/organizations", After: 4, Probability: 0.7, Times: 1 + random.IntN(8), Do: mutate, // between the pages
			})
			before, _, err := w.store.OrganizationStates(w.t.Context(), w.accountID)
			w.ok(err)
			s := w.toTheEnd(w.start(orgsync.Manual))
			remove()
			ends[string(s.Status)]++
			after, _, err := w.store.OrganizationStates(w.t.Context(), w.accountID)
			w.ok(err)
			for i := range after {
				was, is := before[i], after[i]
				_, exists := w.itglue.Organization(was.ITGlueID)
				if was.ITGlueID != is.ITGlueID && exists {
					w.t.Fatalf("round %d: %s lost its mapping to %s, which is there", round, was.Name, was.ITGlueID)
				}
				if was.Name != is.Name && !had[is.ITGlueID][is.Name] {
					w.t.Fatalf("round %d: %q became %q, which %s never was called", round, was.Name, is.Name, is.ITGlueID)
				}
			}
		}
		faulttest.Figuref(w.t, "listings with changes between the pages / wrong removals / wrong renames", "%d / 0 / 0 (%v)", rounds, ends)
	})
}

// TestF26OddIDsAndNamesAreDecidedAlike has ids that come twice, as numbers or as nonsense, and names that two organizations have.
func TestF26OddIDsAndNamesAreDecidedAlike(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		s := w.scene(1)
		for name, fault := range map[string]itgluetest.Fault{
			"same id, other name": {Kind: itgluetest.FaultDuplicateRow, Name: "Twin"},
			"same id, same name":  {Kind: itgluetest.FaultDuplicateRow},
			"negative":            {Kind: itgluetest.FaultOddID, Body: "-1"},
			"fraction":            {Kind: itgluetest.FaultOddID, Body: "1.5"},
			"exponent":            {Kind: itgluetest.FaultOddID, Body: "1e3"},
			"null":                {Kind: itgluetest.FaultOddID, Body: "null"},
			"object":              {Kind: itgluetest.FaultOddID, Body: "{}"},
			"empty":               {Kind: itgluetest.FaultOddID, Body: `""`},
			"path":                {Kind: itgluetest.FaultOddID, Body: `"../1"`},
			"21 digits":           {Kind: itgluetest.FaultOddID, Body: `"123456789012345678901"`},
		} {
			fault.Path = "/organizations"
			remove := s.itglue.Inject(fault)
			s.fails(name, errs.ITGlueBadAnswer, errs.ITGlueListingIncomplete)
			remove()
		}
		// 2^63 and more are ids like others, and so are numbers.
		big := s.itglue.Add(itgluetest.Organization{ID: "9223372036854775808", Name: "Two of a name"}, itgluetest.Organization{ID: "18446744073709551615", Name: "Two of a name"})
		ours := s.world.ours("Two of a name")[0]
		remove := s.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultIDsAsNumbers})
		s.redial(quickly(time.Minute))
		_, err := s.integrations.Change(s.t.Context(), s.accountID, integration.Change{AutoMap: new(integration.EverySync)}, s.token)
		s.ok(err)
		for range 2 { // the same every time
			run := s.sync(orgsync.Manual)
			r := s.row(ours)
			if run.Status != orgsync.Succeeded || r.State != mapping.Unmapped || r.Unmatched != mapping.Ambiguous || len(r.Candidates) != 2 {
				s.t.Errorf("%+v, %+v", run, r)
			}
		}
		remove()
		s.itglue.Delete(big[0])
		s.expect(s.sync(orgsync.Manual), orgsync.Succeeded, "Two of a name map applied equal-name")
		s.expectRow(ours, "Two of a name", big[1], mapping.Active)
	})
}

// strangers makes another IT Glue account of the same size stand where the account's own was.
func (s *scene) strangers(sameIDs int) {
	organizations := make([]itgluetest.Organization, 0, sceneSize)
	for i := range sceneSize {
		o := itgluetest.Organization{Name: fmt.Sprintf("Stranger %d", i)}
		if i < sameIDs {
			o.ID = s.theirs[i]
		}
		organizations = append(organizations, o)
	}
	s.itglue.Reset(organizations...)
}

// TestF28AnotherAccountBehindTheKeyChangesNothing has the key show another IT Glue account from one night to the next, with some, all or none
// of the ids.
func TestF28AnotherAccountBehindTheKeyChangesNothing(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		s := w.scene(1)
		s.redial(quickly(time.Minute))
		for _, same := range []int{1, 3, 10, sceneSize} {
			s.strangers(same)
			s.fails(fmt.Sprintf("%d ids are the same", same), errs.DifferentITGlueAccount)
		}
		in, err := s.store.Integration(s.t.Context(), s.accountID)
		s.ok(err)
		if in.Attention == nil || in.Attention.Code != integration.DifferentAccount || in.Attention.Detail == "" {
			s.t.Errorf("nobody is told: %+v", in.Attention)
		}
		s.strangers(0) // nothing to be mistaken about
		held := s.sync(orgsync.Manual)
		if held.Status != orgsync.Held || held.Counts.Held != sceneSize || held.Counts.Renamed+held.Counts.Unmapped != 0 {
			s.t.Errorf("%+v", held)
		}
		s.unchanged("no id is the same")
		in, err = s.store.Integration(s.t.Context(), s.accountID)
		s.ok(err)
		if in.Attention != nil && in.Attention.Code == integration.DifferentAccount {
			s.t.Error("the account is still called another one")
		}
	})
}

// TestF28PersonVouchesForNamesThatAllChanged has a person send the key again, with force, after all names were changed for good.
func TestF28PersonVouchesForNamesThatAllChanged(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		s := w.scene(1)
		s.strangers(sceneSize)
		s.redial(quickly(time.Minute))
		s.fails("before", errs.DifferentITGlueAccount)
		_, err := s.integrations.Change(s.t.Context(), s.accountID, integration.Change{APIKey: new(apiKey), Force: true}, s.token)
		s.ok(err)
		active, err := s.store.ActiveSync(s.t.Context(), s.accountID)
		s.ok(err)
		if active == nil {
			s.t.Fatal("the directory is not listed anew")
		}
		if run := s.run(*active); run.Status != orgsync.Succeeded || run.Counts.Renamed != sceneSize {
			s.t.Errorf("%+v (%+v)", run, run.Failure)
		}
		s.expectRow(s.world.row(s.ours[5]).OrganizationID, "Stranger 5", s.theirs[5], mapping.Active)
	})
}

// TestF29NarrowedKeyIsHeldAndNotCalledADeletion has the key see fewer organizations than it did.
func TestF29NarrowedKeyIsHeldAndNotCalledADeletion(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		s := w.scene(1)
		s.itglue.Hide(apiKey, s.theirs[5:17]...)
		run := s.sync(orgsync.Manual)
		if run.Status != orgsync.Held || run.Counts.Held != 13 || run.Counts.Unmapped != 0 || run.Counts.Renamed != 1 {
			s.t.Fatalf("%+v", run)
		}
		for i := 1; i < sceneSize; i++ {
			s.expectRow(s.ours[i], fmt.Sprintf("Company %02d", i), s.theirs[i], mapping.Active)
		}
		s.itglue.Hide(apiKey) // it sees them again: nothing is left to decide but what is really gone
		s.expect(s.sync(orgsync.Manual), orgsync.Succeeded, "Company 19 unmap applied deleted-in-itglue")
	})
}

// TestF31RealMassDeletionWaitsForAPerson has 40 of 50 really deleted: they are held, released once, and not when they changed since.
func TestF31RealMassDeletionWaitsForAPerson(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		names := make([]string, 50)
		for i := range names {
			names[i] = fmt.Sprintf("Company %02d", i)
		}
		theirs := w.theirs(names...)
		ours := w.ours(names...)
		w.connect()
		for _, id := range theirs[:40] {
			w.itglue.Delete(id)
		}
		held := w.sync(orgsync.Manual)
		listed := w.changes(held)
		if held.Status != orgsync.Held || held.Counts.Held != 40 || len(listed) != 40 {
			w.t.Fatalf("%+v", held)
		}
		_, err := w.mappings.Unmap(w.t.Context(), w.accountID, ours[0], w.token)
		w.ok(err)
		if _, err = w.syncs.Release(w.t.Context(), w.accountID, held.ID, w.token); !errs.Is(err, errs.HeldSetChanged) {
			w.t.Errorf("release of what changed since: %v", err)
		}
		if n := storetest.Value[int](w.t, w.store, "SELECT count(*) FROM mappings WHERE itglue_id IS NOT NULL"); n != 49 {
			w.t.Errorf("%d mappings, want 49", n)
		}
		held = w.sync(orgsync.Manual)
		released, err := w.syncs.Release(w.t.Context(), w.accountID, held.ID, w.token)
		w.ok(err)
		if done := w.run(released); done.Status != orgsync.Succeeded || done.Counts.Unmapped != 39 || done.Counts.Held != 0 {
			w.t.Errorf("%+v", done)
		}
		if _, err = w.syncs.Release(w.t.Context(), w.accountID, held.ID, w.token); !errs.Is(err, errs.NotHeld) {
			w.t.Errorf("second release: %v", err)
		}
		for i := 40; i < 50; i++ {
			w.expectRow(ours[i], names[i], theirs[i], mapping.Active)
		}
	})
}

// TestF53NamesAreTakenAsTheyAreOrLeftWithAReason has names of all kinds come from IT Glue. What is no name of an organization leaves that one
// as it is, and the sync goes on.
func TestF53NamesAreTakenAsTheyAreOrLeftWithAReason(t *testing.T) {
	t.Parallel()
	taken := map[string]string{
		"255 code points":    strings.Repeat("n", 255),
		"4-byte characters":  strings.Repeat("\U0001F3E2", 255),
		"right to left":      "\u05e9\u05dc\u05d5\u05dd \u0639\u0644\u064a\u0643\u0645",
		"combining x 100":    "e" + strings.Repeat("\u0301", 100),
		"line break":         "Com\npany",
		"markup":             `<script>alert("1")</script> & 'x' \ %s $1 -- ;`,
		"spaces around":      "  Company  ",
		"not composed":       "Cafe\u0301 mit Du\u0308ften",
		"zero width joiner":  "\U0001F468\u200d\U0001F469\u200d\U0001F467",
		"looks like a table": "=cmd|' /C calc'!A0",
	}
	left := map[string]struct {
		name   string
		reason orgsync.Reason
	}{
		"256 code points": {strings.Repeat("n", 256), orgsync.ReasonNameTooLong},
		"10,000 bytes":    {strings.Repeat("n", 10_000), orgsync.ReasonNameTooLong},
		"empty":           {"", orgsync.ReasonNameBlank},
		"blank":           {" \t\u00a0", orgsync.ReasonNameBlank},
		"NUL":             {"Com\x00pany", orgsync.ReasonNameNotLegal},
		"broken UTF-8":    {"Com\xffpany", orgsync.ReasonNameNotLegal},
		"lone surrogate":  {"Com\xed\xa0\x80pany", orgsync.ReasonNameNotLegal},
	}
	eachWorld(t, func(w *world) {
		names, fresh := make([]string, 0, 50), make([]string, 0, 50)
		for kind, name := range taken {
			names, fresh = append(names, kind), append(fresh, name)
		}
		for kind, c := range left {
			names, fresh = append(names, kind), append(fresh, c.name)
		}
		for i := range 30 {
			names, fresh = append(names, fmt.Sprintf("Company %d", i)), append(fresh, fmt.Sprintf("Company %d", i))
		}
		theirs, ours := w.theirs(names...), w.ours(names...)
		w.connect()
		for i, id := range theirs {
			w.itglue.Rename(id, fresh[i])
		}
		s := w.sync(orgsync.Manual)
		if s.Status != orgsync.Succeeded || s.Counts.Renamed != len(taken) || s.Counts.Skipped != len(left) || s.Counts.Unchanged != 30 {
			w.t.Fatalf("%+v (%+v), want %d renamed and %d skipped", s, s.Failure, len(taken), len(left))
		}
		reasons := map[string]string{}
		for _, line := range w.changes(s) {
			if kind, reason, skipped := strings.Cut(line, " skip refused "); skipped {
				reasons[kind] = reason
			}
		}
		for i, kind := range names {
			want := kind
			if name, ok := taken[kind]; ok {
				want = name
			}
			w.expectRow(ours[i], want, theirs[i], mapping.Active)
			if c, ok := left[kind]; ok && reasons[kind] != string(c.reason) {
				w.t.Errorf("%s is left because of %q, want %q", kind, reasons[kind], c.reason)
			}
		}
		again := w.sync(orgsync.Manual)
		if again.Counts.Renamed != 0 || again.Counts.Skipped != len(left) {
			w.t.Errorf("the second sync: %+v", again.Counts)
		}
	})
}
