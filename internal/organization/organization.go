// Package organization holds the account's own customer organizations.
package organization

import (
	"time"

	"github.com/orgbridge/orgbridge/internal/page"
)

// EmailPlatform is where an organization's mail lives.
type EmailPlatform string

// The email platforms that the security product protects.
const (
	Microsoft365    EmailPlatform = "microsoft_365"
	GoogleWorkspace EmailPlatform = "google_workspace"
)

// Organization is one customer of the account. Its domain is lower-case ASCII and never changes.
type Organization struct {
	ID            string
	AccountID     string
	Name          string
	Domain        string
	EmailPlatform EmailPlatform
	CreatedAt     time.Time
	UpdatedAt     time.Time
	// Mapped tells whether the organization is mapped to an IT Glue organization.
	Mapped bool
}

// Filter chooses organizations. Search is matched case-insensitively anywhere in the name. Rows come in the order of
// (folded name, id), or the reverse with Descending; After is the last row of the page before.
type Filter struct {
	Search     string
	Mapped     *bool
	Descending bool
	After      *page.Position
	Limit      int
}
