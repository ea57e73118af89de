package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/idempotency"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/page"
)

// MappingStore reads mapping rows.
type MappingStore interface {
	// Mapping answers [errs.NotFound] when the account has no such organization.
	Mapping(ctx context.Context, accountID, organizationID string) (mapping.Row, error)
	Mappings(ctx context.Context, accountID string, f mapping.Filter) (page.Page[mapping.Row], error)
	CountMappings(ctx context.Context, accountID string, f mapping.Filter) (int, error)
	MappingSummary(ctx context.Context, accountID string) (mapping.Summary, error)
}

// MappingService does what a person decides about mappings. Its methods answer [errs.NotFound] for an unknown organization.
type MappingService interface {
	// Map answers [errs.NotConnected], [errs.AlreadyMapped], [errs.ValidationFailed] when IT Glue has no such organization, or an
	// IT Glue code.
	Map(ctx context.Context, accountID, organizationID, itglueID string, by event.Actor) (mapping.Row, error)
	// SetSyncEnabled answers [errs.NotMapped] when there is nothing to toggle.
	SetSyncEnabled(ctx context.Context, accountID, organizationID string, enabled bool, by event.Actor) (mapping.Row, error)
	// Unmap answers [errs.NotConnected].
	Unmap(ctx context.Context, accountID, organizationID string, by event.Actor) (mapping.Row, error)
}

// listMappings lists the rows of the mapping screen.
//
// @Summary List organizations with their mapping
// @Description One row for each organization, mapped or not.
// @ID listMappings
// @Tags Mappings
// @Security BearerAuth[viewer]
// @Security BearerAuth[admin]
// @Param state query string false "Only organizations in this state" Enums(unmapped, active, paused)
// @Param unmatched query string false "Only organizations that are not mapped for this reason" Enums(ambiguous, no-equal-name, itglue-organization-already-mapped, not-auto-mapped, unmapped-by-person, deleted-in-itglue)
// @Param search query string false "Text anywhere in the organization's name, whatever its case" maxLength(255)
// @Param sort query string false "Sort by name; `-name` for descending" Enums(name, -name) default(name)
// @Param limit query integer false "Most rows on a page" minimum(1) maximum(200) default(50)
// @Param cursor query string false "`nextCursor` of the page before; all filters have to stay the same"
// @Param count query boolean false "Include the total count" default(false)
// @Success 200 {object} list[mappingDTO] "One page of organizations with their mapping"
// @Failure 403 {object} Problem "`forbidden`: operators have no access to the contents of an account."
// @Router /mappings [get]
func (s *server) listMappings(c echo.Context) error {
	q := newQuery(c)
	f := mapping.Filter{
		State:     mapping.State(q.oneOf("state", "unmapped", "active", "paused")),
		Unmatched: mapping.UnmatchedCode(q.oneOf("unmatched", texts(unmatchedCodes())...)),
		Search:    q.search(), Sort: mapping.Sort(q.oneOf("sort", "name", "-name")), Limit: q.limit(),
	}
	f.After = q.after(atID)
	counted := q.count()
	if err := q.err(); err != nil {
		return err
	}
	ctx, id := c.Request().Context(), accountID(c)
	rows, err := s.Mappings.Mappings(ctx, id, f)
	if err != nil {
		return err
	}
	n, err := total(counted, func() (int, error) { return s.Mappings.CountMappings(ctx, id, f) })
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, list[mappingDTO]{Items: toMappings(rows.Items), NextCursor: q.next(rows.Next), Total: n})
}

// summarizeMappings counts the rows.
//
// @Summary Count organizations by state and by reason
// @Description `unmatched` has the unmapped organizations by reason.
// @ID getMappingSummary
// @Tags Mappings
// @Security BearerAuth[viewer]
// @Security BearerAuth[admin]
// @Success 200 {object} mappingSummaryDTO "The numbers of organizations"
// @Failure 403 {object} Problem "`forbidden`: operators have no access to the contents of an account."
// @Router /mappings/summary [get]
func (s *server) summarizeMappings(c echo.Context) error {
	sum, err := s.Mappings.MappingSummary(c.Request().Context(), accountID(c))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, toMappingSummary(sum))
}

