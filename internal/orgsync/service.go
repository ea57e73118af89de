package orgsync

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/failpoint"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/observe"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// Connections opens an account's IT Glue.
type Connections interface {
	// Client answers [errs.NotConnected] when the account has no integration.
	Client(ctx context.Context, accountID string) (*itglue.Client, integration.Integration, error)
}

// Reads is what the service looks up.
type Reads interface {
	// Integration answers [errs.NotConnected] when the account has none.
	Integration(ctx context.Context, accountID string) (integration.Integration, error)
	Mapping(ctx context.Context, accountID, organizationID string) (mapping.Row, error)
}

// ServiceConfig is what a [Service] needs.
type ServiceConfig struct {
	Syncs       SyncStore
	Refreshes   RefreshStore
	Releases    ReleaseStore
	Reads       Reads
	Connections Connections
	Starter     integration.SyncStarter
	Now         func() time.Time
	Logger      *slog.Logger
	// Observe is told how each refresh went; it may be left out.
	Observe func(Ran)
}

// Service starts syncs and refreshes single organizations.
type Service struct {
	ServiceConfig
}

// NewService returns a service.
func NewService(c ServiceConfig) *Service {
	if c.Observe == nil {
		c.Observe = func(Ran) {}
	}
	return &Service{ServiceConfig: c}
}

// Start begins a sync, or returns the account's queued or running one with started false. It answers [errs.NotConnected].
func (s *Service) Start(ctx context.Context, accountID string, kind Kind, by event.Actor) (stored Sync, started bool, err error) {
	ctx = failpoint.Mark(ctx, failpoint.Start, accountID)
	ctx, span := observe.Start(ctx, "start a sync")
	defer func() { span.End(err) }()
	in, err := s.Reads.Integration(ctx, accountID)
	if err != nil {
		return Sync{}, false, err
	}
	stored, started, err = s.Syncs.StartSync(ctx, s.newSync(in, kind, by))
	if err != nil || !started {
		return stored, false, err
	}
	s.startSoon(ctx, stored)
	return stored, true, nil
}

// Release has the held removals of a sync made: the sync is queued again, and each of its IT Glue organizations is read by id before
// its mapping is removed. It answers [errs.NotFound], [errs.NotHeld], [errs.NotConnected], [errs.SyncActive] or [errs.HeldSetChanged].
func (s *Service) Release(ctx context.Context, accountID, syncID string, by event.Actor) (Sync, error) {
	ctx = failpoint.Mark(ctx, failpoint.Start, accountID)
	released, err := s.Releases.ReleaseRemovals(ctx, accountID, syncID, by)
	if err != nil {
		return Sync{}, err
	}
	s.startSoon(ctx, released)
	return released, nil
}

func (s *Service) startSoon(ctx context.Context, queued Sync) {
	if err := s.Starter.StartSoon(ctx, queued.AccountID, queued.ID, queued.Epoch); err != nil {
		s.Logger.WarnContext(ctx, "sync left to the sweeper", "accountId", queued.AccountID, "syncId", queued.ID, "error", err)
	}
}

func (s *Service) newSync(in integration.Integration, kind Kind, by event.Actor) Sync {
	return Sync{
		ID: uuid.Must(uuid.NewV7()).String(), AccountID: in.AccountID, IntegrationID: in.ID, Kind: kind, Status: Queued, Epoch: 1,
		CreatedAt: s.Now(), RequestedBy: by,
	}
}

// Refresh syncs one organization at once with one live read, also when its mapping is paused: its name is overwritten with IT Glue's,
// or the mapping removed when IT Glue answers that the organization is gone. The row it returns tells which.
//
// It answers [errs.NotFound], [errs.NotConnected], [errs.NotMapped], [errs.Conflict] when the mapping or the connection was changed
// during the read, or an IT Glue code; then nothing was changed.
func (s *Service) Refresh(ctx context.Context, accountID, organizationID string, by event.Actor) (row mapping.Row, err error) {
	ctx, span := observe.Start(ctx, "refresh an organization")
	defer func() { span.End(err) }()
	state, err := s.Refreshes.OrganizationState(ctx, accountID, organizationID)
	if err != nil {
		return mapping.Row{}, err
	}
	client, in, err := s.Connections.Client(ctx, accountID)
	if err != nil {
		return mapping.Row{}, err
	}
	if state.State == mapping.Unmapped {
		return mapping.Row{}, errs.New(errs.NotMapped, "The organization is not mapped.")
	}
	began := s.Now()
	defer func() { s.Observe(refreshed(err, s.Now().Sub(began))) }()
	entry, err := readEntry(ctx, client, state.ITGlueID)
	if errs.Is(err, errs.ITGlueKeyRejected) {
		err = errors.Join(err, s.Refreshes.RejectCredentials(ctx, in, errs.DetailOf(err)))
	}
	if err != nil {
		return mapping.Row{}, err
	}
	run, plan := s.newSync(in, Organization, by), PlanRefresh(state, entry)
	finished := s.Now()
	run.Status, run.Counts, run.StartedAt, run.FinishedAt = Succeeded, plan.Counts, &run.CreatedAt, &finished
	if err := s.Refreshes.Refresh(ctx, in, run, state, entry, plan.Changes); err != nil {
		return mapping.Row{}, err
	}
	return s.Reads.Mapping(ctx, accountID, organizationID)
}

// readEntry reads one IT Glue organization by id; nil when it is gone.
func readEntry(ctx context.Context, client *itglue.Client, id string) (*integration.DirectoryEntry, error) {
	ctx, cancel := integration.Interactive(ctx)
	defer cancel()
	live, err := client.Organization(ctx, id)
	if isGone(err) {
		return nil, nil //nolint:nilnil // gone is an answer, not an error
	}
	if err != nil {
		return nil, integration.FromITGlue(err)
	}
	entry := integration.Entry(live)
	return &entry, nil
}
