package api

import (
	"time"

	"github.com/orgbridge/orgbridge/internal/event"
)

// eventDTO is one fact.
type eventDTO struct {
	ID string `json:"id" validate:"required" format:"uuid" example:"01a1f3b0-2d5e-7c3b-9d2e-6f1a2b3c4d5e"`
	// Grows with each event of the account; may leave numbers out.
	Sequence int64 `json:"sequence" validate:"required" minimum:"1" example:"1042"`
	// - `account.created`: the account was made.
	// - `token.created`, `token.revoked`: a token of the account was made or revoked; `after` or `before` tells which.
	// - `integration.connected`: the account was connected to IT Glue.
	// - `integration.changed`: its key, region or settings were changed.
	// - `integration.deactivated`: it was disconnected; all mappings are gone.
	// - `integration.credentials-rejected`: IT Glue refused the API key.
	// - `integration.credentials-accepted`: IT Glue accepts the API key again.
	// - `daily-sync.paused`, `daily-sync.resumed`: the daily sync was switched off or on.
	// - `daily-sync.missed`: daily syncs were not made because they could not begin within 12 hours.
	// - `organization.created`, `organization.renamed`, `organization.changed` (anything but the name), `organization.deleted`:
	// it was added, changed or removed. Picking "None" for one that is not mapped changes its `unmatched`.
	// - `mapping.mapped`, `mapping.unmapped`: the organization was mapped, or is not any more.
	// - `mapping.paused`, `mapping.resumed`: its status toggle was switched.
	// - `sync.queued`, `sync.succeeded`, `sync.held`, `sync.failed`, `sync.cancelled`: a sync began to wait, or ended so.
	// - `removals.released`, `removals.rejected`: a person decided on the removals that a sync held; `after` has their number.
	Type string    `json:"type" validate:"required" enums:"account.created,token.created,token.revoked,integration.connected,integration.changed,integration.deactivated,integration.credentials-rejected,integration.credentials-accepted,daily-sync.paused,daily-sync.resumed,daily-sync.missed,organization.created,organization.renamed,organization.changed,organization.deleted,mapping.mapped,mapping.unmapped,mapping.paused,mapping.resumed,sync.queued,sync.succeeded,sync.held,sync.failed,sync.cancelled,removals.released,removals.rejected" example:"organization.renamed"` //nolint:lll // a tag cannot be wrapped
	At   time.Time `json:"at" validate:"required" format:"date-time" example:"2026-01-31T09:30:00Z"`
	// Who asked for it; null for what orgbridge did by itself.
	Actor *requesterDTO `json:"actor" validate:"required" extensions:"x-nullable"`
	// The sync that did it; null when none did.
	SyncID *string `json:"syncId" validate:"required" format:"uuid" extensions:"x-nullable" example:"0198c5d0-6b2f-7d10-8a4c-2e9b7f5d1c3a"`
	// The organization it is about, with the name that it had; null when it is about none.
	Organization *organizationReferenceDTO `json:"organization" validate:"required" extensions:"x-nullable"`
	// The IT Glue organization it is about; null when it is about none.
	ITGlueOrganization *itglueReferenceDTO `json:"itglueOrganization" validate:"required" extensions:"x-nullable"`
	// What was changed, as it was before: names of the API with their values. Null when there was nothing.
	Before map[string]any `json:"before" validate:"required" swaggertype:"object" extensions:"x-nullable"`
	// What was changed, as it was after. Null when there is nothing to tell.
	After map[string]any `json:"after" validate:"required" swaggertype:"object" extensions:"x-nullable"`
	// A reason as in the changes of a sync, or a sentence; null when the type says it all.
	Detail *string `json:"detail" validate:"required" extensions:"x-nullable" example:"renamed-in-itglue"`
} //	@name	Event

func toEvents(all []event.Event) []eventDTO {
	out := make([]eventDTO, 0, len(all))
	for i := range all {
		out = append(out, toEvent(&all[i]))
	}
	return out
}

func toEvent(e *event.Event) eventDTO {
	dto := eventDTO{
		ID: e.ID(), Sequence: e.Sequence, Type: string(e.Type), At: e.At.UTC(), Actor: toRequester(e.Actor), SyncID: optional(e.SyncID),
		Before: e.Before, After: e.After, Detail: optional(e.Detail),
	}
	if e.Organization != nil {
		dto.Organization = &organizationReferenceDTO{ID: e.Organization.ID, Name: e.Organization.Name}
	}
	if e.ITGlue != nil {
		dto.ITGlueOrganization = toITGlueReference(e.ITGlue.ID, e.ITGlue.Name)
	}
	return dto
}
