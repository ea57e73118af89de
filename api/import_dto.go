package api

import (
	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/organization"
)

type importRequest struct {
	Items []importItemRequest `json:"items" validate:"required,min=1,max=200,dive"`
} //	@name	ImportOrganizations

type importItemRequest struct {
	// IT Glue's id of the organization, a string of digits.
	ITGlueOrganizationID string `json:"itglueOrganizationId" validate:"required,itglueid" minLength:"1" maxLength:"20" extensions:"x-pattern=^[1-9][0-9]*$" example:"4242"` //nolint:lll // a tag cannot be wrapped
	// Left out, it is the only usable one that IT Glue has for the organization. One that cannot be used fails this item alone.
	Domain        *string `json:"domain" example:"contoso.com"`
	EmailPlatform string  `json:"emailPlatform" validate:"required,oneof=microsoft_365 google_workspace" example:"microsoft_365"`
} //	@name	ImportItem

func (r importRequest) items() []organization.Item {
	items := make([]organization.Item, 0, len(r.Items))
	for _, i := range r.Items {
		items = append(items, organization.Item{
			ITGlueID: i.ITGlueOrganizationID, Domain: i.Domain, EmailPlatform: organization.EmailPlatform(i.EmailPlatform),
		})
	}
	return items
}

type importDTO struct {
	// One for each item of the request, in their order.
	Items []importedDTO `json:"items" validate:"required"`
} //	@name	ImportResult

// importedDTO is what became of one item.
type importedDTO struct {
	ITGlueOrganizationID string `json:"itglueOrganizationId" validate:"required" example:"4242"`
	// - `imported`: there is a new organization, mapped to the IT Glue organization.
	// - `failed`: nothing was done; `error` tells why.
	Status string `json:"status" validate:"required" enums:"imported,failed" example:"imported"`
	// The new organization; null when the item failed.
	Organization *organizationDTO `json:"organization" validate:"required" extensions:"x-nullable"`
	// Null when the item was imported.
	Error *importErrorDTO `json:"error" validate:"required" extensions:"x-nullable"`
} //	@name	ImportedItem

type importErrorDTO struct {
	// - `domain-required`: no `domain` was given, and IT Glue has not exactly one that can be used; see `candidates`.
	// - `domain-invalid`: is not a domain below a public suffix.
	// - `domain-taken`: the account has an organization with this domain already.
	// - `itglue-organization-already-mapped`: the IT Glue organization is mapped to another organization, named in `params`.
	// - `not-found`: IT Glue has no organization with this id.
	// - `name-blank`, `name-too-long`, `name-not-legal`: its name in IT Glue cannot be the name of an organization. Add it by itself, with a
	//   name.
	// - `itglue-timeout`: IT Glue did not answer in time; the other codes with `itglue-` are those of whole requests.
	// - `not-connected`, `conflict`: the connection to IT Glue was ended or changed meanwhile. With an `Idempotency-Key` that was sent before,
	//   `conflict` also tells that the organization was imported then and deleted since.
	// - `unavailable`: could not be served at the moment.
	// - `internal`: something went wrong.
	Code string `json:"code" validate:"required" enums:"domain-required,domain-invalid,domain-taken,itglue-organization-already-mapped,not-found,name-blank,name-too-long,name-not-legal,itglue-key-rejected,itglue-rate-limited,itglue-unavailable,itglue-timeout,itglue-bad-answer,not-connected,conflict,unavailable,internal" example:"domain-required"` //nolint:lll // a tag cannot be wrapped
	// What is wrong, for people.
	Detail string `json:"detail" validate:"required" example:"An organization with the domain contoso.com exists already."`
	// Values used in `detail`, for building your own message.
	Params map[string]any `json:"params,omitempty"`
	// The domains that IT Glue has, for choosing one; present only with `domain-required`. It may be empty.
	Candidates []domainDTO `json:"candidates,omitzero"`
} //	@name	ImportError

func toImport(outcomes []organization.Outcome) importDTO {
	out := importDTO{Items: make([]importedDTO, 0, len(outcomes))}
	for i := range outcomes {
		out.Items = append(out.Items, toImported(&outcomes[i]))
	}
	return out
}

func toImported(o *organization.Outcome) importedDTO {
	if o.Failure == nil {
		return importedDTO{ITGlueOrganizationID: o.ITGlueID, Status: "imported", Organization: new(toOrganization(o.Organization))}
	}
	failed := &importErrorDTO{Code: string(o.Failure.Code), Detail: o.Failure.Detail, Params: o.Failure.Params}
	if len(o.Failure.Fields) > 0 {
		failed.Code, failed.Detail = o.Failure.Fields[0].Code, o.Failure.Fields[0].Detail
	}
	if o.Failure.Code == errs.DomainRequired {
		failed.Candidates = toDomains(o.Candidates)
	}
	return importedDTO{ITGlueOrganizationID: o.ITGlueID, Status: "failed", Error: failed}
}
