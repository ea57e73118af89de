package page_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orgbridge/orgbridge/internal/page"
)

func TestCut(t *testing.T) {
	t.Parallel()
	position := func(s string) page.Position { return page.Position{Key: s, ID: "id-" + s} }
	next := position("b")
	for name, c := range map[string]struct {
		rows []string
		want page.Page[string]
	}{
		"NoRows":                      {nil, page.Page[string]{}},
		"ExactlyThePageHasNoNext":     {[]string{"a", "b"}, page.Page[string]{Items: []string{"a", "b"}}},
		"ExtraRowGivesNextAndIsNotIn": {[]string{"a", "b", "c"}, page.Page[string]{Items: []string{"a", "b"}, Next: &next}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, page.Cut(c.rows, 2, position)); diff != "" {
				t.Errorf("page (-want, +got):\n%s", diff)
			}
		})
	}
}
