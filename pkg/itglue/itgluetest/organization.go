package itgluetest

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// Organization is an organization in the simulated IT Glue.
type Organization struct {
	// ID is a number in decimal digits below 2^64. Server.Add makes up one
	// of 16 digits if it is empty.
	ID string `json:"id"`

	Name      string `json:"name"`
	ShortName string `json:"shortName,omitempty"` // null in IT Glue if empty

	// A type or status with neither id nor name is null in IT Glue. With a
	// name alone, the id is looked up or made up.
	TypeID     int    `json:"typeId,omitempty"`
	TypeName   string `json:"typeName,omitempty"`
	StatusID   int    `json:"statusId,omitempty"`
	StatusName string `json:"statusName,omitempty"`

	// Primary marks the account's own company.
	Primary bool `json:"primary,omitempty"`

	Alert       string `json:"alert,omitempty"`
	Description string `json:"description,omitempty"`
	QuickNotes  string `json:"quickNotes,omitempty"` // cut to 250 characters in lists

	ParentID        string `json:"parentId,omitempty"`
	GroupIDs        []int  `json:"groupIds,omitempty"`
	MyGlueAccountID int    `json:"myGlueAccountId,omitempty"`

	// PSAIntegration names the PSA the organization is synced from, such as
	// "manage" or "autotask". A synced organization refuses most changes.
	PSAIntegration string `json:"psaIntegration,omitempty"`
	PSAID          string `json:"psaId,omitempty"`

	// Domains are the names in the organization's domain tracker.
	Domains []string `json:"domains,omitempty"`

	// CreatedAt and UpdatedAt are set to the time of Server.Add if zero.
	CreatedAt time.Time `json:"createdAt,omitzero"`
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
}

// record is an organization in the store. It is never changed, only replaced,
// so that a request may go on with the records it has found.
type record struct {
	Organization

	id      uint64
	domains []domain

	// deleted is set while a deleted organization is still listed.
	deleted   bool
	goneSince time.Time
}

type domain struct {
	id        uint64
	name      string
	owner     *record
	createdAt time.Time
}

func (r *record) clone() *record {
	twin := *r
	twin.domains = slices.Clone(r.domains)

	for i := range twin.domains {
		twin.domains[i].owner = &twin
	}

	return &twin
}

func (r *record) export() Organization {
	organization := r.Organization
	organization.Domains = slices.Clone(organization.Domains)
	organization.GroupIDs = slices.Clone(organization.GroupIDs)

	return organization
}

func compareID(a, b *record) int { return cmp.Compare(a.id, b.id) }

func parseID(text string) (uint64, bool) {
	id, err := strconv.ParseUint(text, 10, 64)

	return id, err == nil
}
