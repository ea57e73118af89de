package orgsync

import (
	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/names"
)

// minStrange is how many mapped IT Glue organizations have to be strange before a listing is taken for another account's. With fewer, a
// busy day at a small company looks the same.
const minStrange = 10

// checkAccount answers [errs.DifferentITGlueAccount] when a complete listing seems to be of another IT Glue account than the stored
// directory: of the mapped IT Glue organizations that it has, most have another name than they had. Ids alone prove nothing, since those
// of another account may be the same by chance, and then hundreds of organizations would get the names of strangers. Those that it does
// not have are no reason, but they count as strange: with most of them gone, the few others are not to be trusted with less.
//
// Without a stored directory there is nothing to compare with. That is how a person who knows that the names are right has them taken.
func checkAccount(organizations []OrganizationState, stored, listed []integration.DirectoryEntry) error {
	if len(stored) == 0 {
		return nil
	}
	before, now := namesByID(stored), namesByID(listed)
	known, renamed, missing := 0, 0, 0
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
			renamed++
		}
	}
	if renamed+missing < minStrange || 2*renamed <= known-missing {
		return nil
	}
	return errs.New(errs.DifferentITGlueAccount,
		"The API key seems to show another IT Glue account than before: of %d mapped IT Glue organizations, %d have another name and %d are not "+
			"there. Nothing was changed. If this is right, change the API key or send it again, with force.", known, renamed, missing)
}

func namesByID(entries []integration.DirectoryEntry) map[string]string {
	byID := make(map[string]string, len(entries))
	for i := range entries {
		byID[entries[i].ID] = entries[i].Name
	}
	return byID
}
