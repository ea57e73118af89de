package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/organization"
	"github.com/orgbridge/orgbridge/internal/page"
)

// OrganizationStore reads organizations.
type OrganizationStore interface {
	// Organization answers [errs.NotFound] when the account has no such organization.
	Organization(ctx context.Context, accountID, id string) (organization.Organization, error)
	Organizations(ctx context.Context, accountID string, f organization.Filter) (page.Page[organization.Organization], error)
	CountOrganizations(ctx context.Context, accountID string, f organization.Filter) (int, error)
}

// OrganizationService adds organizations.
type OrganizationService interface {
	// Create answers [errs.ValidationFailed] or [errs.DomainTaken].
	Create(ctx context.Context, accountID string, n organization.New, by event.Actor) (organization.Organization, error)
}

// listOrganizations lists the account's organizations.
//
// @Summary List organizations
// @Description The account's own customer organizations, sorted by name.
// @ID listOrganizations
// @Tags Organizations
// @Security BearerAuth
// @Param search query string false "Text anywhere in the name, whatever its case" maxLength(255)
// @Param mapped query boolean false "`true`: only mapped ones; `false`: only those that are not"
// @Param sort query string false "Sort by name; `-name` for descending" Enums(name, -name) default(name)
// @Param limit query integer false "Most rows on a page" minimum(1) maximum(200) default(50)
// @Param cursor query string false "`nextCursor` of the page before; all filters have to stay the same"
// @Param count query boolean false "Include the total count" default(false)
// @Success 200 {object} list[organizationDTO] "One page of organizations"
// @Failure 403 {object} Problem "`forbidden`: operators have no access to the contents of an account."
// @Router /organizations [get]
func (s *server) listOrganizations(c echo.Context) error {
	q := newQuery(c)
	f := organization.Filter{
		Search: q.search(), Mapped: q.mapped(), Descending: q.oneOf("sort", "name", "-name") == "-name", Limit: q.limit(),
	}
	f.After = q.after(atID)
	counted := q.count()
	if err := q.err(); err != nil {
		return err
	}
	ctx, id := c.Request().Context(), accountID(c)
	rows, err := s.Organizations.Organizations(ctx, id, f)
	if err != nil {
		return err
	}
	n, err := total(counted, func() (int, error) { return s.Organizations.CountOrganizations(ctx, id, f) })
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, list[organizationDTO]{Items: toOrganizations(rows.Items), NextCursor: q.next(rows.Next), Total: n})
}

// getOrganization reads one organization.
//
// @Summary Read an organization
// @Description `/mappings/{organizationId}` tells which IT Glue organization it is mapped to.
// @ID getOrganization
// @Tags Organizations
// @Security BearerAuth
// @Param organizationId path string true "Id of the organization" format(uuid)
// @Success 200 {object} organizationDTO "The organization"
// @Failure 403 {object} Problem "`forbidden`: operators have no access to the contents of an account."
// @Failure 404 {object} Problem "`not-found`: the account has nothing with this id."
// @Router /organizations/{organizationId} [get]
func (s *server) getOrganization(c echo.Context) error {
	id, err := pathID(c, "organizationId")
	if err != nil {
		return err
	}
	o, err := s.Organizations.Organization(c.Request().Context(), accountID(c), id)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, toOrganization(o))
}

// createOrganization adds an organization.
//
// @Summary Add an organization
// @Description The domain is stored as lower-case ASCII and never changes. The new organization is not mapped to IT Glue.
// @ID createOrganization
// @Tags Organizations
// @Accept json
// @Security BearerAuth
// @Param request body createOrganizationRequest true "The organization"
// @Success 201 {object} organizationDTO "The new organization"
// @Header 201 {string} Location "Address of the organization"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `admin`."
// @Failure 409 {object} Problem "`domain-taken`: the account has an organization with this domain already."
// @Router /organizations [post]
func (s *server) createOrganization(c echo.Context) error {
	var body createOrganizationRequest
	if err := s.bind(c, &body); err != nil {
		return err
	}
	o, err := s.OrganizationService.Create(c.Request().Context(), accountID(c), body.organization(), actor(c))
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, base+"/organizations/"+o.ID)
	return c.JSON(http.StatusCreated, toOrganization(o))
}
