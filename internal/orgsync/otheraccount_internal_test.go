package orgsync

import (
	"strconv"
	"testing"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
)

func TestOtherAccountIsSeenByNamesOfMappedOrganizations(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		same, renamed, missing, unmapped int
		noDirectory, other               bool
	}{
		"NothingMapped":             {unmapped: 100},
		"NothingChanged":            {same: 100},
		"AllRenamed":                {renamed: 100, other: true},
		"TenOfTen":                  {renamed: 10, other: true},
		"NineOfNine":                {renamed: 9},
		"HalfOfThem":                {same: 50, renamed: 50},
		"MoreThanHalf":              {same: 50, renamed: 51, other: true},
		"AllMissing":                {missing: 100},
		"MostMissingOthersInStep":   {same: 10, missing: 40},
		"MostMissingFewRenamed":     {same: 8, renamed: 2, missing: 40},
		"MostMissingOthersStrange":  {renamed: 3, missing: 197, other: true},
		"OneThatIsLeftIsStrange":    {renamed: 1, missing: 9, other: true},
		"SmallCompanyOnABusyDay":    {renamed: 5, missing: 4},
		"NothingToCompareWith":      {renamed: 100, noDirectory: true},
		"RenamedButNobodysConcern":  {same: 5, unmapped: 500},
		"EmptyListing":              {missing: 200},
		"AsManyStrangeAsThereCould": {same: 9, renamed: 10, other: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var states []OrganizationState
			var stored, listed []integration.DirectoryEntry
			add := func(n int, state mapping.State, after string) {
				for range n {
					id := strconv.Itoa(len(stored))
					o := OrganizationState{ID: id, State: state}
					if state != mapping.Unmapped {
						o.ITGlueID = id
					}
					states, stored = append(states, o), append(stored, integration.DirectoryEntry{ID: id, Name: "Company " + id})
					if after != "" {
						listed = append(listed, integration.DirectoryEntry{ID: id, Name: after + id})
					}
				}
			}
			add(c.same, mapping.Active, "Company ")
			add(c.renamed/2, mapping.Paused, "Stranger ")
			add(c.renamed-c.renamed/2, mapping.Active, "Stranger ")
			add(c.missing, mapping.Active, "")
			add(c.unmapped, mapping.Unmapped, "Stranger ")
			if c.noDirectory {
				stored = nil
			}
			if err := checkAccount(states, stored, listed); errs.Is(err, errs.DifferentITGlueAccount) != c.other {
				t.Error(err)
			}
		})
	}
}

func TestNamesAreAkinWhenOneMayHaveBecomeTheOther(t *testing.T) {
	t.Parallel()
	common := commonWords([]integration.DirectoryEntry{
		{Name: "Brightwater Dental Ltd"}, {Name: "Oak Hill Dental Ltd"}, {Name: "Juniper Dental Ltd"}, {Name: "Müller Dental GmbH"},
	})
	for _, c := range []struct {
		was, is string
		akin    bool
	}{
		{"Brightwater Dental Ltd", "BRIGHTWATER  dental ltd", true},
		{"Brightwater Dental Ltd", "Brightwater Dental Ltd (archived)", true},
		{"Brightwater Dental Ltd", "Acme / Brightwater Dental Ltd", true},
		{"Brightwater Dental Ltd", "Brightwater Orthodontics", true},
		{"Brightwater Dental Ltd", "The Tooth Company of Brightwater", true},
		{"Brightwater Dental Ltd", "Juniper Dental Ltd", false},
		{"Brightwater Dental Ltd", "Acme", false},
		{"Müller Dental GmbH", "Muller Zahnklinik", false},
		{"Company 12", "Stranger 12", false},
		{"Company 12", "Company 12 B", true},
	} {
		if got := akin(c.was, c.is, common); got != c.akin {
			t.Errorf("%q and %q: %t", c.was, c.is, got)
		}
	}
}
