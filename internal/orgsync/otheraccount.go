package orgsync

import (
	"slices"
	"strings"
	"unicode"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/names"
)

// minStrange is how many mapped IT Glue organizations have to be strange before a listing is taken for another account's. With fewer, a
// busy day at a small company looks the same.
const minStrange = 10

// A word that more than one in commonWord of the names have, "Ltd" or "Dental", makes no two of them akin.
const commonWord = 10

// checkAccount answers [errs.DifferentITGlueAccount] when a complete listing seems to be of another IT Glue account than the stored
// directory: of the mapped IT Glue organizations that it has, most have a name that has nothing to do with the one they had. Ids alone
// prove nothing, since those of another account may be the same by chance, and then hundreds of organizations would get the names of
// strangers. Those that it does not have are no reason, but they count as strange: with most of them gone, the few others are not to be
// trusted with less. Names that only got a prefix, another legal form or another spelling are no strangers, however many do.
//
// Without a stored directory there is nothing to compare with. That is how a person who knows that the names are right has them taken.
func checkAccount(organizations []OrganizationState, stored, listed []integration.DirectoryEntry) error {
	if len(stored) == 0 {
		return nil
	}
	before, now := namesByID(stored), namesByID(listed)
	var renamed [][2]string
	known, missing := 0, 0
	for i := range organizations {
		o := &organizations[i]
		was, there := before[o.ITGlueID]
		if !there {
			was = o.ITGlueName // it was not in the last listing either
		}
		if o.State == mapping.Unmapped || was == "" {
			continue
		}
		known++
		is, present := now[o.ITGlueID]
		switch {
		case !present:
			missing++
		case !names.Equal(was, is):
			renamed = append(renamed, [2]string{was, is})
		}
	}
	tooMany := func(strange int) bool { return strange+missing >= minStrange && 2*strange > known-missing }
	if !tooMany(len(renamed)) { // nearly always: spares looking at words
		return nil
	}
	common := commonWords(stored)
	strangers := slices.DeleteFunc(renamed, func(r [2]string) bool { return akin(r[0], r[1], common) })
	if !tooMany(len(strangers)) {
		return nil
	}
	return errs.New(errs.DifferentITGlueAccount,
		"The API key seems to show another IT Glue account than before: of %d mapped IT Glue organizations, %d have quite another name and %d "+
			"are not there. Nothing was changed. If this is right, change the API key or send it again, with force.",
		known, len(strangers), missing)
}

func namesByID(entries []integration.DirectoryEntry) map[string]string {
	byID := make(map[string]string, len(entries))
	for i := range entries {
		byID[entries[i].ID] = entries[i].Name
	}
	return byID
}

// akin tells whether a name may have become the other one: they are equal but for case and spaces, one holds the other, or they share a
// word that is not common.
func akin(was, is string, common map[string]bool) bool {
	a, b := names.Folded(was), names.Folded(is)
	if strings.Contains(a, b) || strings.Contains(b, a) {
		return true
	}
	shared := words(b)
	return slices.ContainsFunc(words(a), func(word string) bool { return !common[word] && slices.Contains(shared, word) })
}

// words are the parts of a folded name that say something: of two characters or more, with a letter.
func words(folded string) []string {
	parts := strings.FieldsFunc(folded, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) })
	return slices.DeleteFunc(parts, func(word string) bool { return len(word) < 2 || !strings.ContainsFunc(word, unicode.IsLetter) })
}

func commonWords(entries []integration.DirectoryEntry) map[string]bool {
	times := map[string]int{}
	for i := range entries {
		for _, word := range words(names.Folded(entries[i].Name)) {
			times[word]++
		}
	}
	common := map[string]bool{}
	for word, n := range times {
		if n > 1 && n*commonWord > len(entries) {
			common[word] = true
		}
	}
	return common
}
