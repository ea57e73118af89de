package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/organization"
)

// listDomains reads the domains of an IT Glue organization.
//
// @Summary List the domains of an IT Glue organization
// @Description What to choose an organization's domain from when it is added from IT Glue. Read from IT Glue at this moment; each
// @Description domain once, those that can be used first, then those that an email provider gives its customers, then those that cannot
// @Description be used. Many IT Glue organizations have none: another domain can be given as well.
// @ID listDomains
// @Tags Integration
// @Security BearerAuth[viewer]
// @Security BearerAuth[admin]
// @Param itglueId path string true "IT Glue's id of the organization" maxLength(20)
// @Success 200 {object} domainsDTO "All domains of the IT Glue organization"
// @Failure 403 {object} Problem "`forbidden`: operators have no access to the contents of an account."
// @Failure 404 {object} Problem "`not-found`: IT Glue has no organization with this id."
// @Failure 409 {object} Problem "`not-connected`: the account is not connected to IT Glue."
// @Failure 422 {object} Problem "`validation-failed`: the request has unknown query parameters, all of them in `errors`. `itglue-key-rejected`: IT Glue refuses the API key."
// @Failure 502 {object} Problem "`itglue-unavailable`: IT Glue cannot be reached or has a fault of its own. `itglue-bad-answer`: its answer cannot be understood."
// @Failure 503 {object} Problem "`itglue-rate-limited`: IT Glue accepts no more requests for this key at the moment. `unavailable`: the request cannot be served at the moment."
// @Header 503 {integer} Retry-After "Seconds to wait"
// @Failure 504 {object} Problem "`itglue-timeout`: IT Glue did not answer in time."
// @Router /integrations/itglue/organizations/{itglueId}/domains [get]
func (s *server) listDomains(c echo.Context) error {
	id := c.Param("itglueId")
	if !isITGlueID(id) {
		return errs.New(errs.NotFound, "no such IT Glue id")
	}
	offers, err := s.OrganizationService.Domains(c.Request().Context(), accountID(c), id)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, domainsDTO{Items: toDomains(offers)})
}

// domainsDTO is a list that comes whole.
type domainsDTO struct {
	Items []domainDTO `json:"items" validate:"required"`
} //	@name	ITGlueDomainList

type domainDTO struct {
	// As IT Glue has it.
	Name string `json:"name" validate:"required" example:"Contoso.com"`
	// As an organization would have it, in lower-case ASCII; null when it cannot be used.
	Domain *string `json:"domain" validate:"required" extensions:"x-nullable" example:"contoso.com"`
	// True for a domain that an email provider gives its customers, such as contoso.onmicrosoft.com, and that is not their own.
	ProviderDefault bool `json:"providerDefault" validate:"required" example:"false"`
	// Why it cannot be used, for people; null when it can.
	Problem *string `json:"problem" validate:"required" extensions:"x-nullable" example:"The domain must be a domain name, not an IP address."`
	// The organization that has this domain already; null when none has. A domain is unique in an account.
	OrganizationID *string `json:"organizationId" validate:"required" format:"uuid" extensions:"x-nullable"`
} //	@name	ITGlueDomain

func toDomains(offers []organization.Offer) []domainDTO {
	out := make([]domainDTO, 0, len(offers))
	for _, o := range offers {
		d := domainDTO{
			Name: o.Name, Domain: optional(o.Domain), ProviderDefault: o.ProviderDefault, OrganizationID: optional(o.OrganizationID),
		}
		if o.Problem != "" {
			d.Problem = new("The domain " + o.Problem + ".")
		}
		out = append(out, d)
	}
	return out
}
