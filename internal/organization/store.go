package organization

import (
	"context"

	"github.com/orgbridge/orgbridge/internal/event"
)

// Store keeps organizations.
type Store interface {
	// CreateOrganization stores the organization with its unmapped mapping row. It answers [errs.DomainTaken] when the account has
	// an organization with that domain.
	CreateOrganization(ctx context.Context, accountID string, o Organization, by event.Actor) error
}
