package api

import (
	"time"

	"github.com/orgbridge/orgbridge/internal/mapping"
)

type mapOrganizationRequest struct {
	// IT Glue's id of the organization, a string of digits.
	ITGlueOrganizationID string `json:"itglueOrganizationId" validate:"required,itglueid" minLength:"1" maxLength:"20" extensions:"x-pattern=^[1-9][0-9]*$" example:"4242"` //nolint:lll // a tag cannot be wrapped
} //	@name	MapOrganization

type updateMappingRequest struct {
	// True makes the mapping `active`, false makes it `paused`.
	SyncEnabled *bool `json:"syncEnabled" validate:"required" example:"false"`
} //	@name	UpdateMapping

// mappingDTO is the mapping of one organization.
type mappingDTO struct {
	Organization mappedOrganizationDTO `json:"organization" validate:"required"`
	// Null when the organization is not mapped.
	ITGlueOrganization *itglueReferenceDTO `json:"itglueOrganization" validate:"required" extensions:"x-nullable"`
	// - `unmapped`: the organization is not mapped.
	// - `active`: mapped; syncs keep its name equal to IT Glue's.
	// - `paused`: mapped, but left out of syncs, except the refresh of this one organization.
	State string `json:"state" validate:"required" enums:"unmapped,active,paused" example:"active"`
	// True when `state` is `active`, false when it is `paused` or `unmapped`.
	SyncEnabled bool `json:"syncEnabled" validate:"required" example:"true"`
	// Who set the mapping up; null when the organization is not mapped.
	//
	// - `auto`: a sync, because the names were equal.
	// - `manual`: a person or a program, by this API.
	// - `import`: it was set up together with the organization.
	Origin *string `json:"origin" validate:"required" enums:"auto,manual,import" extensions:"x-nullable" example:"auto"`
	// Null when the organization is not mapped.
	MappedAt *time.Time `json:"mappedAt" validate:"required" format:"date-time" extensions:"x-nullable" example:"2026-01-31T09:30:04Z"`
	// When a sync last compared this mapping with IT Glue; null before the first time.
	LastSyncedAt *time.Time `json:"lastSyncedAt" validate:"required" format:"date-time" extensions:"x-nullable" example:"2026-01-31T09:30:04Z"`
	// Why the organization is not mapped; null when it is, or when no sync has looked at it yet.
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
	// - `ambiguous`: the name occurs more than once among the organizations or among the IT Glue organizations.
	// - `no-equal-name`: no IT Glue organization has exactly this name.
	// - `itglue-organization-already-mapped`: the only IT Glue organization of this name is mapped to another organization.
	// - `not-auto-mapped`: exactly one IT Glue organization has this name, but the sync was not to map by itself (see `autoMap`).
	// - `unmapped-by-person`: somebody unmapped it; no sync maps it by itself again.
	// - `deleted-in-itglue`: the IT Glue organization that it was mapped to is gone.
	Code string `json:"code" validate:"required" enums:"ambiguous,no-equal-name,itglue-organization-already-mapped,not-auto-mapped,unmapped-by-person,deleted-in-itglue" example:"ambiguous"` //nolint:lll // a tag cannot be wrapped
	// IT Glue organizations that could be meant. The first one may be that which it was mapped to, deleted and now there again.
	Candidates []candidateDTO `json:"candidates" validate:"required"`
} //	@name	Unmatched

type candidateDTO struct {
	ID   string `json:"id" validate:"required" example:"4242"`
	Name string `json:"name" validate:"required" example:"Contoso"`
	// Whether it is mapped to another organization already.
	Mapped bool `json:"mapped" validate:"required" example:"false"`
} //	@name	Candidate

type mappingSummaryDTO struct {
	// Number of organizations: `unmapped`, `active` and `paused` together.
	Total    int `json:"total" validate:"required" minimum:"0" example:"120"`
	Unmapped int `json:"unmapped" validate:"required" minimum:"0" example:"20"`
	Active   int `json:"active" validate:"required" minimum:"0" example:"95"`
	Paused   int `json:"paused" validate:"required" minimum:"0" example:"5"`
	// Number of unmapped organizations by reason; reasons with 0 are included. Organizations that no sync has looked at yet have none.
	Unmatched unmatchedCountsDTO `json:"unmatched" validate:"required"`
} //	@name	MappingSummary

// unmatchedCountsDTO has a field for each of the reasons, named like it.
type unmatchedCountsDTO struct {
	Ambiguous        int `json:"ambiguous" validate:"required" minimum:"0" example:"3"`
	DeletedInITGlue  int `json:"deleted-in-itglue" validate:"required" minimum:"0" example:"1"`                  //nolint:tagliatelle // a code
	EqualNameTaken   int `json:"itglue-organization-already-mapped" validate:"required" minimum:"0" example:"0"` //nolint:tagliatelle // a code
	NoEqualName      int `json:"no-equal-name" validate:"required" minimum:"0" example:"14"`                     //nolint:tagliatelle // a code
	NotAutoMapped    int `json:"not-auto-mapped" validate:"required" minimum:"0" example:"0"`                    //nolint:tagliatelle // a code
	UnmappedByPerson int `json:"unmapped-by-person" validate:"required" minimum:"0" example:"2"`                 //nolint:tagliatelle // a code
} //	@name	UnmatchedCounts

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
	return mappingSummaryDTO{
		Total: s.Total(), Unmapped: s.Unmapped, Active: s.Active, Paused: s.Paused,
		Unmatched: unmatchedCountsDTO{
			Ambiguous: s.Unmatched[mapping.Ambiguous], DeletedInITGlue: s.Unmatched[mapping.DeletedInITGlue],
			EqualNameTaken: s.Unmatched[mapping.EqualNameTaken], NoEqualName: s.Unmatched[mapping.NoEqualName],
			NotAutoMapped: s.Unmatched[mapping.NotAutoMapped], UnmappedByPerson: s.Unmatched[mapping.UnmappedByPerson],
		},
	}
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
