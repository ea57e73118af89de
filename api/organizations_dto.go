package api

import (
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/organization"
)

type createOrganizationRequest struct {
	// Kept as it is. Not all blank. May be left out with `itglueOrganizationId` only: then it is IT Glue's.
	Name *string `json:"name" validate:"required_without=ITGlueOrganizationID,omitnil,min=1,max=255" example:"Contoso"`
	// Such as contoso.com, not a bare suffix like com; internationalized names in either form.
	Domain        string `json:"domain" validate:"required,max=255" minLength:"1" example:"contoso.com"`
	EmailPlatform string `json:"emailPlatform" validate:"required,oneof=microsoft_365 google_workspace" example:"microsoft_365"`
	// IT Glue's id of the organization to add and to map to, a string of digits.
	ITGlueOrganizationID *string `json:"itglueOrganizationId" validate:"omitnil,itglueid" minLength:"1" maxLength:"20" extensions:"x-pattern=^[1-9][0-9]*$" example:"4242"` //nolint:lll // a tag cannot be wrapped
} //	@name	CreateOrganization

func (r createOrganizationRequest) organization() organization.New {
	return organization.New{
		ITGlueID: given(r.ITGlueOrganizationID), Name: given(r.Name), Domain: r.Domain,
		EmailPlatform: organization.EmailPlatform(r.EmailPlatform),
	}
}

// faults lets bind tell what the organization itself refuses along with the rest.
func (r createOrganizationRequest) faults() []errs.Field { return r.organization().Check() }

// given is a text that may have been left out.
func given(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

type updateOrganizationRequest struct {
	// Kept as it is. Not all blank.
	Name          *string `json:"name" validate:"omitnil,min=1,max=255" example:"Contoso Ltd"`
	EmailPlatform *string `json:"emailPlatform" validate:"omitnil,oneof=microsoft_365 google_workspace" example:"google_workspace"`
	// Domain is refused in a way of its own, whatever its value.
	Domain sent `json:"domain" swaggerignore:"true"`
} //	@name	UpdateOrganization

func (r updateOrganizationRequest) change() organization.Change {
	c := organization.Change{Name: r.Name}
	if r.EmailPlatform != nil {
		c.EmailPlatform = new(organization.EmailPlatform(*r.EmailPlatform))
	}
	return c
}

// faults lets bind tell what the organization itself refuses along with the rest.
func (r updateOrganizationRequest) faults() []errs.Field { return r.change().Check() }

type organizationDTO struct {
	ID   string `json:"id" validate:"required" format:"uuid" example:"0198c5d0-5a4e-7c3b-9d2e-6f1a2b3c4d5e"`
	Name string `json:"name" validate:"required" example:"Contoso"`
	// Lower-case ASCII. Unique in the account and never changed.
	Domain        string `json:"domain" validate:"required" example:"contoso.com"`
	EmailPlatform string `json:"emailPlatform" validate:"required" enums:"microsoft_365,google_workspace" example:"microsoft_365"`
	// Whether it is mapped to an IT Glue organization.
	Mapped    bool      `json:"mapped" validate:"required" example:"true"`
	CreatedAt time.Time `json:"createdAt" validate:"required" format:"date-time" example:"2026-01-31T09:30:00Z"`
	UpdatedAt time.Time `json:"updatedAt" validate:"required" format:"date-time" example:"2026-01-31T09:30:00Z"`
} //	@name	Organization

func toOrganization(o organization.Organization) organizationDTO {
	return organizationDTO{
		ID: o.ID, Name: o.Name, Domain: o.Domain, EmailPlatform: string(o.EmailPlatform), Mapped: o.Mapped,
		CreatedAt: o.CreatedAt.UTC(), UpdatedAt: o.UpdatedAt.UTC(),
	}
}

func toOrganizations(all []organization.Organization) []organizationDTO {
	out := make([]organizationDTO, 0, len(all))
	for _, o := range all {
		out = append(out, toOrganization(o))
	}
	return out
}
