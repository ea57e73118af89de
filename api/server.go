package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/go-playground/validator/v10"
	"github.com/labstack/echo/v4"

	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/observe"
)

// base is where the versioned API begins.
const base = "/api/v1"

// Dependencies is all that the API needs. Version, HealthOnly, CORSOrigins, the limits, Observe, Traces, Metrics and TrustedProxies may
// be left out.
type Dependencies struct {
	Log *slog.Logger
	// Now is the clock of the access log and of the limits.
	Now func() time.Time
	// Ready tells why requests cannot be served, nil when they can.
	Ready func(context.Context) error
	// Draining tells that the process is about to end and wants no new requests.
	Draining func() bool
	// Version of the program, told by /healthz.
	Version string
	// HealthOnly is for processes that serve no API: they answer for their health and know no other address.
	HealthOnly bool
	// CORSOrigins are the origins whose pages may use the API from a browser, besides the API's own.
	CORSOrigins []string
	// RequestsPerMinute is how many requests each token may make of this process, and FailuresPerMinute how many bad tokens each address
	// may show it; 0 is any number.
	RequestsPerMinute int
	FailuresPerMinute int
	// Observe is told of every request that was answered, by the pattern of its path, and how long that took; of a stream, how long it took
	// until it began. It may be left out.
	Observe func(method, route string, status int, took time.Duration)
	// Traces has requests traced; it may be left out.
	Traces observe.Traces
	// Metrics answers operators who ask for /metrics. It is left out where the metrics are served elsewhere.
	Metrics http.Handler
	// TrustedProxies are believed to say in X-Forwarded-For whose request they pass on.
	TrustedProxies []netip.Prefix

	Authenticator       Authenticator
	Tokens              TokenStore
	Accounts            AccountStore
	AccountService      AccountService
	Integrations        IntegrationStore
	IntegrationService  IntegrationService
	Organizations       OrganizationStore
	OrganizationService OrganizationService
	Mappings            MappingStore
	MappingService      MappingService
	Syncs               SyncStore
	SyncService         SyncService
	Events              EventStore
	Streams             Streams
	Keys                KeyStore
}

func (d Dependencies) check() error {
	missing := func(name string, absent bool) error {
		if !absent {
			return nil
		}
		return fmt.Errorf("api: %s is missing", name)
	}
	return errors.Join(
		missing("Log", d.Log == nil), missing("Now", d.Now == nil), missing("Ready", d.Ready == nil),
		missing("Draining", d.Draining == nil), missing("Authenticator", d.Authenticator == nil),
		missing("Tokens", d.Tokens == nil), missing("Accounts", d.Accounts == nil), missing("AccountService", d.AccountService == nil),
		missing("Integrations", d.Integrations == nil), missing("IntegrationService", d.IntegrationService == nil),
		missing("Organizations", d.Organizations == nil), missing("OrganizationService", d.OrganizationService == nil),
		missing("Mappings", d.Mappings == nil), missing("MappingService", d.MappingService == nil),
		missing("Syncs", d.Syncs == nil), missing("SyncService", d.SyncService == nil),
		missing("Events", d.Events == nil), missing("Streams", d.Streams == nil), missing("Keys", d.Keys == nil),
	)
}

// server is the state behind the handlers.
type server struct {
	Dependencies

	validate *validator.Validate
	quota    *limiters[string] // of requests, by token
	attempts *attempts
}

// route is one operation of the API. Every GET route answers HEAD as well.
type route struct {
	method     string
	path       string
	permission permission
	// query tells that the handler reads query parameters, and refuses those that it does not know. Other routes refuse all.
	query bool
	// body tells that the handler reads a body. Other routes refuse one.
	body bool
	// stream tells that the answer is a stream of events, not JSON.
	stream  bool
	handler echo.HandlerFunc
	// resume answers a retry of what was done and not answered. Without it, the handler does: by doing nothing twice, or nothing at all.
	resume resumption
	// secret tells that what was done is answered with a secret, so that the answer is not kept for a retry. It has to resume.
	secret bool
}

// New returns the handler of the whole HTTP surface. It fails when a dependency is missing or a route does not say who may use it.
func New(d Dependencies) (http.Handler, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	validate, err := newValidator()
	if err != nil {
		return nil, err
	}
	s := &server{Dependencies: d, validate: validate}
	if s.quota, err = newLimiters[string](d.RequestsPerMinute, manyTokens, d.Now); err != nil {
		return nil, err
	}
	if s.attempts, err = newAttempts(d.FailuresPerMinute, d.Now); err != nil {
		return nil, err
	}
	e := echo.New()
	e.IPExtractor = clientAddress(d.TrustedProxies)
	e.HTTPErrorHandler = newProblems(d.Log).handle
	e.Use(limitTime, s.identify, s.trace, s.logAccess, shareWith(d.CORSOrigins), s.recoverPanics, limitAddress, limitHeaders, endAfterChunks)
	s.registerMetrics(e)
	if err := s.register(e, s.routes()); err != nil || d.HealthOnly {
		return e, err
	}
	if err := registerDocs(e); err != nil {
		return nil, fmt.Errorf("register the documentation: %w", err)
	}
	return e, nil
}

