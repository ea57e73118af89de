package orgsync

import (
	"context"

	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// releaseBatch is how many released removals are read by id before they are made. What is made stays made if the run is cut off.
const releaseBatch = 50

// release makes the removals that a person released, without a limit, batch by batch until none is held any more. Each is read by id
// first: the listing that missed it is old, and what was beyond the limit was never read.
func (r *run) release(ctx context.Context, client *itglue.Client) (Outcome, error) {
	o := Outcome{Status: Succeeded, Counts: r.sync.Counts}
	if err := r.progress(ctx, Confirming, 0, r.sync.Counts.Held); err != nil {
		return o, err
	}
	next := ChangeFilter{Status: ChangeHeld, Limit: releaseBatch}
	for done := 0; ; {
		held, err := r.Releases.SyncChanges(ctx, r.fence.AccountID, r.fence.SyncID, next)
		if err != nil || len(held.Items) == 0 {
			return o, err
		}
		if err := r.decide(ctx, client, held.Items, done); err != nil {
			return o, err
		}
		if err := r.Releases.SettleRemovals(ctx, r.fence, held.Items); err != nil {
			return o, err
		}
		o.Credentials = CredentialsAccepted
		done += len(held.Items)
		if next.After = held.Next; next.After == nil {
			return o, nil
		}
	}
}

// decide reads the IT Glue organizations of held removals by id and notes in place what is to become of each: planned when it is gone,
// refused otherwise. When IT Glue gives no clear answer to any of them, the fault is not theirs: then nothing is decided.
func (r *run) decide(ctx context.Context, client *itglue.Client, held []Change, done int) error {
	answered, failure := false, error(nil)
	for i := range held {
		absence, err := readAbsence(ctx, client, held[i].ITGlueID)
		switch absence {
		case Gone:
			held[i].Status, held[i].Reason = ChangePlanned, ReasonDeletedInITGlue
		case Readable:
			held[i].Status, held[i].Reason = ChangeRefused, ReasonStillReadable
		case Unclear:
			held[i].Status, held[i].Reason = ChangeRefused, ReasonNotConfirmed
			failure = err
		case Unread:
			return err
		}
		answered = answered || absence != Unclear
		if err := r.progress(ctx, Confirming, done+i+1, r.sync.Counts.Held); err != nil {
			return err
		}
	}
	if answered {
		return nil
	}
	return failure
}
