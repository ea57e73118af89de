package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/idempotency"
	"github.com/orgbridge/orgbridge/internal/organization"
)

// importOrganizations adds several organizations from IT Glue.
//
// @Summary Import organizations from IT Glue
// @Description Adds up to 200 IT Glue organizations under their names there, each mapped to its IT Glue organization. Every item is
// @Description imported wholly or not at all, one after the other, whatever becomes of the others: the answer has one result for each, in
// @Description their order. A request that has failures may be sent again as it is: what has been imported fails with
// @Description `itglue-organization-already-mapped` and nothing is done twice.
// @Description
// @Description When the request itself is refused, or IT Glue cannot be asked for the organizations, nothing is imported.
// @ID importOrganizations
// @Tags Organizations
// @Accept json
// @Security BearerAuth[admin]
// @Param request body importRequest true "The IT Glue organizations"
// @Success 200 {object} importDTO "What became of each item, whether imported or not"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `admin`."
// @Failure 409 {object} Problem "`not-connected`: the account is not connected to IT Glue."
// @Failure 422 {object} Problem "`validation-failed`: the request has invalid or unknown values, all of them in `errors`. `itglue-key-rejected`: IT Glue refuses the API key."
// @Failure 502 {object} Problem "`itglue-unavailable`: IT Glue cannot be reached or has a fault of its own. `itglue-bad-answer`: its answer cannot be understood."
// @Failure 503 {object} Problem "`itglue-rate-limited`: IT Glue accepts no more requests for this key at the moment. `unavailable`: the request cannot be served at the moment."
// @Header 503 {integer} Retry-After "Seconds to wait"
// @Failure 504 {object} Problem "`itglue-timeout`: IT Glue did not answer in time."
// @Router /organizations/import [post]
func (s *server) importOrganizations(c echo.Context) error {
	var body importRequest
	if err := s.bind(c, &body); err != nil {
		return err
	}
	outcomes, err := s.importOnce(c, body.items())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, toImport(outcomes))
}

// importOnce imports the items but those that an attempt with the same Idempotency-Key has imported.
func (s *server) importOnce(c echo.Context, items []organization.Item) ([]organization.Outcome, error) {
	ctx, id := c.Request().Context(), accountID(c)
	before := importedBefore(idempotency.From(ctx))
	if len(before) == 0 {
		return s.OrganizationService.Import(ctx, id, items, actor(c))
	}
	outcomes, missing, places := make([]organization.Outcome, len(items)), []organization.Item{}, []int{}
	for i, item := range items {
		organizationID, done := before[item.ITGlueID]
		if !done {
			missing, places = append(missing, item), append(places, i)
			continue
		}
		delete(before, item.ITGlueID) // a second item for the same one was not imported
		o, err := s.Organizations.Organization(ctx, id, organizationID)
		outcomes[i] = organization.Outcome{ITGlueID: item.ITGlueID, Organization: o}
		if errs.Is(err, errs.NotFound) {
			outcomes[i].Failure = errs.New(errs.Conflict, "The organization was imported by an earlier request with this key, and deleted since.")
		} else if err != nil {
			return nil, err
		}
	}
	if len(missing) == 0 {
		return outcomes, nil
	}
	fresh, err := s.OrganizationService.Import(ctx, id, missing, actor(c))
	for i := range fresh {
		outcomes[places[i]] = fresh[i]
	}
	return outcomes, err
}

// importedBefore returns the organizations that earlier attempts have imported, by their IT Glue organizations.
func importedBefore(claim *idempotency.Claim) map[string]string {
	imported := map[string]string{}
	if claim == nil {
		return imported
	}
	for _, e := range claim.Effects {
		if e.Type == event.MappingMade {
			imported[e.ITGlueID] = e.OrganizationID
		}
	}
	return imported
}
