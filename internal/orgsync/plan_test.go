package orgsync_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/names"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

// drawName draws from few names, so that equal, nearly equal and repeated ones are common.
func drawName(t *rapid.T, label string) string {
	return rapid.SampledFrom([]string{
		"Acme", "Acme", "acme", "Acme ", "Café", norm.NFD.String("Café"), "Bolt", "Bolt", "Crane", "Crane",
		"", "nul\x00", "lone \uFFFD", strings.Repeat("é", 256),
	}).Draw(t, label)
}

func legalName(t *rapid.T, label string) string {
	return rapid.Custom(func(t *rapid.T) string { return drawName(t, label) }).Filter(func(s string) bool {
		return names.Check(s) == names.Fine
	}).Draw(t, label)
}

// drawInput draws a state that the product can be in: one-to-one mappings, legal names on our side.
func drawInput(t *rapid.T) orgsync.Input {
	in := orgsync.Input{
		AutoMap:             rapid.Bool().Draw(t, "autoMap"),
		RemovalLimitPercent: rapid.IntRange(0, 100).Draw(t, "percent"),
		Absences:            map[string]orgsync.Absence{},
	}
	for i := range rapid.IntRange(0, 8).Draw(t, "listed") {
		in.Directory = append(in.Directory, integration.DirectoryEntry{ID: strconv.Itoa(100 + i), Name: drawName(t, "entry")})
	}
	free := rapid.Permutation(slices.Collect(func(yield func(string) bool) {
		for i := range 10 {
			if !yield(strconv.Itoa(100 + i)) {
				return
			}
		}
	})).Draw(t, "ids")
	for i := range rapid.IntRange(0, 10).Draw(t, "organizations") {
		in.Organizations = append(in.Organizations, drawOrganization(t, i, &free))
	}
	for _, id := range in.Missing() {
		in.Absences[id] = rapid.SampledFrom([]orgsync.Absence{orgsync.Gone, orgsync.Gone, orgsync.Readable, orgsync.Unclear, orgsync.Unread}).Draw(t, "absence")
	}
	return in
}

func drawOrganization(t *rapid.T, i int, free *[]string) orgsync.OrganizationState {
	o := orgsync.OrganizationState{ID: fmt.Sprintf("org-%02d", i), Name: legalName(t, "name")}
	o.State = rapid.SampledFrom([]mapping.State{mapping.Unmapped, mapping.Active, mapping.Active, mapping.Paused}).Draw(t, "state")
	if o.State == mapping.Unmapped {
		o.Unmatched = rapid.SampledFrom([]mapping.UnmatchedCode{"", mapping.Ambiguous, mapping.NoEqualName, mapping.UnmappedByPerson, mapping.DeletedInITGlue}).Draw(t, "unmatched")
		return o
	}
	o.ITGlueID, *free = (*free)[0], (*free)[1:]
	o.ITGlueName = o.Name
	return o
}

// applied is the state after everything that is planned was done.
func applied(in orgsync.Input, p orgsync.Plan) orgsync.Input {
	out := in
	out.Organizations = slices.Clone(in.Organizations)
	at := map[string]*orgsync.OrganizationState{}
	for i := range out.Organizations {
		at[out.Organizations[i].ID] = &out.Organizations[i]
	}
	for _, c := range p.Changes {
		if c.Status != orgsync.ChangePlanned {
			continue
		}
		o := at[c.OrganizationID]
		switch c.Action {
		case orgsync.ActionMap:
			o.State, o.ITGlueID, o.ITGlueName, o.Unmatched = mapping.Active, c.ITGlueID, c.ITGlueName, ""
		case orgsync.ActionRename:
			o.Name, o.ITGlueName = c.After, c.After
		case orgsync.ActionUnmap:
			o.State, o.ITGlueID, o.ITGlueName, o.Unmatched = mapping.Unmapped, "", "", mapping.DeletedInITGlue
		case orgsync.ActionSkip:
		}
	}
	for _, u := range p.Unmatched {
		at[u.OrganizationID].Unmatched = u.Code
	}
	return out
}

func planned(p orgsync.Plan, action orgsync.Action) []orgsync.Change {
	return slices.DeleteFunc(slices.Clone(p.Changes), func(c orgsync.Change) bool {
		return c.Action != action || c.Status != orgsync.ChangePlanned
	})
}

func TestPlanKeepsMappingsOneToOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		holder := map[string]string{}
		for _, o := range applied(in, orgsync.MakePlan(in)).Organizations {
			if o.State == mapping.Unmapped {
				continue
			}
			if other := holder[o.ITGlueID]; other != "" {
				t.Fatalf("%s and %s are both mapped to %s", other, o.ID, o.ITGlueID)
			}
			holder[o.ITGlueID] = o.ID
		}
	})
}

func TestPlanMapsOnlyNamesThatOccurOnceOnEitherSide(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		p := orgsync.MakePlan(in)
		after := applied(in, p)
		maps := planned(p, orgsync.ActionMap)
		if !in.AutoMap && len(maps) > 0 {
			t.Fatalf("mapped although auto-map is off: %v", maps)
		}
		for _, c := range maps {
			ours := slices.DeleteFunc(slices.Clone(after.Organizations), func(o orgsync.OrganizationState) bool {
				return norm.NFC.String(o.Name) != norm.NFC.String(c.OrganizationName)
			})
			theirs := slices.DeleteFunc(slices.Clone(in.Directory), func(e integration.DirectoryEntry) bool {
				return norm.NFC.String(e.Name) != norm.NFC.String(c.OrganizationName)
			})
			if len(ours) != 1 || len(theirs) != 1 || theirs[0].ID != c.ITGlueID || ours[0].ID != c.OrganizationID {
				t.Fatalf("%+v: %d of ours and %d of theirs have the name", c, len(ours), len(theirs))
			}
			before := in.Organizations[slices.IndexFunc(in.Organizations, func(o orgsync.OrganizationState) bool { return o.ID == c.OrganizationID })]
			if before.Unmatched == mapping.UnmappedByPerson {
				t.Fatalf("%+v maps again what a person unmapped", c)
			}
		}
	})
}

func TestPlanOfItsOwnResultChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		first := orgsync.MakePlan(in)
		after := applied(in, first)
		if first.Held && len(planned(first, orgsync.ActionMap)) > 0 {
			// The limit is a part of the active mappings: with more of them, the next plan may remove what this one held.
			after = applied(after, orgsync.MakePlan(after))
		}
		last := orgsync.MakePlan(after)
		for _, c := range last.Changes {
			if c.Status == orgsync.ChangePlanned {
				t.Fatalf("the plan of its own result still wants %+v", c)
			}
		}
		if len(last.Unmatched) > 0 {
			t.Fatalf("the plan of its own result still finds reasons: %+v", last.Unmatched)
		}
	})
}

func TestPlanIsTheSameWhateverTheOrderOfItsInput(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		shuffled := in
		shuffled.Organizations = rapid.Permutation(in.Organizations).Draw(t, "shuffled organizations")
		shuffled.Directory = rapid.Permutation(in.Directory).Draw(t, "shuffled directory")
		a, b := orgsync.MakePlan(in), orgsync.MakePlan(shuffled)
		for _, p := range []orgsync.Plan{a, b} {
			slices.SortFunc(p.Changes, func(x, y orgsync.Change) int {
				return cmpStrings(x.OrganizationID+string(x.Action), y.OrganizationID+string(y.Action))
			})
			for i := range p.Changes {
				p.Changes[i].Seq = 0
			}
			slices.SortFunc(p.Unmatched, func(x, y orgsync.UnmatchedUpdate) int { return cmpStrings(x.OrganizationID, y.OrganizationID) })
		}
		if diff := cmp.Diff(a, b); diff != "" {
			t.Fatalf("plans differ (-one order, +another):\n%s", diff)
		}
	})
}

func cmpStrings(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

func TestPlanRenamesActiveMappingsToTheLegalNamesOfITGlue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		p := orgsync.MakePlan(in)
		entries := map[string]string{}
		for _, e := range in.Directory {
			entries[e.ID] = e.Name
		}
		renames := map[string]orgsync.Change{}
		for _, c := range planned(p, orgsync.ActionRename) {
			renames[c.OrganizationID] = c
		}
		for _, o := range in.Organizations {
			name, listed := entries[o.ITGlueID]
			want := o.State == mapping.Active && listed && norm.NFC.String(name) != norm.NFC.String(o.Name) && names.Check(name) == names.Fine
			c, got := renames[o.ID]
			if got != want || (got && (c.After != name || c.Before != o.Name)) {
				t.Fatalf("%+v against %q: rename %+v, want one: %v", o, name, c, want)
			}
		}
	})
}

