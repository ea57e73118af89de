package orgsync

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

func pageOf(total int, last bool, ids ...string) itglue.Page {
	p := itglue.Page{TotalCount: total, Last: last}
	for _, id := range ids {
		p.Organizations = append(p.Organizations, itglue.Organization{ID: id, Name: "name of " + id})
	}
	return p
}

func TestListingIsCompleteOnlyIfEverythingFits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pages    []itglue.Page
		complete bool
	}{
		"AllPages":             {[]itglue.Page{pageOf(3, false, "1", "2"), pageOf(3, true, "3")}, true},
		"EmptyDirectory":       {[]itglue.Page{pageOf(0, true)}, true},
		"NoPage":               {nil, false},
		"LastPageMissing":      {[]itglue.Page{pageOf(2, false, "1", "2")}, false},
		"OneMissing":           {[]itglue.Page{pageOf(3, false, "1"), pageOf(3, true, "3")}, false},
		"OneTooMany":           {[]itglue.Page{pageOf(2, false, "1", "2"), pageOf(2, true, "3")}, false},
		"SameIDTwice":          {[]itglue.Page{pageOf(3, false, "1", "2"), pageOf(3, true, "2")}, false},
		"SameIDTwiceOnOnePage": {[]itglue.Page{pageOf(2, true, "1", "1")}, false},
		"TotalChanged":         {[]itglue.Page{pageOf(2, false, "1", "2"), pageOf(3, true, "3")}, false},
		"TotalChangedAndBackAgain": {[]itglue.Page{
			pageOf(3, false, "1"), pageOf(4, false, "2"), pageOf(3, true, "3"),
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var l listing
			for _, p := range c.pages {
				l.add(p)
			}
			if fault := l.fault(); (fault == "") != c.complete {
				t.Errorf("fault %q, want complete %v", fault, c.complete)
			}
		})
	}
}

func TestDirectoryDiffHasOnlyDifferences(t *testing.T) {
	t.Parallel()
	stored := []integration.DirectoryEntry{{ID: "1", Name: "same"}, {ID: "2", Name: "old"}, {ID: "3", Name: "gone"}, {ID: "4", Name: "x", StatusName: "Active"}}
	listed := []integration.DirectoryEntry{{ID: "1", Name: "same"}, {ID: "2", Name: "new"}, {ID: "4", Name: "x"}, {ID: "5", Name: "added"}}
	changed, gone := directoryDiff(stored, listed)
	if diff := cmp.Diff([]integration.DirectoryEntry{{ID: "2", Name: "new"}, {ID: "4", Name: "x"}, {ID: "5", Name: "added"}}, changed); diff != "" {
		t.Errorf("changed (-want, +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"3"}, gone); diff != "" {
		t.Errorf("gone (-want, +got):\n%s", diff)
	}
	if changed, gone := directoryDiff(listed, listed); len(changed)+len(gone) > 0 {
		t.Errorf("the same listing differs: %v %v", changed, gone)
	}
	if diff := cmp.Diff([]string{"1", "2", "3", "4"}, second(directoryDiff(stored, nil)), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("gone of an empty listing (-want, +got):\n%s", diff)
	}
}

func second[A, B any](_ A, b B) B { return b }