// getMapping reads one row.
//
// @Summary Read an organization's mapping
// @Description The organization, the IT Glue organization that it is mapped to, or why it is not mapped.
// @ID getMapping
// @Tags Mappings
// @Security BearerAuth[viewer]
// @Security BearerAuth[admin]
// @Param organizationId path string true "Id of the organization" format(uuid)
// @Success 200 {object} mappingDTO "The organization with its mapping"
// @Failure 403 {object} Problem "`forbidden`: operators have no access to the contents of an account."
// @Failure 404 {object} Problem "`not-found`: the account has nothing with this id."
// @Router /mappings/{organizationId} [get]
func (s *server) getMapping(c echo.Context) error {
	return answerRow(c, s.Mappings.Mapping)
}

// mapOrganization maps or re-maps an organization.
//
// @Summary Map an organization
// @Description Maps the organization to an IT Glue organization, or to another one than before, and switches its sync on. Its name
// @Description changes with the next sync. An IT Glue organization that the directory does not have yet is looked up in IT Glue; one
// @Description that IT Glue does not have is answered with 422.
// @ID mapOrganization
// @Tags Mappings
// @Accept json
// @Security BearerAuth[admin]
// @Param organizationId path string true "Id of the organization" format(uuid)
// @Param request body mapOrganizationRequest true "The IT Glue organization to map to"
// @Success 200 {object} mappingDTO "The organization with its new mapping"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `admin`."
// @Failure 404 {object} Problem "`not-found`: the account has nothing with this id."
// @Failure 409 {object} Problem "`not-connected`: the account is not connected to IT Glue. `itglue-organization-already-mapped`: the IT Glue organization is mapped to another organization, named in `params`. `conflict`: the connection was changed meanwhile; nothing was done."
// @Failure 422 {object} Problem "`validation-failed`: the request has invalid or unknown values, all of them in `errors`. `itglue-key-rejected`: IT Glue refuses the API key."
// @Failure 502 {object} Problem "`itglue-unavailable`: IT Glue cannot be reached or has a fault of its own. `itglue-bad-answer`: its answer cannot be understood."
// @Failure 503 {object} Problem "`itglue-rate-limited`: IT Glue accepts no more requests for this key at the moment. `unavailable`: the request cannot be served at the moment."
// @Header 503 {integer} Retry-After "Seconds to wait"
// @Failure 504 {object} Problem "`itglue-timeout`: IT Glue did not answer in time."
// @Router /mappings/{organizationId} [put]
func (s *server) mapOrganization(c echo.Context) error {
	return answerRow(c, func(ctx context.Context, account, organization string) (mapping.Row, error) {
		var body mapOrganizationRequest
		if err := s.bind(c, &body); err != nil {
			return mapping.Row{}, err
		}
		return s.MappingService.Map(ctx, account, organization, body.ITGlueOrganizationID, actor(c))
	})
}

// updateMapping is the status toggle.
//
// @Summary Switch an organization's sync on or off
// @Description Off means that the mapping is `paused`: it is left out of syncs, except the refresh of this one organization.
// @ID updateMapping
// @Tags Mappings
// @Accept json
// @Security BearerAuth[admin]
// @Param organizationId path string true "Id of the organization" format(uuid)
// @Param request body updateMappingRequest true "The setting"
// @Success 200 {object} mappingDTO "The organization with its mapping as it is now"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `admin`."
// @Failure 404 {object} Problem "`not-found`: the account has nothing with this id."
// @Failure 409 {object} Problem "`not-mapped`: the organization is not mapped. `not-connected`: the account is not connected to IT Glue."
// @Router /mappings/{organizationId} [patch]
func (s *server) updateMapping(c echo.Context) error {
	return answerRow(c, func(ctx context.Context, account, organization string) (mapping.Row, error) {
		var body updateMappingRequest
		if err := s.bind(c, &body); err != nil {
			return mapping.Row{}, err
		}
		return s.MappingService.SetSyncEnabled(ctx, account, organization, *body.SyncEnabled, actor(c))
	})
}

