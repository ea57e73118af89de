// Package page is keyset paging: a page begins after the position of the last row of the page before, so its cost does not depend
// on its depth and rows that come or go elsewhere do not shift it.
package page

// Position is the place of a row in a list that is ordered by (Key, ID). Key is the sort value, for example a folded name.
type Position struct {
	Key string
	ID  string
}

// Page is some rows of a list. Next is the position of the last row, nil when no rows follow.
type Page[T any] struct {
	Items []T
	Next  *Position
}

// Cut makes a page of rows that were read with one row more than the limit: the extra row only tells that others follow.
func Cut[T any](rows []T, limit int, position func(T) Position) Page[T] {
	if len(rows) <= limit {
		return Page[T]{Items: rows}
	}
	next := position(rows[limit-1])
	return Page[T]{Items: rows[:limit], Next: &next}
}
