package integration

import (
	"context"

	"github.com/orgbridge/orgbridge/internal/event"
)

// Store keeps integrations.
type Store interface {
	// Integration answers [errs.NotConnected] when the account has none.
	Integration(ctx context.Context, accountID string) (Integration, error)
	// Connect stores the integration and, in the same transaction, its queued initial sync (epoch 1). It answers
	// [errs.AlreadyConnected] when the account has an integration.
	Connect(ctx context.Context, accountID string, in Integration, initial InitialSync) error
	// ChangeIntegration stores what change makes of the integration, which nobody else changes meanwhile, with the facts. It may call
	// change more than once, and returns its error. When the key was accepted, attention for a refused one ends, and if there was any, a
	// sync is due at once unless daily syncs are paused. When key or region are others, held removals wait for nobody any more, and a
	// sync that waits or runs begins again, without counting as an attempt, or is cancelled if it makes released removals; what its owner
	// still writes is refused. To be listed anew, the directory is emptied, and a manual sync begins if no other does. The sync that can
	// begin is returned, nil if none can. It answers [errs.NotConnected].
	ChangeIntegration(ctx context.Context, accountID string, change func(Integration) (Changed, error)) (Integration, *QueuedSync, error)
	// CountMapped counts the mappings, paused ones included.
	CountMapped(ctx context.Context, accountID string) (int, error)
	// MappedSample returns mapped IT Glue organizations, at most n, taken evenly from all of them.
	MappedSample(ctx context.Context, accountID string, n int) ([]Mapped, error)
	// Deactivate removes the integration with its key, the directory and all mappings, ends the sync that waits or runs, and returns
	// how many mappings there were. It answers [errs.NotConnected].
	Deactivate(ctx context.Context, accountID string, by event.Actor) (mappingsRemoved int, err error)
}

// InitialSync is the sync that a connect begins with.
type InitialSync struct {
	ID string
	By event.Actor
}

// QueuedSync is a sync that can begin.
type QueuedSync struct {
	ID    string
	Epoch int
}
