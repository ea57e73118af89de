package api

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// changeIntegration changes the API key, the region and the settings.
//
// @Summary Change the API key, the region or the settings
// @Description Changes what the body names and leaves the rest: all of it, or nothing when anything is refused.
// @Description
// @Description A new key or region is checked with IT Glue first, and the old one stays in force when the check fails; a key alone keeps the
// @Description region, a region alone keeps the key. With the new one, syncs that IT Glue refused go on at once: attention for
// @Description `credentials-rejected` ends, and a sync starts within seconds unless daily syncs are paused. A sync that is queued or
// @Description running with the old one begins again. Removals that are held, or released and not made yet, are not made with the new one:
// @Description a sync that makes released removals is cancelled, and the next sync asks again.
// @Description
// @Description Mapped organizations, up to 200 of them, are looked up with the new key. When IT Glue has less than half of them under their
// @Description last known names, the key seems to be of another IT Glue account and is refused, unless `force` is true. With the key of
// @Description another account, the next sync does not find what the organizations are mapped to: it holds the removal of these mappings
// @Description until somebody releases or rejects it; only a removal of very few mappings is not held (see `removalLimitPercent`). Unless the
// @Description new key is seen to be of the account that the list of IT Glue organizations was read from, this list is emptied, and a manual
// @Description sync that reads it anew starts at once.
// @ID changeIntegration
// @Tags Integration
// @Accept json
// @Security BearerAuth[admin]
// @Param request body changeIntegrationRequest true "What to change"
// @Success 200 {object} integrationDTO "The integration as it is now"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `admin`."
// @Failure 409 {object} Problem "`not-connected`: the account is not connected to IT Glue. `different-itglue-account`: of the mapped organizations (`params.mapped`) that were looked for (`params.checked`), the key gives access to less than half (`params.found`); `force` takes it all the same. `conflict`: the key or region was changed by somebody else at the same time."
// @Failure 422 {object} Problem "`validation-failed`: the request has invalid or unknown values, all of them in `errors`. `itglue-key-rejected`: IT Glue refuses the API key; when another region accepts it, `params.regionHint` names that."
// @Failure 502 {object} Problem "`itglue-unavailable`: IT Glue cannot be reached or has a fault of its own. `itglue-bad-answer`: its answer cannot be understood."
// @Failure 503 {object} Problem "`itglue-rate-limited`: IT Glue accepts no more requests for this key at the moment. `unavailable`: the request cannot be served at the moment."
// @Header 503 {integer} Retry-After "Seconds to wait"
// @Failure 504 {object} Problem "`itglue-timeout`: IT Glue did not answer in time."
// @Router /integrations/itglue [patch]
func (s *server) changeIntegration(c echo.Context) error {
	var body changeIntegrationRequest
	if err := s.bind(c, &body); err != nil {
		return err
	}
	ifMatch(c, overview)
	in, err := s.IntegrationService.Change(c.Request().Context(), accountID(c), body.change(), actor(c))
	if err != nil {
		return err
	}
	return s.answerIntegration(c, http.StatusOK, &in)
}

// deactivateIntegration ends the connection.
//
// @Summary Deactivate the integration
// @Description Removes the API key, the list of IT Glue organizations and all mappings, with what is remembered about organizations that
// @Description are not mapped. This cannot be undone. A sync that is queued or running is cancelled and changes nothing more. The
// @Description organizations stay, and so do syncs and events. The account can be connected again at any time, and starts anew then.
// @Description
// @Description Without `confirm=true` nothing is done; the answer tells how many mappings would be lost.
// @ID deactivateIntegration
// @Tags Integration
// @Security BearerAuth[admin]
// @Param confirm query boolean false "`true`: yes, remove all mappings" default(false)
// @Success 200 {object} deactivatedDTO "The account is not connected any more"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `admin`."
// @Failure 409 {object} Problem "`confirmation-required`: `confirm` is not `true`; `params.mappings` mappings would be lost. `not-connected`: the account is not connected to IT Glue."
// @Router /integrations/itglue [delete]
func (s *server) deactivateIntegration(c echo.Context) error {
	q := newQuery(c)
	confirmed := q.yes("confirm")
	if err := q.err(); err != nil {
		return err
	}
	ifMatch(c, overview)
	removed, err := s.IntegrationService.Deactivate(c.Request().Context(), accountID(c), confirmed, actor(c))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, deactivatedDTO{MappingsRemoved: removed})
}
