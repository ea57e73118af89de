package mapping

import (
	"context"

	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
)

// Target is the IT Glue organization to map to. When it was read live, Connection is what it was read through. Without one it is an entry
// of the directory, and only its id counts.
type Target struct {
	Entry      integration.DirectoryEntry
	Connection *integration.Integration
}

// Store keeps mappings. Every method answers [errs.NotFound] when the account has no such organization.
type Store interface {
	// Mapping returns the organization's row with its candidates.
	Mapping(ctx context.Context, accountID, organizationID string) (Row, error)
	// MapOrganization maps or re-maps, sets the state active and forgets why it was not mapped. It answers [errs.NotConnected]
	// without an integration, [errs.Conflict] when the target was read through another connection than the account's, or is one of the
	// directory and no longer there, and [errs.AlreadyMapped] with the params organizationId and organizationName of the holder when
	// it is taken. Mapping to the same target again only makes it active.
	MapOrganization(ctx context.Context, accountID, organizationID string, target Target, origin Origin, by event.Actor) error
	// SetSyncEnabled makes a mapping active or paused. It answers [errs.NotMapped] when there is none.
	SetSyncEnabled(ctx context.Context, accountID, organizationID string, enabled bool, by event.Actor) error
	// UnmapByPerson removes the mapping, if any, and remembers that a person did. [errs.NotConnected] without an integration.
	UnmapByPerson(ctx context.Context, accountID, organizationID string, by event.Actor) error
	// DirectoryEntry answers [errs.NotFound] when the directory does not have the id.
	DirectoryEntry(ctx context.Context, accountID, itglueID string) (integration.DirectoryEntry, error)
}
