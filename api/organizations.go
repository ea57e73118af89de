package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/idempotency"
	"github.com/orgbridge/orgbridge/internal/organization"
	"github.com/orgbridge/orgbridge/internal/page"
)

// OrganizationStore reads and deletes organizations.
type OrganizationStore interface {
	// Organization answers [errs.NotFound] when the account has no such organization.
	Organization(ctx context.Context, accountID, id string) (organization.Organization, error)
	Organizations(ctx context.Context, accountID string, f organization.Filter) (page.Page[organization.Organization], error)
	CountOrganizations(ctx context.Context, accountID string, f organization.Filter) (int, error)
	// DeleteOrganization answers [errs.NotFound].
	DeleteOrganization(ctx context.Context, accountID, id string, by event.Actor) error
}

// OrganizationService adds, imports and changes organizations.
type OrganizationService interface {
	// Create answers [errs.ValidationFailed] or [errs.DomainTaken]; from IT Glue also [errs.NotConnected], [errs.AlreadyMapped],
	// [errs.Conflict] or an IT Glue code.
	Create(ctx context.Context, accountID string, n organization.New, by event.Actor) (organization.Organization, error)
	// Import answers [errs.NotConnected] or an IT Glue code.
	Import(ctx context.Context, accountID string, items []organization.Item, by event.Actor) ([]organization.Outcome, error)
	// Update answers [errs.ValidationFailed] or [errs.NotFound].
	Update(ctx context.Context, accountID, id string, change organization.Change, by event.Actor) (organization.Organization, error)
	// Domains answers [errs.NotConnected], [errs.NotFound] when IT Glue has no such organization, or an IT Glue code.
	Domains(ctx context.Context, accountID, itglueID string) ([]organization.Offer, error)
}

// listOrganizations lists the account's organizations.
//
// @Summary List organizations
// @Description The account's own customer organizations, sorted by name.
// @ID listOrganizations
// @Tags Organizations
// @Security BearerAuth[viewer]
// @Security BearerAuth[admin]
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
// @Security BearerAuth[viewer]
// @Security BearerAuth[admin]
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
	return answerShown(c, http.StatusOK, toOrganization(o))
}

// createOrganization adds an organization.
//
// @Summary Add an organization
// @Description The domain is stored as lower-case ASCII and never changes.
// @Description
// @Description Without `itglueOrganizationId` the new organization is not mapped to IT Glue. With it ("Add from IT Glue") it is mapped
// @Description to that IT Glue organization from the start, both or neither; `name` may then be left out and is taken from IT Glue, which
// @Description is asked for it. A name that differs from IT Glue's is overwritten by the next sync.
// @ID createOrganization
// @Tags Organizations
// @Accept json
// @Security BearerAuth[admin]
// @Param request body createOrganizationRequest true "The organization"
// @Success 201 {object} organizationDTO "The new organization"
// @Header 201 {string} Location "Address of the organization"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `admin`."
// @Failure 409 {object} Problem "`domain-taken`: the account has an organization with this domain already. With `itglueOrganizationId` only: `not-connected`: the account is not connected to IT Glue. `itglue-organization-already-mapped`: the IT Glue organization is mapped to another organization, named in `params`. `conflict`: the connection was changed meanwhile; nothing was done."
// @Failure 422 {object} Problem "`validation-failed`: the request has invalid or unknown values, all of them in `errors`. `itglue-key-rejected`: IT Glue refuses the API key."
// @Failure 502 {object} Problem "`itglue-unavailable`: IT Glue cannot be reached or has a fault of its own. `itglue-bad-answer`: its answer cannot be understood."
// @Failure 503 {object} Problem "`itglue-rate-limited`: IT Glue accepts no more requests for this key at the moment. `unavailable`: the request cannot be served at the moment."
// @Header 503 {integer} Retry-After "Seconds to wait"
// @Failure 504 {object} Problem "`itglue-timeout`: IT Glue did not answer in time."
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
	return answerCreated(c, o)
}

func answerCreated(c echo.Context, o organization.Organization) error {
	c.Response().Header().Set(echo.HeaderLocation, base+"/organizations/"+o.ID)
	return answerShown(c, http.StatusCreated, toOrganization(o))
}

// resumeCreate answers the organization as it is by now.
func (s *server) resumeCreate(c echo.Context, done []idempotency.Effect) (bool, error) {
	created, ok := find(done, event.OrganizationCreated)
	if !ok {
		return false, nil
	}
	o, err := s.Organizations.Organization(c.Request().Context(), accountID(c), created.OrganizationID)
	if errs.Is(err, errs.NotFound) {
		return true, errs.New(errs.Conflict, "The organization was added by an earlier request with this key, and deleted since.")
	}
	if err != nil {
		return true, err
	}
	return true, answerCreated(c, o)
}

// updateOrganization changes an organization.
//
// @Summary Change an organization
// @Description Fields that are left out stay as they are. A mapped organization may be renamed too, but while its mapping is active the
// @Description next sync overwrites its name with IT Glue's. The domain can never be changed.
// @ID updateOrganization
// @Tags Organizations
// @Accept json
// @Security BearerAuth[admin]
// @Param organizationId path string true "Id of the organization" format(uuid)
// @Param request body updateOrganizationRequest true "What to change"
// @Success 200 {object} organizationDTO "The organization as it is now"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `admin`."
// @Failure 404 {object} Problem "`not-found`: the account has nothing with this id."
// @Failure 422 {object} Problem "`validation-failed`: the request has invalid or unknown values, all of them in `errors`. `domain-immutable`: the request has a `domain`."
// @Router /organizations/{organizationId} [patch]
func (s *server) updateOrganization(c echo.Context) error {
	id, err := pathID(c, "organizationId")
	if err != nil {
		return err
	}
	var body updateOrganizationRequest
	err = s.bind(c, &body)
	if body.Domain {
		return errs.New(errs.DomainImmutable, "The domain of an organization never changes.")
	}
	if err != nil {
		return err
	}
	ifMatch(c, toOrganization)
	o, err := s.OrganizationService.Update(c.Request().Context(), accountID(c), id, body.change(), actor(c))
	if err != nil {
		return err
	}
	return answerShown(c, http.StatusOK, toOrganization(o))
}

// deleteOrganization removes an organization.
//
// @Summary Delete an organization
// @Description Removes the organization with its mapping, whatever its state. The IT Glue organization that it was mapped to stays and
// @Description can be mapped or imported again. The changes and events that tell of the organization stay.
// @ID deleteOrganization
// @Tags Organizations
// @Security BearerAuth[admin]
// @Param organizationId path string true "Id of the organization" format(uuid)
// @Success 204 "The organization is gone"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `admin`."
// @Failure 404 {object} Problem "`not-found`: the account has nothing with this id."
// @Router /organizations/{organizationId} [delete]
func (s *server) deleteOrganization(c echo.Context) error {
	id, err := pathID(c, "organizationId")
	if err != nil {
		return err
	}
	ifMatch(c, toOrganization)
	if err := s.Organizations.DeleteOrganization(c.Request().Context(), accountID(c), id, actor(c)); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
