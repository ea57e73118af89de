// Package event holds the facts of an account: who did what, when, and what it was before and after. They are its audit trail and its
// notifications.
//
// A fact is stored in the transaction that makes it true, under the next number of its account's sequence, so that no fact is without
// its event and the order of events is the order of commits.
package event

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"github.com/orgbridge/orgbridge/internal/page"
)

// Type says what happened.
type Type string

// The facts. Those of mappings and renames have an organization; those that a sync brought about name it.
const (
	AccountCreated         Type = "account.created"
	TokenCreated           Type = "token.created"
	TokenRevoked           Type = "token.revoked"
	IntegrationConnected   Type = "integration.connected"
	IntegrationChanged     Type = "integration.changed" // region, key or settings
	IntegrationDeactivated Type = "integration.deactivated"
	CredentialsRejected    Type = "integration.credentials-rejected"
	CredentialsAccepted    Type = "integration.credentials-accepted" // after they were rejected
	DailySyncPaused        Type = "daily-sync.paused"
	DailySyncResumed       Type = "daily-sync.resumed"
	DailySyncMissed        Type = "daily-sync.missed"
	OrganizationCreated    Type = "organization.created"
	OrganizationRenamed    Type = "organization.renamed"
	OrganizationChanged    Type = "organization.changed" // anything but the name; also that an unmapped one is to stay so
	OrganizationDeleted    Type = "organization.deleted"
	MappingMade            Type = "mapping.mapped"
	MappingRemoved         Type = "mapping.unmapped"
	MappingPaused          Type = "mapping.paused"
	MappingResumed         Type = "mapping.resumed"
	SyncQueued             Type = "sync.queued"
	SyncSucceeded          Type = "sync.succeeded"
	SyncHeld               Type = "sync.held"
	SyncFailed             Type = "sync.failed"
	SyncCancelled          Type = "sync.cancelled"
	RemovalsReleased       Type = "removals.released"
	RemovalsRejected       Type = "removals.rejected"
)

// Types returns all types, in the order of the screens that they belong to.
func Types() []Type {
	return []Type{
		AccountCreated, TokenCreated, TokenRevoked,
		IntegrationConnected, IntegrationChanged, IntegrationDeactivated, CredentialsRejected, CredentialsAccepted,
		DailySyncPaused, DailySyncResumed, DailySyncMissed,
		OrganizationCreated, OrganizationRenamed, OrganizationChanged, OrganizationDeleted,
		MappingMade, MappingRemoved, MappingPaused, MappingResumed,
		SyncQueued, SyncSucceeded, SyncHeld, SyncFailed, SyncCancelled, RemovalsReleased, RemovalsRejected,
	}
}

// PropertyTokenID is the property of a fact about a token, before or after, that says which one.
const PropertyTokenID = "tokenId"

// Actor is who asked for something: one of our tokens, or a person whom the identity provider vouches for. The zero Actor is orgbridge
// itself, or its operator on the command line.
type Actor struct {
	TokenID   string
	TokenName string
	// Subject is the person, as the identity provider calls them; empty for a token of ours.
	Subject string
}

// Subject is what a fact is about, with the name it had then.
type Subject struct {
	ID   string
	Name string
}

// Properties are those that a fact changed, by their names in the API, with values that JSON can show.
type Properties map[string]any

// Event is one fact. AccountID, Sequence and At are set by the store.
type Event struct {
	AccountID string
	// Sequence grows with each event of the account; it may leave numbers out.
	Sequence int64
	Type     Type
	At       time.Time
	Actor    Actor
	// SyncID is the sync that did it; empty when none did.
	SyncID       string
	Organization *Subject
	ITGlue       *Subject
	// Before and After hold what changed; nil when there is nothing to tell.
	Before Properties
	After  Properties
	// Detail is a sentence or a reason code; empty when the type says it all.
	Detail string
}

// ID is the event's UUID, of version 7: the same for each reading of the same event.
func (e Event) ID() string {
	text := binary.BigEndian.AppendUint64([]byte(e.AccountID), uint64(e.Sequence)) //nolint:gosec // never negative
	hash := sha256.Sum256(text)
	id := uuid.UUID(hash[:16])
	var millis [8]byte
	binary.BigEndian.PutUint64(millis[:], uint64(e.At.UnixMilli()))
	copy(id[:6], millis[2:])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

// Filter chooses events, newest first. Type and OrganizationID empty mean all; After is the last row of the page before, its Key being
// the sequence number.
type Filter struct {
	Type           Type
	OrganizationID string
	After          *page.Position
	Limit          int
}
