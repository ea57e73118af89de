package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

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
	Map(ctx context.Context, accountID, organizationID, itglueID string) (mapping.Row, error)
	// SetSyncEnabled answers [errs.NotMapped] when there is nothing to toggle.
	SetSyncEnabled(ctx context.Context, accountID, organizationID string, enabled bool) (mapping.Row, error)
	// Unmap answers [errs.NotConnected].
	Unmap(ctx context.Context, accountID, organizationID string) (mapping.Row, error)
}

// listMappings lists the rows of the mapping screen.
//
// @Summary List mapping rows
// @ID listMappings
// @Tags Mappings
// @Security BearerAuth
// @Param state query string false "Only rows in this state" Enums(unmapped, active, paused)
// @Param unmatched query string false "Only rows that are not mapped for this reason" Enums(ambiguous, no-equal-name, itglue-organization-already-mapped, not-auto-mapped, unmapped-by-person, deleted-in-itglue)
// @Param search query string false "Text anywhere in the organization's name, whatever its case" maxLength(255)
// @Param sort query string false "Order" Enums(name, -name) default(name)
// @Param limit query integer false "Rows on a page" minimum(1) maximum(200) default(50)
// @Param cursor query string false "The nextCursor of the page before, with the same filters"
// @Param count query boolean false "Tell the total as well" default(false)
// @Success 200 {object} list[mappingDTO]
// @Failure 403 {object} Problem "The token's role does not allow this"
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
// @Summary Count mapping rows by state and by reason
// @ID getMappingSummary
// @Tags Mappings
// @Security BearerAuth
// @Success 200 {object} mappingSummaryDTO
// @Failure 403 {object} Problem "The token's role does not allow this"
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
// @Summary Read an organization's mapping row
// @ID getMapping
// @Tags Mappings
// @Security BearerAuth
// @Param organizationId path string true "Id of the organization" format(uuid)
// @Success 200 {object} mappingDTO
// @Failure 403 {object} Problem "The token's role does not allow this"
// @Failure 404 {object} Problem "The account has nothing with this id"
// @Router /mappings/{organizationId} [get]
func (s *server) getMapping(c echo.Context) error {
	return answerRow(c, s.Mappings.Mapping)
}

// mapOrganization maps or re-maps an organization.
//
// @Summary Map an organization
// @Description Maps or re-maps; sync switches on. The name is not changed until a sync. An IT Glue organization that the directory
// @Description does not have yet is read live; one that IT Glue does not have is 422.
// @ID mapOrganization
// @Tags Mappings
// @Accept json
// @Security BearerAuth
// @Param organizationId path string true "Id of the organization" format(uuid)
// @Param request body mapOrganizationRequest true "What to map it to"
// @Success 200 {object} mappingDTO
// @Failure 403 {object} Problem "The token's role does not allow this"
// @Failure 404 {object} Problem "The account has nothing with this id"
// @Failure 409 {object} Problem "not-connected, or itglue-organization-already-mapped with the holder in params"
// @Failure 422 {object} Problem "validation-failed or itglue-key-rejected"
// @Failure 502 {object} Problem "itglue-unavailable or itglue-bad-answer"
// @Failure 503 {object} Problem "unavailable or itglue-rate-limited"
// @Header 503 {integer} Retry-After "Seconds to wait"
// @Failure 504 {object} Problem "itglue-timeout"
// @Router /mappings/{organizationId} [put]
func (s *server) mapOrganization(c echo.Context) error {
	return answerRow(c, func(ctx context.Context, account, organization string) (mapping.Row, error) {
		var body mapOrganizationRequest
		if err := s.bind(c, &body); err != nil {
			return mapping.Row{}, err
		}
		return s.MappingService.Map(ctx, account, organization, body.ITGlueOrganizationID)
	})
}

// updateMapping is the status toggle.
//
// @Summary Switch an organization's sync on or off
// @Description Mappings that are switched off are paused: left out of daily and manual syncs.
// @ID updateMapping
// @Tags Mappings
// @Accept json
// @Security BearerAuth
// @Param organizationId path string true "Id of the organization" format(uuid)
// @Param request body updateMappingRequest true "The setting"
// @Success 200 {object} mappingDTO
// @Failure 403 {object} Problem "The token's role does not allow this"
// @Failure 404 {object} Problem "The account has nothing with this id"
// @Failure 409 {object} Problem "not-mapped or not-connected"
// @Router /mappings/{organizationId} [patch]
func (s *server) updateMapping(c echo.Context) error {
	return answerRow(c, func(ctx context.Context, account, organization string) (mapping.Row, error) {
		var body updateMappingRequest
		if err := s.bind(c, &body); err != nil {
			return mapping.Row{}, err
		}
		return s.MappingService.SetSyncEnabled(ctx, account, organization, *body.SyncEnabled)
	})
}

// unmapOrganization picks "None".
//
// @Summary Unmap an organization
// @Description Remembered: auto-map never maps again what a person unmapped. Answers the row as it is then.
// @ID unmapOrganization
// @Tags Mappings
// @Security BearerAuth
// @Param organizationId path string true "Id of the organization" format(uuid)
// @Success 200 {object} mappingDTO
// @Failure 403 {object} Problem "The token's role does not allow this"
// @Failure 404 {object} Problem "The account has nothing with this id"
// @Failure 409 {object} Problem "not-connected"
// @Router /mappings/{organizationId} [delete]
func (s *server) unmapOrganization(c echo.Context) error {
	return answerRow(c, s.MappingService.Unmap)
}

// syncOrganization is the refresh icon.
//
// @Summary Sync one organization now
// @Description One live read of IT Glue; the name is overwritten at once, also when the mapping is paused. When IT Glue has the
// @Description organization no more, it is unmapped, and the row says so: `unmatched.code` is `deleted-in-itglue`.
// @ID syncOrganization
// @Tags Mappings
// @Security BearerAuth
// @Param organizationId path string true "Id of the organization" format(uuid)
// @Success 200 {object} mappingDTO
// @Failure 403 {object} Problem "The token's role does not allow this"
// @Failure 404 {object} Problem "The account has nothing with this id"
// @Failure 409 {object} Problem "not-connected, not-mapped, or conflict when the mapping was changed meanwhile"
// @Failure 422 {object} Problem "validation-failed or itglue-key-rejected"
// @Failure 502 {object} Problem "itglue-unavailable or itglue-bad-answer"
// @Failure 503 {object} Problem "unavailable or itglue-rate-limited"
// @Header 503 {integer} Retry-After "Seconds to wait"
// @Failure 504 {object} Problem "itglue-timeout"
// @Router /mappings/{organizationId}/sync [post]
func (s *server) syncOrganization(c echo.Context) error {
	return answerRow(c, func(ctx context.Context, account, organization string) (mapping.Row, error) {
		return s.SyncService.Refresh(ctx, account, organization, caller(c).Token)
	})
}

// answerRow does something to the organization in the path and answers its row.
func answerRow(c echo.Context, do func(ctx context.Context, accountID, organizationID string) (mapping.Row, error)) error {
	id, err := pathID(c, "organizationId")
	if err != nil {
		return err
	}
	row, err := do(c.Request().Context(), accountID(c), id)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, toMapping(row))
}
