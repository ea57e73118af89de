package api

import (
	"time"

	"github.com/orgbridge/orgbridge/internal/mapping"
)

type mapOrganizationRequest struct {
	ITGlueOrganizationID string `json:"itglueOrganizationId" validate:"required,itglueid" minLength:"1" maxLength:"20" example:"4242"`
} //	@name	MapOrganization

type updateMappingRequest struct {
	SyncEnabled *bool `json:"syncEnabled" validate:"required" example:"false"`
} //	@name	UpdateMapping

// mappingDTO is the mapping of one organization.
type mappingDTO struct {
	Organization mappedOrganizationDTO `json:"organization" validate:"required"`
	// ITGlueOrganization is null for "None".
	ITGlueOrganization *itglueReferenceDTO `json:"itglueOrganization" validate:"required" extensions:"x-nullable"`
	State              string              `json:"state" validate:"required" enums:"unmapped,active,paused" example:"active"`
	SyncEnabled        bool                `json:"syncEnabled" validate:"required" example:"true"`
	Origin             *string             `json:"origin" validate:"required" enums:"auto,manual,import" extensions:"x-nullable"`
	MappedAt           *time.Time          `json:"mappedAt" validate:"required" format:"date-time" extensions:"x-nullable"`
	LastSyncedAt       *time.Time          `json:"lastSyncedAt" validate:"required" format:"date-time" extensions:"x-nullable"`
	// Unmatched says why the organization is not mapped; null when it is, or when no sync has looked at it yet.
	Unmatched *unmatchedDTO `json:"unmatched" validate:"required" extensions:"x-nullable"`
} //	@name	Mapping

type mappedOrganizationDTO struct {
	ID     string `json:"id" validate:"required" format:"uuid" example:"0198c5d0-5a4e-7c3b-9d2e-6f1a2b3c4d5e"`
	Name   string `json:"name" validate:"required" example:"Contoso"`
	Domain string `json:"domain" validate:"required" example:"contoso.com"`
} //	@name	MappedOrganization

type itglueReferenceDTO struct {
	ID   string `json:"id" validate:"required" example:"4242"`
	Name string `json:"name" validate:"required" example:"Contoso"`
} //	@name	ITGlueReference

type unmatchedDTO struct {
	Code string `json:"code" validate:"required" enums:"ambiguous,no-equal-name,itglue-organization-already-mapped,not-auto-mapped,unmapped-by-person,deleted-in-itglue" example:"ambiguous"` //nolint:lll // a tag cannot be wrapped
	// Candidates are IT Glue organizations that a person may mean.
	Candidates []candidateDTO `json:"candidates" validate:"required"`
} //	@name	Unmatched

type candidateDTO struct {
	ID   string `json:"id" validate:"required" example:"4242"`
	Name string `json:"name" validate:"required" example:"Contoso"`
	// Mapped tells that it is taken.
	Mapped bool `json:"mapped" validate:"required" example:"false"`
} //	@name	Candidate

type mappingSummaryDTO struct {
	Total    int `json:"total" validate:"required" minimum:"0" example:"120"`
	Unmapped int `json:"unmapped" validate:"required" minimum:"0" example:"20"`
	Active   int `json:"active" validate:"required" minimum:"0" example:"95"`
	Paused   int `json:"paused" validate:"required" minimum:"0" example:"5"`
	// Unmatched counts the organizations that are not mapped by the reason; every reason is there.
	Unmatched map[string]int `json:"unmatched" validate:"required" example:"ambiguous:3,no-equal-name:17"`
} //	@name	MappingSummary

func unmatchedCodes() []mapping.UnmatchedCode {
	return []mapping.UnmatchedCode{
		mapping.Ambiguous, mapping.NoEqualName, mapping.EqualNameTaken, mapping.NotAutoMapped, mapping.UnmappedByPerson,
		mapping.DeletedInITGlue,
	}
}

func toMapping(r mapping.Row) mappingDTO {
	return mappingDTO{
		Organization:       mappedOrganizationDTO{ID: r.OrganizationID, Name: r.OrganizationName, Domain: r.OrganizationDomain},
		ITGlueOrganization: toITGlueReference(r.ITGlueID, r.ITGlueName),
		State:              string(r.State),
		SyncEnabled:        r.State == mapping.Active,
		Origin:             optional(string(r.Origin)),
		MappedAt:           utc(r.MappedAt),
		LastSyncedAt:       utc(r.LastSyncedAt),
		Unmatched:          toUnmatched(r),
	}
}

func toMappings(rows []mapping.Row) []mappingDTO {
	out := make([]mappingDTO, 0, len(rows))
	for _, r := range rows {
		out = append(out, toMapping(r))
	}
	return out
}

func toUnmatched(r mapping.Row) *unmatchedDTO {
	if r.Unmatched == "" {
		return nil
	}
	u := &unmatchedDTO{Code: string(r.Unmatched), Candidates: make([]candidateDTO, 0, len(r.Candidates))}
	for _, c := range r.Candidates {
		u.Candidates = append(u.Candidates, candidateDTO{ID: c.ID, Name: c.Name, Mapped: c.Mapped})
	}
	return u
}

func toMappingSummary(s mapping.Summary) mappingSummaryDTO {
	out := mappingSummaryDTO{
		Total: s.Total(), Unmapped: s.Unmapped, Active: s.Active, Paused: s.Paused, Unmatched: map[string]int{},
	}
	for _, code := range unmatchedCodes() {
		out.Unmatched[string(code)] = s.Unmatched[code]
	}
	return out
}

func toITGlueReference(id, name string) *itglueReferenceDTO {
	if id == "" {
		return nil
	}
	return &itglueReferenceDTO{ID: id, Name: name}
}

// optional is a text as it is told: null for none.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// texts are the values of an enumeration as they are sent.
func texts[T ~string](values []T) []string {
	out := make([]string, 0, len(values))
	for _, v := range values {
		out = append(out, string(v))
	}
	return out
}
