// Package integration is an account's connection to IT Glue: connecting, testing a key, the sealed key and what needs attention.
package integration

import (
	"time"

	"github.com/orgbridge/orgbridge/internal/page"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// AutoMap says in which syncs organizations with equal names are mapped without a person.
type AutoMap string

// The values of the autoMap setting; OnConnect is the default.
const (
	OnConnect AutoMap = "on_connect"
	EverySync AutoMap = "every_sync"
	Off       AutoMap = "off"
)

// DefaultRemovalLimitPercent is the share of the active mappings that one sync may remove on its own.
const DefaultRemovalLimitPercent = 10

// Integration is an account's connection to IT Glue. ID is new for every connect, so that what was begun under an earlier
// connection can be told apart. The key is sealed for the account and this ID.
type Integration struct {
	AccountID           string
	ID                  string
	Region              itglue.Region
	SealedKey           []byte
	APIKeyHint          string // last four characters
	ConnectedAt         time.Time
	AutoMap             AutoMap
	RemovalLimitPercent int
	Daily               DailySync
	// HeldSyncID is the sync whose removals wait for a person; empty when none do.
	HeldSyncID string
	// ListedAt is when the directory was taken; nil before the first complete listing.
	ListedAt *time.Time
	// LastSyncedAt is when the last listing began that active mappings were compared with.
	LastSyncedAt *time.Time
	Attention    *Attention
}

// DailySync says when the account's daily sync runs.
type DailySync struct {
	Enabled  bool
	TimeZone string // IANA name
	Time     string // HH:MM, local
	// LastDate is the local date of the last one; empty before the first.
	LastDate string
	// NextDate and NextRunAt are those of the next one; none while paused.
	NextDate  string
	NextRunAt *time.Time
}

// AttentionCode says why a person should look at the integration.
type AttentionCode string

const (
	// CredentialsRejected says that IT Glue refused the key during a sync.
	CredentialsRejected AttentionCode = "credentials-rejected"
	// DifferentAccount says that the key seems to show another IT Glue account than before.
	DifferentAccount AttentionCode = "different-itglue-account"
)

// Attention is a reason to look at the integration, standing since the given time.
type Attention struct {
	Code   AttentionCode
	Detail string
	Since  time.Time
}

// Mapped is an IT Glue organization that an organization is mapped to, with the name it was last known by. Listed says that the directory
// has it.
type Mapped struct {
	ID     string
	Name   string
	Listed bool
}

// DirectoryEntry is one IT Glue organization of the directory.
type DirectoryEntry struct {
	ID         string
	Name       string
	ShortName  string
	TypeName   string
	StatusName string
	Primary    bool
}

// DirectoryRow is a directory entry with the organization it is mapped to; MappedOrganizationID is empty when it is not.
type DirectoryRow struct {
	DirectoryEntry

	MappedOrganizationID string
}

// DirectoryFilter chooses directory rows. Mapped nil means both. Search is matched case-insensitively anywhere in the name.
// After and Limit page through the rows in the order of (folded name, id).
type DirectoryFilter struct {
	Mapped *bool
	Search string
	After  *page.Position
	Limit  int
}