// unmapOrganization picks "None".
//
// @Summary Unmap an organization
// @Description Takes the mapping away. This is remembered: no sync maps the organization by itself again.
// @ID unmapOrganization
// @Tags Mappings
// @Security BearerAuth[admin]
// @Param organizationId path string true "Id of the organization" format(uuid)
// @Success 200 {object} mappingDTO "The organization, no longer mapped"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `admin`."
// @Failure 404 {object} Problem "`not-found`: the account has nothing with this id."
// @Failure 409 {object} Problem "`not-connected`: the account is not connected to IT Glue."
// @Router /mappings/{organizationId} [delete]
func (s *server) unmapOrganization(c echo.Context) error {
	return answerRow(c, func(ctx context.Context, account, organization string) (mapping.Row, error) {
		return s.MappingService.Unmap(ctx, account, organization, actor(c))
	})
}

// syncOrganization is the refresh icon.
//
// @Summary Sync one organization now
// @Description Reads the IT Glue organization from IT Glue and takes its name over at once, also when the mapping is paused. If IT
// @Description Glue no longer has it, the organization is unmapped and `unmatched.code` of the answer is `deleted-in-itglue`.
// @ID syncOrganization
// @Tags Mappings
// @Security BearerAuth[admin]
// @Param organizationId path string true "Id of the organization" format(uuid)
// @Success 200 {object} mappingDTO "The organization with its mapping as it is now"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `admin`."
// @Failure 404 {object} Problem "`not-found`: the account has nothing with this id."
// @Failure 409 {object} Problem "`not-mapped`: the organization is not mapped. `not-connected`: the account is not connected to IT Glue. `conflict`: the mapping or the connection was changed meanwhile; nothing was done."
// @Failure 422 {object} Problem "`validation-failed`: the request has invalid or unknown values, all of them in `errors`. `itglue-key-rejected`: IT Glue refuses the API key."
// @Failure 502 {object} Problem "`itglue-unavailable`: IT Glue cannot be reached or has a fault of its own. `itglue-bad-answer`: its answer cannot be understood."
// @Failure 503 {object} Problem "`itglue-rate-limited`: IT Glue accepts no more requests for this key at the moment. `unavailable`: the request cannot be served at the moment."
// @Header 503 {integer} Retry-After "Seconds to wait"
// @Failure 504 {object} Problem "`itglue-timeout`: IT Glue did not answer in time."
// @Router /mappings/{organizationId}/sync [post]
func (s *server) syncOrganization(c echo.Context) error {
	return answerRow(c, func(ctx context.Context, account, organization string) (mapping.Row, error) {
		return s.SyncService.Refresh(ctx, account, organization, actor(c))
	})
}

// resumeRefresh answers the row as it is by now.
func (s *server) resumeRefresh(c echo.Context, done []idempotency.Effect) (bool, error) {
	if _, refreshed := find(done, event.SyncSucceeded); !refreshed {
		return false, nil
	}
	return true, s.getMapping(c)
}

// answerRow does something to the organization in the path and answers its row.
func answerRow(c echo.Context, do func(ctx context.Context, accountID, organizationID string) (mapping.Row, error)) error {
	id, err := pathID(c, "organizationId")
	if err != nil {
		return err
	}
	ifMatch(c, toMapping)
	row, err := do(c.Request().Context(), accountID(c), id)
	if err != nil {
		return err
	}
	return answerShown(c, http.StatusOK, toMapping(row))
}
