// Package mapping links organizations to IT Glue organizations, one to one in both directions.
package mapping

import (
	"time"

	"github.com/orgbridge/orgbridge/internal/page"
)

// State is what an organization's mapping is doing.
type State string

// Unmapped organizations show "None"; Paused mappings are left out of daily and manual syncs.
const (
	Unmapped State = "unmapped"
	Active   State = "active"
	Paused   State = "paused"
)

// Origin says who set a mapping up.
type Origin string

// The origins of a mapping.
const (
	OriginAuto   Origin = "auto"
	OriginManual Origin = "manual"
	OriginImport Origin = "import"
)

// UnmatchedCode says why an organization is not mapped, as of the last sync or the last decision of a person.
type UnmatchedCode string

// The reasons. The first four are found by a sync, the last two are facts that it keeps.
const (
	// Ambiguous: the name occurs more than once on either side.
	Ambiguous UnmatchedCode = "ambiguous"
	// NoEqualName: no IT Glue organization has this name.
	NoEqualName UnmatchedCode = "no-equal-name"
	// EqualNameTaken: the only IT Glue organization of this name is mapped to another organization.
	EqualNameTaken UnmatchedCode = "itglue-organization-already-mapped"
	// NotAutoMapped: exactly one IT Glue organization has this name, but auto-map did not run.
	NotAutoMapped UnmatchedCode = "not-auto-mapped"
	// UnmappedByPerson: a person picked "None"; auto-map never maps it again.
	UnmappedByPerson UnmatchedCode = "unmapped-by-person"
	// DeletedInITGlue: the IT Glue organization that it was mapped to is gone.
	DeletedInITGlue UnmatchedCode = "deleted-in-itglue"
)

// Candidate is an IT Glue organization that a person may mean. Mapped tells that it is taken.
type Candidate struct {
	ID     string
	Name   string
	Mapped bool
}

// Row is the mapping of one organization; every organization has exactly one row.
type Row struct {
	OrganizationID     string
	OrganizationName   string
	OrganizationDomain string
	State              State
	// ITGlueID and ITGlueName are empty when unmapped. ITGlueName is the directory's, or the last one seen when the directory has it no more.
	ITGlueID   string
	ITGlueName string
	Origin     Origin // empty when unmapped
	MappedAt   *time.Time
	// LastSyncedAt is the last time that a sync compared this mapping with IT Glue.
	LastSyncedAt *time.Time
	Unmatched    UnmatchedCode // empty when mapped or not looked at yet
	Candidates   []Candidate
}

// Sort is the order of a list of rows.
type Sort string

// The orders on offer. Names are compared folded, ties are broken by id.
const (
	SortName     Sort = "name"
	SortNameDesc Sort = "-name"
)

// Filter chooses rows. State and Unmatched empty mean all. Search is matched case-insensitively anywhere in the organization's name.
type Filter struct {
	State     State
	Unmatched UnmatchedCode
	Search    string
	Sort      Sort
	After     *page.Position
	Limit     int
}

// Summary counts an account's rows.
type Summary struct {
	Unmapped  int
	Active    int
	Paused    int
	Unmatched map[UnmatchedCode]int
}

// Total is the number of organizations.
func (s Summary) Total() int { return s.Unmapped + s.Active + s.Paused }
