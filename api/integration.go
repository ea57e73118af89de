package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/idempotency"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/page"
)

// IntegrationStore reads what the integration's screens show.
type IntegrationStore interface {
	// Integration answers [errs.NotConnected] when the account has none.
	Integration(ctx context.Context, accountID string) (integration.Integration, error)
	DirectoryRows(ctx context.Context, accountID string, f integration.DirectoryFilter) (page.Page[integration.DirectoryRow], error)
	CountDirectoryRows(ctx context.Context, accountID string, f integration.DirectoryFilter) (int, error)
	MappingSummary(ctx context.Context, accountID string) (mapping.Summary, error)
	// ActiveSync is the queued or running sync, nil when there is none.
	ActiveSync(ctx context.Context, accountID string) (*orgsync.Sync, error)
	// LastSync is the sync that ended last, nil when there is none.
	LastSync(ctx context.Context, accountID string) (*orgsync.Sync, error)
}

// IntegrationService connects accounts to IT Glue, changes connections and ends them.
type IntegrationService interface {
	// Connect answers [errs.AlreadyConnected], [errs.ITGlueKeyRejected] or another IT Glue code.
	Connect(ctx context.Context, accountID string, by event.Actor, apiKey, region string) (integration.Integration, error)
	Test(ctx context.Context, apiKey, region string) (integration.TestResult, error)
	// Change answers [errs.NotConnected], [errs.DifferentITGlueAccount], [errs.Conflict], [errs.ITGlueKeyRejected] or another IT Glue code.
	Change(ctx context.Context, accountID string, c integration.Change, by event.Actor) (integration.Integration, error)
	// Deactivate answers [errs.NotConnected] or [errs.ConfirmationRequired].
	Deactivate(ctx context.Context, accountID string, confirmed bool, by event.Actor) (mappingsRemoved int, err error)
}

// listIntegrations lists the tiles of the integrations page.
//
// @Summary List integrations with their status
// @Description There is one: IT Glue.
// @ID listIntegrations
// @Tags Integration
// @Security BearerAuth[viewer]
// @Security BearerAuth[admin]
// @Success 200 {array} integrationTileDTO "All integrations on offer"
// @Failure 403 {object} Problem "`forbidden`: operators have no access to the contents of an account."
// @Router /integrations [get]
func (s *server) listIntegrations(c echo.Context) error {
	in, err := s.connection(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, []integrationTileDTO{{ID: itglueID, Name: "IT Glue", Status: statusOf(in)}})
}

// getIntegration reads the integration.
//
// @Summary Read the IT Glue integration
// @Description An account that is not connected gets `not_connected`, and null for what only a connection has.
// @ID getIntegration
// @Tags Integration
// @Security BearerAuth[viewer]
// @Security BearerAuth[admin]
// @Success 200 {object} integrationDTO "The integration, also when the account is not connected"
// @Failure 403 {object} Problem "`forbidden`: operators have no access to the contents of an account."
// @Router /integrations/itglue [get]
func (s *server) getIntegration(c echo.Context) error {
	in, err := s.connection(c)
	if err != nil {
		return err
	}
	return s.answerIntegration(c, http.StatusOK, in)
}

// connectIntegration connects the account.
//
// @Summary Connect to IT Glue
// @Description Checks the key with IT Glue, stores it encrypted and starts the initial sync, which is `activeSync` of the answer:
// @Description read `/syncs/{syncId}` to follow it. Nothing is stored when the check fails. When IT Glue refuses the key and another
// @Description region accepts it, `params.regionHint` of the problem names that region.
// @ID connectIntegration
// @Tags Integration
// @Accept json
// @Security BearerAuth[admin]
// @Param request body credentialsRequest true "API key and region"
// @Success 201 {object} integrationDTO "The integration; `activeSync` is the initial sync"
// @Header 201 {string} Location "Address of the integration"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `admin`."
// @Failure 409 {object} Problem "`already-connected`: the account has an integration already."
// @Failure 422 {object} Problem "`validation-failed`: the request has invalid or unknown values, all of them in `errors`. `itglue-key-rejected`: IT Glue refuses the API key."
// @Failure 502 {object} Problem "`itglue-unavailable`: IT Glue cannot be reached or has a fault of its own. `itglue-bad-answer`: its answer cannot be understood."
// @Failure 503 {object} Problem "`itglue-rate-limited`: IT Glue accepts no more requests for this key at the moment. `unavailable`: the request cannot be served at the moment."
// @Header 503 {integer} Retry-After "Seconds to wait"
// @Failure 504 {object} Problem "`itglue-timeout`: IT Glue did not answer in time."
// @Router /integrations/itglue/connect [post]
func (s *server) connectIntegration(c echo.Context) error {
	var body credentialsRequest
	if err := s.bind(c, &body); err != nil {
		return err
	}
	in, err := s.IntegrationService.Connect(c.Request().Context(), accountID(c), actor(c), body.APIKey, body.Region)
	if err != nil {
		return err
	}
	return s.answerConnected(c, &in)
}

func (s *server) answerConnected(c echo.Context, in *integration.Integration) error {
	c.Response().Header().Set(echo.HeaderLocation, base+"/integrations/"+itglueID)
	return s.answerIntegration(c, http.StatusCreated, in)
}

