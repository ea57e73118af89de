package mapping

// Matched is the answer of [Match] for an organization that may be mapped.
const Matched UnmatchedCode = ""

// Match decides on one unmapped organization's name: ours and theirs are how many organizations and IT Glue organizations have it,
// taken tells that the only one of theirs is mapped. A name that occurs more than once on either side matches nothing, because nobody
// can tell which is meant. Names are equal as the names package says; the caller has counted by it.
//
// It returns [Matched], or the reason why there is no counterpart.
func Match(ours, theirs int, taken bool) UnmatchedCode {
	switch {
	case theirs == 0:
		return NoEqualName
	case ours > 1 || theirs > 1:
		return Ambiguous
	case taken:
		return EqualNameTaken
	default:
		return Matched
	}
}
