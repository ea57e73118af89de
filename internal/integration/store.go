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
}

// InitialSync is the sync that a connect begins with.
type InitialSync struct {
	ID string
	By event.Actor
}