// TestRemovalRule compares the plan with the rule written down a second time.
func TestRemovalRule(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		active := rapid.OneOf(rapid.IntRange(0, 3), rapid.IntRange(0, 800)).Draw(t, "active")
		missing := rapid.OneOf(rapid.Just(active), rapid.Just(min(active, 51)), rapid.IntRange(0, active)).Draw(t, "missing")
		extra := rapid.IntRange(0, 2).Draw(t, "unmapped entries")
		percent := rapid.OneOf(rapid.SampledFrom([]int{0, 10, 50, 100}), rapid.IntRange(0, 100)).Draw(t, "percent")
		answer := rapid.SampledFrom([]orgsync.Absence{orgsync.Gone, orgsync.Readable, orgsync.Unclear}).Draw(t, "answer")
		in := orgsync.Input{RemovalLimitPercent: percent, Absences: map[string]orgsync.Absence{}}
		for i := range active {
			id := strconv.Itoa(1000 + i)
			in.Organizations = append(in.Organizations, orgsync.OrganizationState{ID: "org-" + id, Name: id, State: mapping.Active, ITGlueID: id})
			if i < missing {
				in.Absences[id] = answer
			} else {
				in.Directory = append(in.Directory, integration.DirectoryEntry{ID: id, Name: id})
			}
		}
		for i := range extra {
			in.Directory = append(in.Directory, integration.DirectoryEntry{ID: strconv.Itoa(i), Name: "other"})
		}
		if len(in.Directory) == 0 {
			clear(in.Absences) // nothing is read when the listing is empty
		}
		in.Removed = rapid.IntRange(0, 3).Draw(t, "removed before")
		wantRemoved, wantHeld := removalOracle(active, missing, in.Removed, percent, len(in.Directory) == 0, answer == orgsync.Gone)
		p := orgsync.MakePlan(in)
		if got := len(planned(p, orgsync.ActionUnmap)); got != wantRemoved || p.Held != (wantHeld > 0) || p.Counts.Held != wantHeld {
			t.Fatalf("removed %d (want %d), held %d (want %d)", got, wantRemoved, p.Counts.Held, wantHeld)
		}
	})
}

func removalOracle(active, missing, before, percent int, emptyListing, answers404 bool) (removed, held int) {
	if missing == 0 {
		return 0, 0
	}
	if emptyListing {
		return 0, missing
	}
	if !answers404 {
		return 0, 0
	}
	limit := float64(active+before) * float64(percent) / 100
	if limit < 1 {
		limit = 1
	}
	if limit > 50 {
		limit = 50
	}
	if float64(missing+before) > float64(int(limit)) || (missing == active && active+before >= 2) {
		return 0, missing
	}
	return missing, 0
}

func TestPlanCountsAreThoseOfItsChanges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t)
		p := orgsync.MakePlan(in)
		want := orgsync.Counts{Listed: len(in.Directory), Unchanged: inStep(in)}
		for i, c := range p.Changes {
			if c.Seq != i+1 {
				t.Fatalf("change %d has seq %d", i, c.Seq)
			}
			switch {
			case c.Status == orgsync.ChangeRefused:
				want.Skipped++
			case c.Status == orgsync.ChangeHeld:
				want.Held++
			case c.Action == orgsync.ActionMap:
				want.Mapped++
			case c.Action == orgsync.ActionRename:
				want.Renamed++
			case c.Action == orgsync.ActionUnmap:
				want.Unmapped++
			}
		}
		if p.Counts != want {
			t.Fatalf("counts %+v, want %+v", p.Counts, want)
		}
	})
}

// inStep counts the active mappings whose names need nothing.
func inStep(in orgsync.Input) int {
	n := 0
	for _, o := range in.Organizations {
		for _, e := range in.Directory {
			if o.State == mapping.Active && e.ID == o.ITGlueID && norm.NFC.String(e.Name) == norm.NFC.String(o.Name) {
				n++
			}
		}
	}
	return n
}

func TestAutoMapRuns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		setting integration.AutoMap
		synced  bool
		want    bool
	}{
		{integration.OnConnect, false, true},
		{integration.OnConnect, true, false},
		{integration.EverySync, false, true},
		{integration.EverySync, true, true},
		{integration.Off, false, false},
		{integration.Off, true, false},
	} {
		if got := orgsync.AutoMapRuns(c.setting, c.synced); got != c.want {
			t.Errorf("%s, synced before %v: %v, want %v", c.setting, c.synced, got, c.want)
		}
	}
}
