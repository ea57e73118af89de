// Package organization holds the account's own customer organizations, and imports them from IT Glue.
package organization

import (
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/names"
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

// Source is the IT Glue organization that an organization is imported from, as it was read through the connection.
type Source struct {
	Entry      integration.DirectoryEntry
	Connection integration.Integration
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

// New is an organization to be added. With an ITGlueID it is mapped to that IT Glue organization from the start, and an empty Name means
// IT Glue's.
type New struct {
	ITGlueID      string
	Name          string
	Domain        string
	EmailPlatform EmailPlatform
}

// Check tells all faults of an organization that is to be added, as far as they can be told without IT Glue; none when it is fine.
func (n New) Check() []errs.Field {
	_, faults := n.checked()
	return faults
}

// checked returns the organization with its domain in the form of [Domain], or all faults.
func (n New) checked() (New, []errs.Field) {
	var faults []errs.Field
	if n.Name != "" || n.ITGlueID == "" {
		faults = nameFaults(n.Name)
	}
	domain, err := Domain(n.Domain)
	if err != nil {
		faults = append(faults, errs.Field{Pointer: "/domain", Code: "domain-invalid", Detail: "The domain " + err.Error() + "."})
	}
	n.Domain = domain
	return n, append(faults, platformFaults(n.EmailPlatform)...)
}

// Change is what is to become of an organization; nil leaves as it is.
type Change struct {
	Name          *string
	EmailPlatform *EmailPlatform
}

// Check tells all faults of a change; none when it is fine.
func (c Change) Check() (faults []errs.Field) {
	if c.Name != nil {
		faults = nameFaults(*c.Name)
	}
	if c.EmailPlatform != nil {
		faults = append(faults, platformFaults(*c.EmailPlatform)...)
	}
	return faults
}

func nameFaults(name string) []errs.Field {
	problem := names.Check(name)
	if problem == names.Fine {
		return nil
	}
	return []errs.Field{{
		Pointer: "/name", Code: string(problem), Detail: "The name must have 1 to 255 legal characters and not be all blank.",
	}}
}

func platformFaults(platform EmailPlatform) []errs.Field {
	if platform == Microsoft365 || platform == GoogleWorkspace {
		return nil
	}
	return []errs.Field{{
		Pointer: "/emailPlatform", Code: "not-one-of", Detail: "The email platform must be microsoft_365 or google_workspace.",
	}}
}
