package api

import (
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/organization"
)

type createOrganizationRequest struct {
	// Kept as it is. Not all blank.
	Name string `json:"name" validate:"required,max=255" minLength:"1" example:"Contoso"`
	// Such as contoso.com, not a bare suffix like com; internationalized names in either form.
	Domain        string `json:"domain" validate:"required,max=255" minLength:"1" example:"contoso.com"`
	EmailPlatform string `json:"emailPlatform" validate:"required,oneof=microsoft_365 google_workspace" example:"microsoft_365"`
} //	@name	CreateOrganization

func (r createOrganizationRequest) organization() organization.New {
	return organization.New{Name: r.Name, Domain: r.Domain, EmailPlatform: organization.EmailPlatform(r.EmailPlatform)}
}

// faults lets bind tell what the organization itself refuses along with the rest.
func (r createOrganizationRequest) faults() []errs.Field { return organization.Check(r.organization()) }

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