// routes is the whole API, one line an operation.
func (s *server) routes() []route {
	const (
		get    = http.MethodGet
		post   = http.MethodPost
		put    = http.MethodPut
		patch  = http.MethodPatch
		remove = http.MethodDelete
	)
	started, cancelled := s.resumeSync(event.SyncQueued, http.StatusAccepted), s.resumeSync(event.SyncCancelled, http.StatusOK)
	released, rejected := s.resumeSync(event.RemovalsReleased, http.StatusAccepted), s.resumeSync(event.RemovalsRejected, http.StatusOK)
	return append(s.accessRoutes(), []route{
		{method: get, path: "/healthz", permission: public, handler: s.health},
		{method: get, path: "/readyz", permission: public, handler: s.ready},

		{method: get, path: base + "/integrations", permission: read, handler: s.listIntegrations},
		{method: get, path: base + "/integrations/itglue", permission: read, handler: s.getIntegration},
		{method: patch, path: base + "/integrations/itglue", permission: write, body: true, handler: s.changeIntegration},
		{method: remove, path: base + "/integrations/itglue", permission: write, query: true, handler: s.deactivateIntegration},
		{
			method: post, path: base + "/integrations/itglue/connect", permission: write, body: true,
			handler: s.connectIntegration, resume: s.resumeConnect,
		},
		{method: post, path: base + "/integrations/itglue/test", permission: write, body: true, handler: s.testIntegration},
		{method: get, path: base + "/integrations/itglue/organizations", permission: read, query: true, handler: s.listDirectory},
		{method: get, path: base + "/integrations/itglue/organizations/:itglueId/domains", permission: read, handler: s.listDomains},

		{method: get, path: base + "/organizations", permission: read, query: true, handler: s.listOrganizations},
		{method: post, path: base + "/organizations", permission: write, body: true, handler: s.createOrganization, resume: s.resumeCreate},
		{method: post, path: base + "/organizations/import", permission: write, body: true, handler: s.importOrganizations},
		{method: get, path: base + "/organizations/:organizationId", permission: read, handler: s.getOrganization},
		{method: patch, path: base + "/organizations/:organizationId", permission: write, body: true, handler: s.updateOrganization},
		{method: remove, path: base + "/organizations/:organizationId", permission: write, handler: s.deleteOrganization},

		{method: get, path: base + "/mappings", permission: read, query: true, handler: s.listMappings},
		{method: get, path: base + "/mappings/summary", permission: read, handler: s.summarizeMappings},
		{method: get, path: base + "/mappings/:organizationId", permission: read, handler: s.getMapping},
		{method: put, path: base + "/mappings/:organizationId", permission: write, body: true, handler: s.mapOrganization},
		{method: patch, path: base + "/mappings/:organizationId", permission: write, body: true, handler: s.updateMapping},
		{method: remove, path: base + "/mappings/:organizationId", permission: write, handler: s.unmapOrganization},
		{method: post, path: base + "/mappings/:organizationId/sync", permission: write, handler: s.syncOrganization, resume: s.resumeRefresh},

		{method: get, path: base + "/syncs", permission: read, query: true, handler: s.listSyncs},
		{method: post, path: base + "/syncs", permission: write, body: true, handler: s.startSync, resume: started},
		{method: get, path: base + "/syncs/:syncId", permission: read, handler: s.getSync},
		{method: post, path: base + "/syncs/:syncId/cancel", permission: write, handler: s.cancelSync, resume: cancelled},
		{method: post, path: base + "/syncs/:syncId/release", permission: write, handler: s.releaseRemovals, resume: released},
		{method: post, path: base + "/syncs/:syncId/reject", permission: write, handler: s.rejectRemovals, resume: rejected},
		{method: get, path: base + "/syncs/:syncId/changes", permission: read, query: true, handler: s.listSyncChanges},
		{method: get, path: base + "/syncs/:syncId/events", permission: read, stream: true, handler: s.streamSync},

		{method: get, path: base + "/events", permission: read, query: true, handler: s.listEvents},
		{method: get, path: base + "/events/stream", permission: read, stream: true, handler: s.streamEvents},
	}...)
}

// accessRoutes are those about who may use the API.
func (s *server) accessRoutes() []route {
	const (
		get    = http.MethodGet
		post   = http.MethodPost
		remove = http.MethodDelete
	)
	return []route{
		{method: get, path: base + "/me", permission: authenticated, handler: s.me},
		// Who else has access is for admins alone to see.
		{method: get, path: base + "/tokens", permission: write, query: true, handler: s.listTokens},
		{
			method: post, path: base + "/tokens", permission: write, body: true,
			handler: s.createToken, resume: s.resumeToken, secret: true,
		},
		{method: get, path: base + "/tokens/:tokenId", permission: write, handler: s.getToken},
		{method: remove, path: base + "/tokens/:tokenId", permission: write, handler: s.revokeToken},

		{method: get, path: base + "/accounts", permission: operate, query: true, handler: s.listAccounts},
		{method: post, path: base + "/accounts", permission: operate, body: true, handler: s.createAccount, resume: s.resumeAccount},
		{method: get, path: base + "/accounts/:accountId", permission: operate, handler: s.getAccount},
		{
			method: post, path: base + "/accounts/:accountId/tokens", permission: operate, body: true,
			handler: s.createAccountToken, resume: s.resumeToken, secret: true,
		},
	}
}

// mediaTypes are those that the answer may have.
func (r route) mediaTypes() []string {
	if r.stream {
		return []string{streamMediaType}
	}
	return []string{echo.MIMEApplicationJSON, problemMediaType}
}

func (s *server) register(e *echo.Echo, routes []route) error {
	for _, r := range routes {
		if r.permission == undeclared {
			return fmt.Errorf("api: %s %s does not say who may use it", r.method, r.path)
		}
		if s.HealthOnly && r.permission != public {
			continue
		}
		h := r.handler
		if !r.query {
			h = withoutQuery(h)
		}
		if !r.body {
			h = withoutBody(h)
		}
		if r.method == http.MethodPost {
			h = s.idempotent(r, h)
		}
		if r.permission != public {
			h = s.authorize(r.permission, acceptable(h, r.mediaTypes()...))
		}
		e.Add(r.method, r.path, h)
		if r.method == http.MethodGet {
			e.Add(http.MethodHead, r.path, h)
		}
	}
	return nil
}
