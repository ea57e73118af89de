package api

import (
	"time"

	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

type startSyncRequest struct {
	// - `manual`: lists IT Glue, plans the changes and makes them.
	// - `preview`: lists IT Glue and plans the changes, without making them.
	Kind string `json:"kind" validate:"required,oneof=manual preview" example:"manual"`
} //	@name	StartSync

type syncDTO struct {
	ID string `json:"id" validate:"required" format:"uuid" example:"0198c5d0-5a4e-7c3b-9d2e-6f1a2b3c4d5e"`
	// - `initial`: started by connecting.
	// - `daily`: started by itself, at the time of `dailySync` or to try a refused API key again.
	// - `manual`: started by `POST /syncs`.
	// - `preview`: plans the changes and makes none.
	// - `organization`: the refresh of one organization.
	Kind string `json:"kind" validate:"required" enums:"initial,daily,manual,preview,organization" example:"manual"`
	// The local date that a daily sync is for, which may begin up to 12 hours late; null for other kinds, and for one that only tries a
	// refused API key again.
	DueDate *string `json:"dueDate" validate:"required" format:"date" extensions:"x-nullable" example:"2026-01-31"`
	// - `queued`: not begun yet, or waiting for another attempt; `error` then tells why the last one failed. After a release: about to
	//   make the released removals.
	// - `running`: under way.
	// - `succeeded`: ended; all planned changes were made or refused with a reason.
	// - `held`: ended, but more mappings would have been removed than `removalLimitPercent` allows. These removals wait for a person,
	//   who releases or rejects them; all other changes were made. After a release that did not come to its end, `error` tells why.
	// - `failed`: ended without success; `error` tells why.
	// - `cancelled`: stopped before its end; what it did until then stays.
	Status   string          `json:"status" validate:"required" enums:"queued,running,succeeded,held,failed,cancelled" example:"succeeded"`
	Progress syncProgressDTO `json:"progress" validate:"required"`
	// What the sync did so far or, as a preview, would do.
	Counts syncCountsDTO `json:"counts" validate:"required"`
	// Why the sync failed or, while it is queued or held again, why the last attempt did.
	Error *syncErrorDTO `json:"error" validate:"required" extensions:"x-nullable"`
	// Number of earlier attempts.
	Attempt   int       `json:"attempt" validate:"required" minimum:"0" example:"0"`
	CreatedAt time.Time `json:"createdAt" validate:"required" format:"date-time" example:"2026-01-31T09:30:00Z"`
	// Null before the sync has begun.
	StartedAt *time.Time `json:"startedAt" validate:"required" format:"date-time" extensions:"x-nullable" example:"2026-01-31T09:30:01Z"`
	// Null before the sync has ended; set anew when held removals were released or rejected.
	FinishedAt *time.Time `json:"finishedAt" validate:"required" format:"date-time" extensions:"x-nullable" example:"2026-01-31T09:30:04Z"`
	// Who started the sync; null when orgbridge did by itself.
	RequestedBy *requesterDTO `json:"requestedBy" validate:"required" extensions:"x-nullable"`
} //	@name	Sync

type syncProgressDTO struct {
	// The phases in their order; a sync that has nothing to do in one leaves it out. After the end it is the last one. Null before the
	// sync has begun, and for the refresh of one organization.
	//
	// - `listing`: reads the list of IT Glue organizations.
	// - `confirming`: asks IT Glue for those that are mapped and were not in the list. After a release this is the only phase: what is
	//   gone is removed in it.
	// - `applying`: makes the changes or, as a preview, records them.
	Phase *string `json:"phase" validate:"required" enums:"listing,confirming,applying" extensions:"x-nullable" example:"applying"`
	// Steps of the phase that are done: organizations listed, organizations asked for, changes made. Written about once a second. It
	// begins anew with each phase and each attempt.
	Done int `json:"done" validate:"required" minimum:"0" example:"120"`
	// All steps of the phase; 0 while unknown. `confirming` ends early when there are more than may be removed.
	Total int `json:"total" validate:"required" minimum:"0" example:"120"`
} //	@name	SyncProgress

// syncCountsDTO is what a sync did or, as a preview, would do.
type syncCountsDTO struct {
	// IT Glue organizations that were read.
	Listed int `json:"listed" validate:"required" minimum:"0" example:"120"`
	// Active mappings whose organization has IT Glue's name already.
	Unchanged int `json:"unchanged" validate:"required" minimum:"0" example:"95"`
	// Organizations that got the name that IT Glue has.
	Renamed int `json:"renamed" validate:"required" minimum:"0" example:"2"`
	// Organizations that were mapped.
	Mapped int `json:"mapped" validate:"required" minimum:"0" example:"3"`
	// Organizations that were unmapped, because their IT Glue organization is gone.
	Unmapped int `json:"unmapped" validate:"required" minimum:"0" example:"1"`
	// Removals of mappings that were held and neither released nor rejected.
	Held int `json:"held" validate:"required" minimum:"0" example:"0"`
	// Changes that were not made, each with its reason.
	Skipped int `json:"skipped" validate:"required" minimum:"0" example:"0"`
} //	@name	SyncCounts

type syncErrorDTO struct {
	// - `itglue-key-rejected`: IT Glue refuses the API key.
	// - `itglue-rate-limited`: IT Glue accepts no more requests for this key at the moment.
	// - `itglue-unavailable`: IT Glue cannot be reached or has a fault of its own.
	// - `itglue-timeout`: IT Glue did not answer in time, or the sync took too long.
	// - `itglue-bad-answer`: IT Glue's answer cannot be understood.
	// - `itglue-listing-incomplete`: the list was not complete, so that nothing was changed.
	// - `different-itglue-account`: most of the mapped IT Glue organizations have quite other names than before, as if the API key showed
	//   another IT Glue account now. Nothing was changed. If the names are right, send the API key again with `force`.
	// - `unavailable`: the database could not be used at the moment.
	// - `internal`: something went wrong here; the operator finds it in the log.
	Code string `json:"code" validate:"required" enums:"itglue-key-rejected,itglue-rate-limited,itglue-unavailable,itglue-timeout,itglue-bad-answer,itglue-listing-incomplete,different-itglue-account,unavailable,internal" example:"itglue-unavailable"` //nolint:lll // a tag cannot be wrapped
	// What went wrong, for people.
	Detail string `json:"detail" validate:"required" example:"IT Glue cannot be reached or has a fault of its own."`
} //	@name	SyncError

type requesterDTO struct {
	// The token; null when it was a person with a JWT of the identity provider.
	TokenID   *string `json:"tokenId" validate:"required" format:"uuid" extensions:"x-nullable" example:"0198c5d0-5a4e-7c3b-9d2e-6f1a2b3c4d5f"`
	TokenName *string `json:"tokenName" validate:"required" extensions:"x-nullable" example:"Nightly report"`
	// The person, as the identity provider calls them (`sub`); null when it was a token.
	Subject *string `json:"subject" validate:"required" extensions:"x-nullable" example:"248289761001"`
} //	@name	Requester

// changeDTO is one thing that a sync did, would do or refused to do.
type changeDTO struct {
	// Position within the sync, from 1.
	Seq int `json:"seq" validate:"required" minimum:"1" example:"1"`
	// - `map`: maps the organization to an IT Glue organization.
	// - `rename`: gives the organization the name that IT Glue has.
	// - `unmap`: takes the mapping away.
	// - `skip`: leaves the organization as it is, for the reason given.
	Action string `json:"action" validate:"required" enums:"map,rename,unmap,skip" example:"rename"`
	// - `planned`: not made, because the sync is a preview or has not come to it.
	// - `applied`: made.
	// - `held`: a removal that was recorded and not made, because there were too many of them. While the sync is `held`, a person
	//   can release or reject it.
	// - `refused`: not made, for the reason given.
	Status string `json:"status" validate:"required" enums:"planned,applied,held,refused" example:"applied"`
	// Why the change was made, held or refused.
	//
	// - `equal-name` (map): the name occurs once on both sides.
	// - `renamed-in-itglue` (rename): IT Glue has another name.
	// - `deleted-in-itglue` (unmap): not in the list, and IT Glue says that it is gone.
	// - `absent-from-listing` (unmap, held): not in the list; IT Glue was not asked for it, because too many were missing.
	// - `absent-but-readable` (unmap, refused): not in the list, yet IT Glue still has it.
	// - `absence-not-confirmed` (unmap, refused): not in the list, and IT Glue gave no clear answer when asked for it.
	// - `paused` (skip): there would be a change, but the mapping is paused.
	// - `ambiguous` (skip): the name occurs more than once among the organizations or among the IT Glue organizations.
	// - `name-blank` (skip): the name in IT Glue is blank.
	// - `name-too-long` (skip): the name in IT Glue has more than 255 characters.
	// - `name-not-legal` (skip): the name in IT Glue has characters that no name may have.
	// - `changed-since-the-listing` (any, refused): somebody changed the organization or its mapping meanwhile; that wins.
	// - `rejected-by-person` (unmap, refused): it was held, and somebody decided to keep the mapping.
	Reason string `json:"reason" validate:"required" enums:"equal-name,renamed-in-itglue,deleted-in-itglue,absent-from-listing,absent-but-readable,absence-not-confirmed,paused,ambiguous,name-blank,name-too-long,name-not-legal,changed-since-the-listing,rejected-by-person" example:"renamed-in-itglue"` //nolint:lll // a tag cannot be wrapped
	// The organization, with the name that it had.
	Organization organizationReferenceDTO `json:"organization" validate:"required"`
	// Null for a skip that is about no single IT Glue organization.
	ITGlueOrganization *itglueReferenceDTO `json:"itglueOrganization" validate:"required" extensions:"x-nullable"`
	// Old name (rename) or old IT Glue organization id (map, unmap); null for none. A skip has the name here and in `after`.
	Before *string `json:"before" validate:"required" extensions:"x-nullable" example:"Contoso"`
	// New name (rename) or new IT Glue organization id (map, unmap); null for none.
	After *string `json:"after" validate:"required" extensions:"x-nullable" example:"Contoso Ltd"`
} //	@name	Change

type organizationReferenceDTO struct {
	ID   string `json:"id" validate:"required" format:"uuid" example:"0198c5d0-5a4e-7c3b-9d2e-6f1a2b3c4d5e"`
	Name string `json:"name" validate:"required" example:"Contoso"`
} //	@name	OrganizationReference

func toSync(s orgsync.Sync) syncDTO {
	return syncDTO{
		ID: s.ID, Kind: string(s.Kind), DueDate: optional(string(s.DueDate)), Status: string(s.Status),
		Progress: syncProgressDTO{Phase: optional(string(s.Progress.Phase)), Done: s.Progress.Done, Total: s.Progress.Total},
		Counts:   syncCountsDTO(s.Counts),
		Error:    toSyncError(s.Failure), Attempt: s.Attempt,
		CreatedAt: s.CreatedAt.UTC(), StartedAt: utc(s.StartedAt), FinishedAt: utc(s.FinishedAt),
		RequestedBy: toRequester(s.RequestedBy),
	}
}

func toSyncOrNull(s *orgsync.Sync) *syncDTO {
	if s == nil {
		return nil
	}
	return new(toSync(*s))
}

func toSyncs(all []orgsync.Sync) []syncDTO {
	out := make([]syncDTO, 0, len(all))
	for _, s := range all {
		out = append(out, toSync(s))
	}
	return out
}

func toSyncError(f *orgsync.Failure) *syncErrorDTO {
	if f == nil {
		return nil
	}
	return &syncErrorDTO{Code: string(f.Code), Detail: f.Detail}
}

func toRequester(by event.Actor) *requesterDTO {
	if by == (event.Actor{}) {
		return nil
	}
	return &requesterDTO{TokenID: optional(by.TokenID), TokenName: optional(by.TokenName), Subject: optional(by.Subject)}
}

func toChanges(all []orgsync.Change) []changeDTO {
	out := make([]changeDTO, 0, len(all))
	for _, c := range all {
		out = append(out, changeDTO{
			Seq: c.Seq, Action: string(c.Action), Status: string(c.Status), Reason: string(c.Reason),
			Organization:       organizationReferenceDTO{ID: c.OrganizationID, Name: c.OrganizationName},
			ITGlueOrganization: toITGlueReference(c.ITGlueID, c.ITGlueName),
			Before:             optional(c.Before), After: optional(c.After),
		})
	}
	return out
}
