package orgsync_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

func unmapped(id, name string) orgsync.OrganizationState {
	return orgsync.OrganizationState{ID: id, Name: name, State: mapping.Unmapped}
}

func mapped(state mapping.State, id, name, itglueID string) orgsync.OrganizationState {
	return orgsync.OrganizationState{ID: id, Name: name, State: state, ITGlueID: itglueID, ITGlueName: name}
}

func entry(id, name string) integration.DirectoryEntry {
	return integration.DirectoryEntry{ID: id, Name: name}
}

// TestMakePlan names one outcome a row. want lists "organization action status reason", unmatched the reasons found.
func TestMakePlan(t *testing.T) {
	t.Parallel()
	byPerson := unmapped("a", "Acme")
	byPerson.Unmatched = mapping.UnmappedByPerson
	for name, c := range map[string]struct {
		in        orgsync.Input
		want      []string
		unmatched map[string]mapping.UnmatchedCode
		held      bool
	}{
		"EqualNameIsMapped": {
			in: orgsync.Input{
				AutoMap: true, Organizations: []orgsync.OrganizationState{unmapped("a", "Acme")}, Directory: []integration.DirectoryEntry{entry("1", "Acme")},
			},
			want: []string{"a map planned equal-name"},
		},
		"ComposedAndDecomposedNamesAreEqual": {
			in: orgsync.Input{
				AutoMap: true, Organizations: []orgsync.OrganizationState{unmapped("a", "Caf\u00e9")}, Directory: []integration.DirectoryEntry{entry("1", "Cafe\u0301")},
			},
			want: []string{"a map planned equal-name"},
		},
		"CaseAndSpacesAndLookalikesCount": {
			in: orgsync.Input{
				AutoMap:       true,
				Organizations: []orgsync.OrganizationState{unmapped("a", "Acme"), unmapped("b", "Bolt"), unmapped("c", "Crane"), unmapped("d", "Delta")},
				Directory:     []integration.DirectoryEntry{entry("1", "ACME"), entry("2", " Bolt"), entry("3", "Cr\u0430ne"), entry("4", "Delta\u200b")},
			},
			unmatched: map[string]mapping.UnmatchedCode{
				"a": mapping.NoEqualName, "b": mapping.NoEqualName, "c": mapping.NoEqualName, "d": mapping.NoEqualName,
			},
		},
		"NameTwiceInITGlueIsAmbiguous": {
			in: orgsync.Input{
				AutoMap: true, Organizations: []orgsync.OrganizationState{unmapped("a", "Acme")},
				Directory: []integration.DirectoryEntry{entry("1", "Acme"), entry("2", "Acme")},
			},
			want:      []string{"a skip refused ambiguous"},
			unmatched: map[string]mapping.UnmatchedCode{"a": mapping.Ambiguous},
		},
		"NameTwiceHereIsAmbiguousEvenIfOneIsMapped": {
			in: orgsync.Input{
				AutoMap: true, Organizations: []orgsync.OrganizationState{unmapped("a", "Acme"), mapped(mapping.Active, "b", "Acme", "2")},
				Directory: []integration.DirectoryEntry{entry("1", "Acme"), entry("2", "Acme")},
			},
			want:      []string{"a skip refused ambiguous"},
			unmatched: map[string]mapping.UnmatchedCode{"a": mapping.Ambiguous},
		},
		"CounterpartOfAnotherOrganizationIsTaken": {
			in: orgsync.Input{
				AutoMap: true, Organizations: []orgsync.OrganizationState{unmapped("a", "Acme"), mapped(mapping.Paused, "b", "Bolt", "1")},
				Directory: []integration.DirectoryEntry{entry("1", "Acme")},
			},
			want:      []string{"b skip refused paused"},
			unmatched: map[string]mapping.UnmatchedCode{"a": mapping.EqualNameTaken},
		},
		"WithoutAutoMapTheCounterpartIsOnlyNoted": {
			in: orgsync.Input{
				Organizations: []orgsync.OrganizationState{unmapped("a", "Acme")}, Directory: []integration.DirectoryEntry{entry("1", "Acme")},
			},
			unmatched: map[string]mapping.UnmatchedCode{"a": mapping.NotAutoMapped},
		},
		"WhatAPersonUnmappedStaysUnmapped": {
			in: orgsync.Input{
				AutoMap: true, Organizations: []orgsync.OrganizationState{byPerson}, Directory: []integration.DirectoryEntry{entry("1", "Acme")},
			},
		},
		"ActiveIsRenamedPausedIsNot": {
			in: orgsync.Input{
				Organizations: []orgsync.OrganizationState{mapped(mapping.Active, "a", "Acme", "1"), mapped(mapping.Paused, "b", "Bolt", "2")},
				Directory:     []integration.DirectoryEntry{entry("1", "Acme Inc."), entry("2", "Bolt Inc.")},
			},
			want: []string{"a rename planned renamed-in-itglue", "b skip refused paused"},
		},
		"NameThatCannotBeKeptIsSkipped": {
			in: orgsync.Input{
				Organizations: []orgsync.OrganizationState{mapped(mapping.Active, "a", "Acme", "1"), mapped(mapping.Active, "b", "Bolt", "2")},
				Directory:     []integration.DirectoryEntry{entry("1", "Ac\x00me"), entry("2", " ")},
			},
			want: []string{"a skip refused name-not-legal", "b skip refused name-blank"},
		},
		"OneGoneIsUnmapped": {
			in: orgsync.Input{
				RemovalLimitPercent: 10, Absences: map[string]orgsync.Absence{"1": orgsync.Gone},
				Organizations: []orgsync.OrganizationState{mapped(mapping.Active, "a", "Acme", "1"), mapped(mapping.Active, "b", "Bolt", "2")},
				Directory:     []integration.DirectoryEntry{entry("2", "Bolt")},
			},
			want:      []string{"a unmap planned deleted-in-itglue"},
			unmatched: map[string]mapping.UnmatchedCode{"a": mapping.DeletedInITGlue},
		},
		"TheOnlyMappingGoneIsUnmapped": {
			in: orgsync.Input{
				RemovalLimitPercent: 10, Absences: map[string]orgsync.Absence{"1": orgsync.Gone},
				Organizations: []orgsync.OrganizationState{mapped(mapping.Active, "a", "Acme", "1")}, Directory: []integration.DirectoryEntry{entry("2", "Bolt")},
			},
			want:      []string{"a unmap planned deleted-in-itglue"},
			unmatched: map[string]mapping.UnmatchedCode{"a": mapping.DeletedInITGlue},
		},
		"GoneAndListedAgainUnderAnotherIDIsMappedAnew": {
			in: orgsync.Input{
				AutoMap: true, RemovalLimitPercent: 10, Absences: map[string]orgsync.Absence{"1": orgsync.Gone},
				Organizations: []orgsync.OrganizationState{mapped(mapping.Active, "a", "Acme", "1")}, Directory: []integration.DirectoryEntry{entry("2", "Acme")},
			},
			want: []string{"a unmap planned deleted-in-itglue", "a map planned equal-name"},
		},
		"AllOfTwoGoneIsHeldWhateverTheLimit": {
			in: orgsync.Input{
				RemovalLimitPercent: 100, Absences: map[string]orgsync.Absence{"1": orgsync.Gone, "2": orgsync.Gone},
				Organizations: []orgsync.OrganizationState{mapped(mapping.Active, "a", "Acme", "1"), mapped(mapping.Active, "b", "Bolt", "2")},
				Directory:     []integration.DirectoryEntry{entry("3", "Crane")},
			},
			want: []string{"a unmap held deleted-in-itglue", "b unmap held deleted-in-itglue"}, held: true,
		},
		"EmptyListingHoldsASingleMapping": {
			in: orgsync.Input{
				RemovalLimitPercent: 100, Absences: map[string]orgsync.Absence{"1": orgsync.Gone},
				Organizations: []orgsync.OrganizationState{mapped(mapping.Active, "a", "Acme", "1")},
			},
			want: []string{"a unmap held deleted-in-itglue"}, held: true,
		},
		"AbsentButNotReadIsHeld": {
			in: orgsync.Input{
				RemovalLimitPercent: 100,
				Organizations:       []orgsync.OrganizationState{mapped(mapping.Active, "a", "Acme", "1"), mapped(mapping.Active, "b", "Bolt", "2")},
				Directory:           []integration.DirectoryEntry{entry("2", "Bolt")},
			},
			want: []string{"a unmap held absent-from-listing"}, held: true,
		},
		"AbsentButReadableOrUnclearIsKept": {
			in: orgsync.Input{
				RemovalLimitPercent: 100, Absences: map[string]orgsync.Absence{"1": orgsync.Readable, "2": orgsync.Unclear},
				Organizations: []orgsync.OrganizationState{mapped(mapping.Active, "a", "Acme", "1"), mapped(mapping.Active, "b", "Bolt", "2")},
				Directory:     []integration.DirectoryEntry{entry("3", "Crane")},
			},
			want: []string{"a unmap refused absent-but-readable", "b unmap refused absence-not-confirmed"},
		},
		"HeldRemovalsDoNotStopRenames": {
			in: orgsync.Input{
				RemovalLimitPercent: 10, Absences: map[string]orgsync.Absence{"1": orgsync.Gone, "2": orgsync.Gone},
				Organizations: []orgsync.OrganizationState{
					mapped(mapping.Active, "a", "Acme", "1"), mapped(mapping.Active, "b", "Bolt", "2"), mapped(mapping.Active, "c", "Crane", "3"),
				},
				Directory: []integration.DirectoryEntry{entry("3", "Crane Inc.")},
			},
			want: []string{"a unmap held deleted-in-itglue", "b unmap held deleted-in-itglue", "c rename planned renamed-in-itglue"}, held: true,
		},
		"PausedAndGoneIsLeftAlone": {
			in: orgsync.Input{
				RemovalLimitPercent: 100, Absences: map[string]orgsync.Absence{"1": orgsync.Gone},
				Organizations: []orgsync.OrganizationState{mapped(mapping.Paused, "a", "Acme", "1")}, Directory: []integration.DirectoryEntry{entry("2", "Bolt")},
			},
			want: []string{"a skip refused paused"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := orgsync.MakePlan(c.in)
			got := make([]string, 0, len(p.Changes))
			for _, change := range p.Changes {
				got = append(got, change.OrganizationID+" "+string(change.Action)+" "+string(change.Status)+" "+string(change.Reason))
			}
			var unmatched map[string]mapping.UnmatchedCode
			for _, u := range p.Unmatched {
				if unmatched == nil {
					unmatched = map[string]mapping.UnmatchedCode{}
				}
				unmatched[u.OrganizationID] = u.Code
			}
			if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("changes (-want, +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.unmatched, unmatched); diff != "" {
				t.Errorf("reasons (-want, +got):\n%s", diff)
			}
			if p.Held != c.held {
				t.Errorf("held %v, want %v", p.Held, c.held)
			}
		})
	}
}

func TestRemovalLimit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ active, percent, want int }{
		{0, 10, 1},
		{1, 10, 1},
		{19, 10, 1},
		{20, 10, 2},
		{29, 10, 2},
		{100, 0, 1},
		{499, 10, 49},
		{500, 10, 50},
		{100_000, 10, 50},
		{40, 100, 40},
	} {
		if got := orgsync.RemovalLimit(c.active, c.percent); got != c.want {
			t.Errorf("%d active, %d %%: %d, want %d", c.active, c.percent, got, c.want)
		}
	}
}
