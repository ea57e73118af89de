package mapping

import (
	"github.com/orgbridge/orgbridge/internal/integration"
)

// Matched is the answer of [Match] for an organization that may be mapped.
const Matched UnmatchedCode = ""

// Match decides on one unmapped organization's name: ours is how many organizations have it, theirs are the IT Glue organizations
// that have it, taken holds the ids of those that are mapped. A name that occurs more than once on either side matches nothing,
// because nobody can tell which is meant. Names are equal as the names package says; the caller has grouped by it.
//
// It returns [Matched] with the counterpart, or the reason why there is none.
func Match(ours int, theirs []*integration.DirectoryEntry, taken map[string]bool) (UnmatchedCode, *integration.DirectoryEntry) {
	switch {
	case len(theirs) == 0:
		return NoEqualName, nil
	case ours > 1 || len(theirs) > 1:
		return Ambiguous, nil
	case taken[theirs[0].ID]:
		return EqualNameTaken, nil
	default:
		return Matched, theirs[0]
	}
}