// resumeConnect answers the integration as it is by now, which may be no longer connected.
func (s *server) resumeConnect(c echo.Context, done []idempotency.Effect) (bool, error) {
	if _, connected := find(done, event.IntegrationConnected); !connected {
		return false, nil
	}
	in, err := s.connection(c)
	if err != nil {
		return true, err
	}
	return true, s.answerConnected(c, in)
}

// testIntegration checks a key and stores nothing.
//
// @Summary Test an API key
// @Description Checks the key as connecting does and stores nothing. The answer is 200 also when IT Glue refuses the key or cannot
// @Description be reached; `ok` is false then.
// @ID testIntegration
// @Tags Integration
// @Accept json
// @Security BearerAuth[admin]
// @Param request body credentialsRequest true "API key and region"
// @Success 200 {object} testResultDTO "What IT Glue says of the key: `ok` tells whether it is accepted"
// @Failure 403 {object} Problem "`forbidden`: this takes a token with the role `admin`."
// @Router /integrations/itglue/test [post]
func (s *server) testIntegration(c echo.Context) error {
	var body credentialsRequest
	if err := s.bind(c, &body); err != nil {
		return err
	}
	result, err := s.IntegrationService.Test(c.Request().Context(), body.APIKey, body.Region)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, toTestResult(result))
}

// listDirectory lists IT Glue organizations from the stored directory.
//
// @Summary List IT Glue organizations
// @Description The organizations to map to, sorted by name. They come from the directory, a stored copy of the list in IT Glue that
// @Description each sync renews; `listedAt` tells how old it is.
// @ID listDirectory
// @Tags Integration
// @Security BearerAuth[viewer]
// @Security BearerAuth[admin]
// @Param mapped query boolean false "`true`: only mapped ones; `false`: only those that are not"
// @Param search query string false "Text anywhere in the name, whatever its case" maxLength(255)
// @Param limit query integer false "Most rows on a page" minimum(1) maximum(200) default(50)
// @Param cursor query string false "`nextCursor` of the page before; all filters have to stay the same"
// @Param count query boolean false "Include the total count" default(false)
// @Success 200 {object} directoryDTO "One page of the directory"
// @Failure 403 {object} Problem "`forbidden`: operators have no access to the contents of an account."
// @Failure 409 {object} Problem "`not-connected`: the account is not connected to IT Glue."
// @Router /integrations/itglue/organizations [get]
func (s *server) listDirectory(c echo.Context) error {
	q := newQuery(c)
	f := integration.DirectoryFilter{Mapped: q.mapped(), Search: q.search(), Limit: q.limit()}
	f.After = q.after(atITGlueID)
	counted := q.count()
	if err := q.err(); err != nil {
		return err
	}
	ctx, id := c.Request().Context(), accountID(c)
	in, err := s.Integrations.Integration(ctx, id)
	if err != nil {
		return err
	}
	rows, err := s.Integrations.DirectoryRows(ctx, id, f)
	if err != nil {
		return err
	}
	n, err := total(counted, func() (int, error) { return s.Integrations.CountDirectoryRows(ctx, id, f) })
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, directoryDTO{
		Items: toDirectoryRows(rows.Items), NextCursor: q.next(rows.Next), Total: n, ListedAt: utc(in.ListedAt),
	})
}

// connection is the account's integration, nil when it is not connected.
func (s *server) connection(c echo.Context) (*integration.Integration, error) {
	in, err := s.Integrations.Integration(c.Request().Context(), accountID(c))
	if errs.Is(err, errs.NotConnected) {
		return nil, nil //nolint:nilnil // not to be connected is a state like another
	}
	return &in, err
}

func (s *server) answerIntegration(c echo.Context, status int, in *integration.Integration) error {
	ctx, id := c.Request().Context(), accountID(c)
	counts, err := s.Integrations.MappingSummary(ctx, id)
	if err != nil {
		return err
	}
	if in == nil {
		return answerShown(c, status, toIntegration(nil, counts, nil, nil, nil))
	}
	active, err := s.Integrations.ActiveSync(ctx, id)
	if err != nil {
		return err
	}
	last, err := s.Integrations.LastSync(ctx, id)
	if err != nil {
		return err
	}
	held, err := s.heldSync(c, in, last)
	if err != nil {
		return err
	}
	shown := toIntegration(in, counts, active, last, held)
	if status == http.StatusCreated && active == nil {
		setTag(c, shown)
		shown.ActiveSync = toSyncOrNull(last) // the initial sync of a small account may have ended already: its starter wants its id all the same
		return c.JSON(status, shown)
	}
	return answerShown(c, status, shown)
}

// overview is the integration as it is shown.
func overview(o orgsync.Overview) integrationDTO {
	return toIntegration(&o.Integration, o.Mappings, o.Active, o.Last, o.Held)
}

// heldSync is the sync whose removals wait for a person, nil when none do. It is the last one, unless that failed or was cancelled.
func (s *server) heldSync(c echo.Context, in *integration.Integration, last *orgsync.Sync) (*orgsync.Sync, error) {
	held := last
	if in.HeldSyncID == "" {
		return nil, nil //nolint:nilnil // that nothing waits is the good case
	}
	if held == nil || held.ID != in.HeldSyncID {
		sync, err := s.Syncs.Sync(c.Request().Context(), accountID(c), in.HeldSyncID)
		if err != nil {
			return nil, err
		}
		held = &sync
	}
	if held.Status != orgsync.Held { // decided on since the integration was read
		in.HeldSyncID = ""
		return nil, nil //nolint:nilnil // as above
	}
	return held, nil
}
