// Package orgsync keeps organizations in step with IT Glue: list the directory, plan the changes, apply them. All that decides is
// pure (plan.go); all that acts is small.
package orgsync

import (
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/schedule"
)

// Kind says what began a sync and what it may do.
type Kind string

// The kinds of syncs. Daily ones begin by themselves, others because a person asked for something. Preview plans and applies nothing;
// Organization is the refresh of one organization.
const (
	Initial      Kind = "initial"
	Daily        Kind = "daily"
	Manual       Kind = "manual"
	Preview      Kind = "preview"
	Organization Kind = "organization"
)

// Status is where a sync is.
type Status string

// A sync is queued, then running, then in one of the final states. Held means that removals wait for a person.
const (
	Queued    Status = "queued"
	Running   Status = "running"
	Succeeded Status = "succeeded"
	Held      Status = "held"
	Failed    Status = "failed"
	Cancelled Status = "cancelled"
)

// Phase is what a running sync is doing.
type Phase string

// The phases, in order. Confirming reads by id what the listing did not have; it is the only phase of a release, which also removes in
// it what is gone.
const (
	Listing    Phase = "listing"
	Confirming Phase = "confirming"
	Applying   Phase = "applying"
)

// Progress is how far a phase is. Total is 0 while unknown.
type Progress struct {
	Phase Phase // empty before the sync has begun
	Done  int
	Total int
}

// Counts is what a sync did, or would do as a preview.
type Counts struct {
	Listed    int // IT Glue organizations in the listing
	Unchanged int // active mappings whose names are in step already
	Renamed   int
	Mapped    int
	Unmapped  int
	Held      int // removals that wait for a person
	Skipped   int // changes that were not made, each with its reason
}

// Failure is why a sync failed, or, while it is queued again, why its last attempt did.
type Failure struct {
	Code   errs.Code
	Detail string
}

// Sync is one run.
type Sync struct {
	ID            string
	AccountID     string
	IntegrationID string
	Kind          Kind
	DueDate       schedule.Date // that a daily sync is for; empty for none
	Status        Status
	// Epoch counts the owners of the sync. What an earlier owner writes after a takeover is refused.
	Epoch       int
	Attempt     int
	NotBefore   time.Time // when queued again: not to be started earlier, by the database's clock; zero for at once
	Progress    Progress
	Counts      Counts
	Failure     *Failure
	RequestedBy event.Actor
	CreatedAt   time.Time
	StartedAt   *time.Time
	FinishedAt  *time.Time
	// ReleasedAt is when a person released the held removals, from then until they are made: the sync has nothing else to do.
	ReleasedAt *time.Time
}

// Final tells whether the sync has ended.
func (s Status) Final() bool { return s != Queued && s != Running }

// waitingSince is when the sync was asked for or, if later, its removals were released.
func (s *Sync) waitingSince() time.Time {
	if s.ReleasedAt != nil {
		return *s.ReleasedAt
	}
	return s.CreatedAt
}

// Fence names the owner of a running sync. Every write of a sync carries it and is refused with [errs.Fenced] once the sync is
// final, cancelled, taken over (another epoch) or its integration is gone.
type Fence struct {
	AccountID string
	SyncID    string
	Epoch     int
}

// Action is what a change does to one organization.
type Action string

// The actions. Skip says that the organization was left as it is, with the reason.
const (
	ActionMap    Action = "map"
	ActionRename Action = "rename"
	ActionUnmap  Action = "unmap"
	ActionSkip   Action = "skip"
)

// ChangeStatus is what became of a change.
type ChangeStatus string

// Planned changes are those of a preview, Held ones wait for a person, Refused ones were not made for the reason given.
const (
	ChangePlanned ChangeStatus = "planned"
	ChangeApplied ChangeStatus = "applied"
	ChangeHeld    ChangeStatus = "held"
	ChangeRefused ChangeStatus = "refused"
)

// Reason says why a change was made, held, refused or skipped.
type Reason string

// The reasons.
const (
	ReasonEqualName        Reason = "equal-name"                // map: both sides have this name once
	ReasonRenamedInITGlue  Reason = "renamed-in-itglue"         // rename
	ReasonDeletedInITGlue  Reason = "deleted-in-itglue"         // unmap: absent from the listing and 404 by id
	ReasonAbsent           Reason = "absent-from-listing"       // unmap, held: absent, not read by id any more
	ReasonStillReadable    Reason = "absent-but-readable"       // unmap, refused: absent, yet IT Glue answers the read by id
	ReasonNotConfirmed     Reason = "absence-not-confirmed"     // unmap, refused: the read by id gave no clear answer
	ReasonPaused           Reason = "paused"                    // skip: would change, but the mapping is paused
	ReasonAmbiguous        Reason = "ambiguous"                 // skip: the name occurs more than once on either side
	ReasonNameBlank        Reason = "name-blank"                // skip: IT Glue's name cannot be taken over
	ReasonNameTooLong      Reason = "name-too-long"             // skip
	ReasonNameNotLegal     Reason = "name-not-legal"            // skip
	ReasonChangedMeanwhile Reason = "changed-since-the-listing" // refused: a person changed the row; that wins
	ReasonRejectedByPerson Reason = "rejected-by-person"        // unmap, refused: it was held, and a person decided to keep the mapping
)

// Change is one thing that a sync did, would do or refused to do, for one organization.
type Change struct {
	// Seq orders the changes of one sync, from 1.
	Seq              int
	Action           Action
	Status           ChangeStatus
	Reason           Reason
	OrganizationID   string
	OrganizationName string
	ITGlueID         string // empty for a skip without a counterpart
	ITGlueName       string
	// Before and After are the organization's name for a rename, the IT Glue organization's id for map and unmap; empty for none.
	Before string
	After  string
}

// Credentials is what a sync learnt about the key.
type Credentials int

// A sync that never reached IT Glue leaves the key's standing as it was.
const (
	CredentialsUnknown Credentials = iota
	CredentialsAccepted
	CredentialsRejected
)

// Outcome is how a sync ended.
type Outcome struct {
	Status  Status // a final one
	Counts  Counts
	Failure *Failure
	// Credentials accepted clears the integration's attention for rejected credentials, rejected sets it (keeping since when).
	Credentials Credentials
	// ListedAt is when the listing began that the directory is as of; nil when it was left as it was.
	ListedAt *time.Time
	// ComparedAt is when the listing began that all active mappings were compared with; nil when they were not.
	ComparedAt *time.Time
	// Progress is the last one made.
	Progress Progress
}
