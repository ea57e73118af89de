package mapping

import (
	"context"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// Connections opens an account's IT Glue.
type Connections interface {
	// Client answers [errs.NotConnected] when the account has no integration.
	Client(ctx context.Context, accountID string) (*itglue.Client, integration.Integration, error)
}

// Service does what a person decides about mappings.
type Service struct {
	store       Store
	connections Connections
}

// NewService returns a service on the store.
func NewService(store Store, connections Connections) *Service {
	return &Service{store: store, connections: connections}
}

// Map maps or re-maps an organization; sync switches on, the name stays until a sync. It answers [errs.NotFound] for an unknown
// organization, [errs.NotConnected], [errs.AlreadyMapped] with the holder, [errs.Conflict] when the connection was changed meanwhile, or
// [errs.ValidationFailed] when IT Glue has no such organization. An IT Glue organization that the directory does not have yet is read
// live, so the IT Glue codes are possible too.
func (s *Service) Map(ctx context.Context, accountID, organizationID, itglueID string, by event.Actor) (Row, error) {
	if _, err := s.store.Mapping(ctx, accountID, organizationID); err != nil {
		return Row{}, err
	}
	target, err := s.target(ctx, accountID, itglueID)
	if err != nil {
		return Row{}, err
	}
	if err := s.store.MapOrganization(ctx, accountID, organizationID, target, OriginManual, by); err != nil {
		return Row{}, err
	}
	return s.store.Mapping(ctx, accountID, organizationID)
}

func (s *Service) target(ctx context.Context, accountID, itglueID string) (Target, error) {
	entry, err := s.store.DirectoryEntry(ctx, accountID, itglueID)
	if err == nil || !errs.Is(err, errs.NotFound) {
		return Target{Entry: entry}, err
	}
	client, in, err := s.connections.Client(ctx, accountID)
	if err != nil {
		return Target{}, err
	}
	ctx, cancel := integration.Interactive(ctx)
	defer cancel()
	live, err := client.Organization(ctx, itglueID)
	if itglue.IsNotFound(err) {
		return Target{}, errs.Invalid(errs.Field{
			Pointer: "/itglueOrganizationId", Code: "unknown", Detail: "IT Glue has no such organization.",
		})
	}
	if err != nil {
		return Target{}, integration.FromITGlue(err)
	}
	return Target{Entry: integration.Entry(live), Connection: &in}, nil
}

// SetSyncEnabled is the status toggle: a mapping that is not enabled is left out of daily and manual syncs. It answers
// [errs.NotFound], or [errs.NotMapped] when there is nothing to toggle.
func (s *Service) SetSyncEnabled(ctx context.Context, accountID, organizationID string, enabled bool, by event.Actor) (Row, error) {
	if err := s.store.SetSyncEnabled(ctx, accountID, organizationID, enabled, by); err != nil {
		return Row{}, err
	}
	return s.store.Mapping(ctx, accountID, organizationID)
}

// Unmap picks "None". It is remembered: auto-map never maps the organization again. It answers [errs.NotFound] or
// [errs.NotConnected].
func (s *Service) Unmap(ctx context.Context, accountID, organizationID string, by event.Actor) (Row, error) {
	if err := s.store.UnmapByPerson(ctx, accountID, organizationID, by); err != nil {
		return Row{}, err
	}
	return s.store.Mapping(ctx, accountID, organizationID)
}
