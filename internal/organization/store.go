package organization

import (
	"context"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
)

// Store keeps organizations.
type Store interface {
	// CreateOrganization stores the organization with its unmapped mapping row. It answers [errs.DomainTaken] when the account has
	// an organization with that domain.
	CreateOrganization(ctx context.Context, accountID string, o Organization, by event.Actor) error
	// ImportOrganization stores the organization and its mapping to the source, active and of the origin import: both or neither. It
	// answers [errs.NotConnected], [errs.Conflict] when the source's connection is not the account's any more, [errs.AlreadyMapped]
	// with the params organizationId and organizationName of the holder, or [errs.DomainTaken].
	ImportOrganization(ctx context.Context, accountID string, o Organization, from Source, by event.Actor) error
	// UpdateOrganization makes the change and returns the organization. It answers [errs.NotFound].
	UpdateOrganization(ctx context.Context, accountID, id string, change Change, by event.Actor) (Organization, error)
	// DomainHolders returns the ids of the organizations that have one of the domains, by domain.
	DomainHolders(ctx context.Context, accountID string, domains []string) (map[string]string, error)
	// AlreadyMapped returns the [errs.AlreadyMapped] of each of the IT Glue organizations that an organization is mapped to.
	AlreadyMapped(ctx context.Context, accountID string, itglueIDs []string) (map[string]*errs.Error, error)
}
