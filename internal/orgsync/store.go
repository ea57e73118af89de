package orgsync

import (
	"context"
	"time"

	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/page"
)

// SyncStore keeps the life of syncs. Leases are counted in the database's time, so that nodes with wrong clocks agree.
type SyncStore interface {
	// StartSync stores a queued sync. When the account has a queued or running one, it returns that one with started false. It
	// answers [errs.NotConnected] when the sync's integration is not the account's.
	StartSync(ctx context.Context, s Sync) (stored Sync, started bool, err error)
	// ClaimSync makes a queued sync of the fence's epoch running with a lease, at the beginning of its first phase, sets StartedAt if it
	// is the first time, and drops the changes of an earlier attempt that were not applied, unless removals are released. The sync it
	// returns has the counts of the changes that remain. It answers [errs.Fenced] when the sync is not there to be claimed.
	ClaimSync(ctx context.Context, f Fence, lease time.Duration) (Sync, error)
	// Heartbeat renews the lease and writes the progress, or answers [errs.Fenced].
	Heartbeat(ctx context.Context, f Fence, lease time.Duration, p Progress) error
	// RequeueSync hands a running sync back: queued, epoch + 1, not to be started before the delay is over. With a failure it counts
	// as one more attempt and keeps the failure. It returns the new epoch.
	RequeueSync(ctx context.Context, f Fence, delay time.Duration, failure *Failure) (epoch int, err error)
	// DeferSync hands a running sync back as RequeueSync does, with the failure and without counting an attempt.
	DeferSync(ctx context.Context, f Fence, delay time.Duration, failure Failure) error
	// FinishSync ends a running sync. Of the counts it takes Listed and Unchanged; the others are counted from the stored changes. When
	// a sync of the whole account ends held, its removals are the ones that wait for a person; when it succeeds, none do.
	FinishSync(ctx context.Context, f Fence, o Outcome) error
}

// Batch is some of a plan's changes.
type Batch struct {
	Changes []Change
	// AsOf is the account's last event when the plan's input was read. While there is no later one, rows need not be checked again.
	AsOf   int64
	DryRun bool
}

// OurSide is what an account has of its own and of IT Glue.
type OurSide interface {
	// Size says how many organizations and directory entries the account has together.
	Size(ctx context.Context, accountID string) (int, error)
	// OrganizationStates returns all organizations of the account, in order of id, as of the account's event asOf or later.
	OrganizationStates(ctx context.Context, accountID string) (states []OrganizationState, asOf int64, err error)
	// Directory returns the stored directory, in order of id.
	Directory(ctx context.Context, accountID string) ([]integration.DirectoryEntry, error)
}

// StateStore reads what a plan needs and applies what it decides, in transactions of one call each. The writes check the fence in
// their transaction and answer [errs.Fenced].
type StateStore interface {
	OurSide

	// WriteDirectory inserts or overwrites the entries and removes the ids; at most 10,000 of both together.
	WriteDirectory(ctx context.Context, f Fence, entries []integration.DirectoryEntry, gone []string) error
	// DirectoryTaken notes when the directory was taken.
	DirectoryTaken(ctx context.Context, f Fence, at time.Time) error
	// ApplyChanges makes the planned changes, at most 10,000, each only if its row still is as the change says (a person's change
	// wins): map needs an unmapped organization, the only one of that name, that no person unmapped, and a target that is free;
	// rename needs an active mapping to the same IT Glue organization and the name Before; unmap needs an active mapping to
	// ITGlueID. Changes that no longer fit become refused with [ReasonChangedMeanwhile]. Planned changes become applied; others are
	// only recorded. With DryRun all are only recorded. It stores all of them after those of earlier calls, renumbering Seq; each
	// that it made is an event of the account.
	ApplyChanges(ctx context.Context, f Fence, b Batch) error
	// ApplyUnmatched writes reasons for organizations that are still unmapped and that no person unmapped; at most 10,000.
	ApplyUnmatched(ctx context.Context, f Fence, updates []UnmatchedUpdate) error
}

// ReleaseStore is what the release of held removals needs.
type ReleaseStore interface {
	// ReleaseRemovals has the held removals of a sync made: the sync is queued again. It answers [errs.NotFound], [errs.NotHeld],
	// [errs.NotConnected], [errs.SyncActive], or [errs.HeldSetChanged] when they are no longer what a person was shown.
	ReleaseRemovals(ctx context.Context, accountID, syncID string, by event.Actor) (Sync, error)
	SyncChanges(ctx context.Context, accountID, syncID string, f ChangeFilter) (page.Page[Change], error)
	// SettleRemovals makes those of the held changes that are planned now, each only if the mapping is active and still as the change
	// says, takes their IT Glue organizations out of the directory, and stores what became of all of them. It answers [errs.Fenced].
	SettleRemovals(ctx context.Context, f Fence, decided []Change) error
}

// RefreshStore is what the refresh of one organization needs.
type RefreshStore interface {
	// OrganizationState answers [errs.NotFound] when the account has no such organization.
	OrganizationState(ctx context.Context, accountID, organizationID string) (OrganizationState, error)
	// RejectCredentials notes that IT Glue refused the key of the integration, if the account still has this integration with this key.
	RejectCredentials(ctx context.Context, in integration.Integration, detail string) error
	// Refresh stores an ended sync of kind [Organization] with its changes and applies those that are planned, all in one
	// transaction. The key was accepted, so attention for a refused one ends. With an entry the directory gets it and the mapping's
	// LastSyncedAt is set; without one the directory loses state.ITGlueID. It changes nothing and answers [errs.Conflict] when the mapping
	// or the name is no longer as in state, or another key, region or connection has taken the place of the one that was read through;
	// [errs.NotConnected] when none has.
	Refresh(
		ctx context.Context, through integration.Integration, s Sync, state OrganizationState, entry *integration.DirectoryEntry,
		changes []Change,
	) error
}

// SweepStore finds syncs of all accounts that nobody works on.
type SweepStore interface {
	// TakeOverSyncs makes running syncs whose lease ran out queued again, with epoch and attempt + 1, and says how many.
	TakeOverSyncs(ctx context.Context) (int, error)
	// DueSyncs returns queued syncs whose time has come: those that a person waits for before others, and the longest waiting first.
	DueSyncs(ctx context.Context, limit int) ([]Waiting, error)
}

// Waiting is a queued sync.
type Waiting struct {
	Fence

	Patient bool // nobody asked for it, so nobody waits for it
}
