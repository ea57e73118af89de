package itgluetest

import (
	"cmp"
	"slices"
	"strings"
)

type comparison func(a, b *record) int

// sorted returns the organizations in the order that the query asks for. The
// order of equals, and the one without a sort, is by id. Unknown sort keys are
// ignored.
func (x *exchange) sorted(records []*record) []*record {
	var comparisons []comparison

	for name := range strings.SplitSeq(x.query.Get("sort"), ",") {
		name, descending := strings.CutPrefix(strings.TrimSpace(name), "-")

		compare := organizationOrder(canonical(name))
		if compare == nil {
			continue
		}

		if descending {
			ascending := compare
			compare = func(a, b *record) int { return ascending(b, a) }
		}

		comparisons = append(comparisons, compare)
	}

	if len(comparisons) == 0 || x.query.Get("sort") == "id" {
		return records
	}

	ordered := slices.Clone(records)
	slices.SortStableFunc(ordered, func(a, b *record) int {
		for _, compare := range comparisons {
			if order := compare(a, b); order != 0 {
				return order
			}
		}

		return 0
	})

	return ordered
}

func organizationOrder(name string) comparison {
	switch name {
	case "id":
		return compareID
	case "name":
		return byText(func(r *record) string { return r.Name })
	case "short_name":
		return byText(func(r *record) string { return r.ShortName })
	case "organization_type_name":
		return byText(func(r *record) string { return r.TypeName })
	case "organization_status_name":
		return byText(func(r *record) string { return r.StatusName })
	case "created_at":
		return func(a, b *record) int { return a.CreatedAt.Compare(b.CreatedAt) }
	case "updated_at":
		return func(a, b *record) int { return a.UpdatedAt.Compare(b.UpdatedAt) }
	case "my_glue_account_id":
		return func(a, b *record) int { return cmp.Compare(a.MyGlueAccountID, b.MyGlueAccountID) }
	default:
		return nil
	}
}

func byText(read func(*record) string) comparison {
	return func(a, b *record) int { return cmp.Compare(read(a), read(b)) }
}
