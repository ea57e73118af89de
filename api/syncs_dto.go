package api

import (
	"time"

	"github.com/orgbridge/orgbridge/internal/orgsync"
)

type startSyncRequest struct {
	Kind string `json:"kind" validate:"required,oneof=manual preview" example:"manual"`
} //	@name	StartSync

type syncDTO struct {
	ID       string          `json:"id" validate:"required" format:"uuid" example:"0198c5d0-5a4e-7c3b-9d2e-6f1a2b3c4d5e"`
	Kind     string          `json:"kind" validate:"required" enums:"initial,manual,preview,organization" example:"manual"`
	Status   string          `json:"status" validate:"required" enums:"queued,running,succeeded,held,failed,cancelled" example:"succeeded"`
	Progress syncProgressDTO `json:"progress" validate:"required"`
	Counts   syncCountsDTO   `json:"counts" validate:"required"`
	// Error says why the sync failed or, while it is queued again, why its last attempt did.
	Error       *syncErrorDTO `json:"error" validate:"required" extensions:"x-nullable"`
	Attempt     int           `json:"attempt" validate:"required" minimum:"0" example:"0"`
	CreatedAt   time.Time     `json:"createdAt" validate:"required" format:"date-time" example:"2026-01-31T09:30:00Z"`
	StartedAt   *time.Time    `json:"startedAt" validate:"required" format:"date-time" extensions:"x-nullable" example:"2026-01-31T09:30:01Z"`
	FinishedAt  *time.Time    `json:"finishedAt" validate:"required" format:"date-time" extensions:"x-nullable" example:"2026-01-31T09:30:04Z"`
	RequestedBy *requesterDTO `json:"requestedBy" validate:"required" extensions:"x-nullable"`
} //	@name	Sync

type syncProgressDTO struct {
	// Phase is null before the sync has begun.
	Phase *string `json:"phase" validate:"required" enums:"listing,confirming,applying" extensions:"x-nullable" example:"applying"`
	Done  int     `json:"done" validate:"required" minimum:"0" example:"120"`
	// Total is 0 while it is unknown.
	Total int `json:"total" validate:"required" minimum:"0" example:"120"`
} //	@name	SyncProgress

// syncCountsDTO is what a sync did or, as a preview, would do.
type syncCountsDTO struct {
	Listed    int `json:"listed" validate:"required" minimum:"0" example:"120"`
	Unchanged int `json:"unchanged" validate:"required" minimum:"0" example:"95"`
	Renamed   int `json:"renamed" validate:"required" minimum:"0" example:"2"`
	Mapped    int `json:"mapped" validate:"required" minimum:"0" example:"3"`
	Unmapped  int `json:"unmapped" validate:"required" minimum:"0" example:"1"`
	Held      int `json:"held" validate:"required" minimum:"0" example:"0"`
	Skipped   int `json:"skipped" validate:"required" minimum:"0" example:"0"`
} //	@name	SyncCounts

type syncErrorDTO struct {
	Code   string `json:"code" validate:"required" example:"itglue-unavailable"`
	Detail string `json:"detail" validate:"required" example:"IT Glue could not be reached."`
} //	@name	SyncError

type requesterDTO struct {
	TokenID   string `json:"tokenId" validate:"required" format:"uuid" example:"0198c5d0-5a4e-7c3b-9d2e-6f1a2b3c4d5f"`
	TokenName string `json:"tokenName" validate:"required" example:"Nightly report"`
} //	@name	Requester

// changeDTO is one thing that a sync did, would do or refused to do.
type changeDTO struct {
	// Seq orders the changes of a sync.
	Seq                int                      `json:"seq" validate:"required" minimum:"1" example:"1"`
	Action             string                   `json:"action" validate:"required" enums:"map,rename,unmap,skip" example:"rename"`
	Status             string                   `json:"status" validate:"required" enums:"planned,applied,held,refused" example:"applied"`
	Reason             string                   `json:"reason" validate:"required" enums:"equal-name,renamed-in-itglue,deleted-in-itglue,absent-from-listing,absent-but-readable,absence-not-confirmed,paused,ambiguous,name-blank,name-too-long,name-not-legal,changed-since-the-listing" example:"renamed-in-itglue"` //nolint:lll // a tag cannot be wrapped
	Organization       organizationReferenceDTO `json:"organization" validate:"required"`
	ITGlueOrganization *itglueReferenceDTO      `json:"itglueOrganization" validate:"required" extensions:"x-nullable"`
	// Before and After are names for a rename, ids of IT Glue organizations for map and unmap.
	Before *string `json:"before" validate:"required" extensions:"x-nullable" example:"Contoso"`
	After  *string `json:"after" validate:"required" extensions:"x-nullable" example:"Contoso Ltd"`
} //	@name	Change

type organizationReferenceDTO struct {
	ID   string `json:"id" validate:"required" format:"uuid" example:"0198c5d0-5a4e-7c3b-9d2e-6f1a2b3c4d5e"`
	Name string `json:"name" validate:"required" example:"Contoso"`
} //	@name	OrganizationReference

func toSync(s orgsync.Sync) syncDTO {
	return syncDTO{
		ID: s.ID, Kind: string(s.Kind), Status: string(s.Status),
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

func toRequester(r *orgsync.Requester) *requesterDTO {
	if r == nil {
		return nil
	}
	return &requesterDTO{TokenID: r.TokenID, TokenName: r.TokenName}
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
