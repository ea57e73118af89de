package orgsync

import (
	"context"
	"errors"

	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// confirm reads by id what the listing did not have. It stops reading as soon as more is gone than one sync may remove: then
// everything missing is held anyway.
func (r *run) confirm(ctx context.Context, client *itglue.Client, in Input) (map[string]Absence, error) {
	missing := in.Missing()
	if len(in.Directory) == 0 {
		missing = nil
	}
	limit, gone := RemovalLimit(activeCount(in.Organizations)+in.Removed, in.RemovalLimitPercent), in.Removed
	absences := make(map[string]Absence, min(len(missing), maxReads))
	for i, id := range missing {
		if gone > limit || i == maxReads {
			break
		}
		if err := r.progress(ctx, Confirming, i, len(missing)); err != nil {
			return nil, err
		}
		absence, err := readAbsence(ctx, client, id)
		if err != nil && absence != Unclear {
			return nil, err
		}
		if absence == Gone {
			gone++
		}
		absences[id] = absence
	}
	if len(absences) == 0 {
		return absences, nil
	}
	return absences, r.progress(ctx, Confirming, len(absences), len(missing))
}

// readAbsence is the second witness of a removal. A refused key or a spent rate limit ends the whole run; any other failure says
// nothing about this one organization, which is [Unclear].
func readAbsence(ctx context.Context, client *itglue.Client, id string) (Absence, error) {
	_, err := client.Organization(ctx, id)
	switch kind := itglue.KindOf(err); {
	case err == nil:
		return Readable, nil
	case isGone(err):
		return Gone, nil
	case kind == itglue.KindRejectedKey, kind == itglue.KindRateLimited, kind == "", ctx.Err() != nil:
		return Unread, err
	default:
		return Unclear, err
	}
}

// isGone tells whether IT Glue itself answered 404. An id that the client would not even ask for is no witness.
func isGone(err error) bool {
	failed, ok := errors.AsType[*itglue.Error](err)
	return ok && failed.Kind == itglue.KindNotFound && failed.Status == http404
}
