package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/failpoint"
	"github.com/orgbridge/orgbridge/internal/observe"
	"github.com/orgbridge/orgbridge/internal/seal"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

const (
	// hintLength is how many characters of a key are shown, if it is so long that they tell nothing of it.
	hintLength   = 4
	minHintedKey = 16
	// interactiveTimeout bounds what a waiting person's request spends on IT Glue, so that there is time left to tell how it went.
	interactiveTimeout = 40 * time.Second
)

// SyncStarter begins a stored sync soon. A sync that it could not begin is begun later by the sweeper.
type SyncStarter interface {
	StartSoon(ctx context.Context, accountID, syncID string, epoch int) error
}

// Config is what a [Service] needs.
type Config struct {
	Store   Store
	Sealed  SealedStore
	Keyset  *seal.Keyset
	ITGlue  *Dialer
	Starter SyncStarter
	Now     func() time.Time
	Logger  *slog.Logger
}

// Service connects accounts to IT Glue.
type Service struct {
	Config

	vouched atomic.Value // the mark of the sealing key that is known to be of this database
}

// NewService returns a service.
func NewService(c Config) *Service { return &Service{Config: c} }

// Connect checks the key with IT Glue, stores the integration with the key sealed and begins the initial sync. Nothing is stored when
// the check fails.
//
// It answers [errs.AlreadyConnected], [errs.ITGlueKeyRejected] (with the param regionHint when another region accepts the key) or one
// of the other IT Glue codes.
func (s *Service) Connect(
	ctx context.Context, accountID string, by event.Actor, apiKey, region string,
) (connected Integration, err error) {
	ctx = failpoint.Mark(ctx, failpoint.Start, accountID)
	ctx, span := observe.Start(ctx, "connect to IT Glue")
	defer func() { span.End(err) }()
	_, err = s.Store.Integration(ctx, accountID)
	if err == nil {
		return Integration{}, errs.New(errs.AlreadyConnected, "The account is already connected to IT Glue.")
	}
	if !errs.Is(err, errs.NotConnected) {
		return Integration{}, err
	}
	if _, err := s.check(ctx, apiKey, itglue.Region(region)); err != nil {
		return Integration{}, s.withRegionHint(ctx, err, apiKey, itglue.Region(region))
	}
	return s.connect(ctx, accountID, by, apiKey, itglue.Region(region))
}

func (s *Service) connect(
	ctx context.Context, accountID string, by event.Actor, apiKey string, region itglue.Region,
) (Integration, error) {
	in := Integration{
		AccountID: accountID, ID: newID(), Region: region, APIKeyHint: hint(apiKey), ConnectedAt: s.Now(),
		AutoMap: OnConnect, RemovalLimitPercent: DefaultRemovalLimitPercent,
	}
	var err error
	if in.Daily, err = defaultDaily().planned(in.ConnectedAt); err != nil {
		return Integration{}, err
	}
	if in.SealedKey, err = s.sealKey(ctx, apiKey, in); err != nil {
		return Integration{}, err
	}
	initial := InitialSync{ID: newID(), By: by}
	if err := s.Store.Connect(ctx, accountID, in, initial); err != nil {
		return Integration{}, err
	}
	s.startSoon(ctx, accountID, QueuedSync{ID: initial.ID, Epoch: 1})
	return in, nil
}

func (s *Service) startSoon(ctx context.Context, accountID string, queued QueuedSync) {
	if err := s.Starter.StartSoon(ctx, accountID, queued.ID, queued.Epoch); err != nil {
		s.Logger.WarnContext(ctx, "sync left to the sweeper", "accountId", accountID, "syncId", queued.ID, "error", err)
	}
}

// Change changes key, region and settings: all that is asked for, or nothing. A new key or region is tried on IT Glue first; a key alone
// keeps the region, a region alone the key. A sync that waits or runs with the old ones begins again with the new ones, but removals that
// were held or released with the old ones are not made with the new ones. The directory is listed anew at once unless the account is seen
// to be the same.
//
// It answers [errs.NotConnected], [errs.ValidationFailed], [errs.ITGlueKeyRejected] (with the param regionHint when another region
// accepts the key) or one of the other IT Glue codes, [errs.DifferentITGlueAccount] with the params mapped, checked and found, and
// [errs.Conflict] when somebody else changed the credentials at the same time.
func (s *Service) Change(ctx context.Context, accountID string, c Change, by event.Actor) (Integration, error) {
	if faults := c.Check(); len(faults) > 0 {
		return Integration{}, errs.Invalid(faults...)
	}
	var tried *credentials
	if c.APIKey != nil || c.Region != nil {
		var err error
		if tried, err = s.try(ctx, accountID, c); err != nil {
			return Integration{}, err
		}
	}
	in, next, err := s.Store.ChangeIntegration(ctx, accountID, func(in Integration) (Changed, error) {
		return c.on(in, tried, s.Now(), by)
	})
	if err == nil && next != nil {
		s.startSoon(ctx, accountID, *next)
	}
	return in, err
}

// Deactivate removes the integration, its directory and all mappings, and returns how many mappings that were. Organizations and history
// stay. It answers [errs.NotConnected], and [errs.ConfirmationRequired] with the param mappings when it is not confirmed.
func (s *Service) Deactivate(ctx context.Context, accountID string, confirmed bool, by event.Actor) (mappingsRemoved int, err error) {
	if confirmed {
		return s.Store.Deactivate(ctx, accountID, by)
	}
	if _, err := s.Store.Integration(ctx, accountID); err != nil {
		return 0, err
	}
	n, err := s.Store.CountMapped(ctx, accountID)
	if err != nil {
		return 0, err
	}
	return 0, errs.New(errs.ConfirmationRequired,
		"All mappings (%d) will be lost, and this cannot be undone. Confirm it with confirm=true.", n).With("mappings", n)
}

func hint(apiKey string) string {
	if len(apiKey) < minHintedKey {
		return ""
	}
	return apiKey[len(apiKey)-hintLength:]
}

// TestResult is what IT Glue says of a key. Organizations counts what it gives access to. Code, Detail and RegionHint (the region that
// accepts the key, if another one does) are set when it is not OK.
type TestResult struct {
	OK            bool
	Organizations int
	Code          errs.Code
	Detail        string
	RegionHint    string
}

// Test checks a key as [Service.Connect] does and stores nothing. That IT Glue refuses the key or does not answer is a result, not an
// error.
func (s *Service) Test(ctx context.Context, apiKey, region string) (TestResult, error) {
	count, err := s.check(ctx, apiKey, itglue.Region(region))
	if err == nil {
		return TestResult{OK: true, Organizations: count}, nil
	}
	if ctx.Err() != nil {
		return TestResult{}, err
	}
	failure := FromITGlue(err)
	result := TestResult{Code: failure.Code, Detail: failure.Detail}
	if failure.Code == errs.Internal {
		return TestResult{}, err
	}
	if itglue.IsRejectedKey(err) {
		result.RegionHint = s.acceptingRegion(ctx, apiKey, itglue.Region(region))
	}
	return result, nil
}

func (s *Service) check(ctx context.Context, apiKey string, region itglue.Region) (int, error) {
	client, err := s.ITGlue.Dial(apiKey, region)
	if err != nil {
		return 0, err
	}
	ctx, cancel := Interactive(ctx)
	defer cancel()
	count, err := client.CountOrganizations(ctx)
	return count, noList(err)
}

// noList sees through an address that answers and has no list of organizations.
func noList(err error) error {
	if itglue.IsNotFound(err) {
		return errs.New(errs.ITGlueBadAnswer, "IT Glue gave an answer that cannot be understood.").Because(err)
	}
	return err
}

func (s *Service) withRegionHint(ctx context.Context, err error, apiKey string, region itglue.Region) error {
	failure := FromITGlue(err)
	if !itglue.IsRejectedKey(err) {
		return failure
	}
	if hint := s.acceptingRegion(ctx, apiKey, region); hint != "" {
		return failure.With("regionHint", hint)
	}
	return failure
}

// acceptingRegion asks the other regions for the key. IT Glue answers a wrong key and a key of another region alike, so asking is the
// only way to tell them apart.
func (s *Service) acceptingRegion(ctx context.Context, apiKey string, refused itglue.Region) string {
	for _, region := range itglue.Regions() {
		if region == refused {
			continue
		}
		if _, err := s.check(ctx, apiKey, region); err == nil {
			return string(region)
		}
	}
	return ""
}

// Client returns the account's integration with a client for its IT Glue, which sends nothing more once the integration has ended or has
// another key or region. It answers [errs.NotConnected] when there is none, and
// [errs.Unavailable] when this process has not the keyset that the key was sealed with.
func (s *Service) Client(ctx context.Context, accountID string) (*itglue.Client, Integration, error) {
	in, err := s.Store.Integration(ctx, accountID)
	if err != nil {
		return nil, Integration{}, err
	}
	apiKey, err := s.openKey(in)
	if err != nil {
		return nil, Integration{}, err
	}
	client, err := s.ITGlue.dial(apiKey, in.Region, func(ctx context.Context) error { return s.stillConnected(ctx, in) })
	return client, in, err
}

// stillConnected keeps a key from being used once the connection that it is of has ended or has another one: it answers
// [errs.NotConnected] or [errs.Conflict].
func (s *Service) stillConnected(ctx context.Context, then Integration) error {
	now, err := s.Store.Integration(ctx, then.AccountID)
	if err != nil {
		return err
	}
	if now.ID != then.ID || now.Region != then.Region || !bytes.Equal(now.SealedKey, then.SealedKey) {
		return errs.New(errs.Conflict, "The connection to IT Glue was changed at the same time. Try again.")
	}
	return nil
}

// DiscardedKey says what became of a key that nobody can open any more.
const DiscardedKey = "The IT Glue key was lost. Give it again."

// ErrUnreadableKey is behind the [errs.Unavailable] of a stored key that cannot be opened.
var ErrUnreadableKey = errors.New("the stored IT Glue key cannot be opened")

// openKey returns the integration's key, or [errs.Unavailable] because of [ErrUnreadableKey], or [errs.ITGlueKeyRejected] when it has been
// given up.
func (s *Service) openKey(in Integration) (string, error) {
	if len(in.SealedKey) == 0 {
		return "", errs.New(errs.ITGlueKeyRejected, DiscardedKey)
	}
	apiKey, err := s.Keyset.Open(in.SealedKey, keyOwner(in))
	if err != nil {
		return "", errs.New(errs.Unavailable,
			"The stored IT Glue key cannot be opened by this server. Its operator has to look at the keyset.").
			Because(fmt.Errorf("%w: %w", ErrUnreadableKey, err))
	}
	return apiKey, nil
}

// Interactive gives a call to IT Glue that a person waits for its deadline.
func Interactive(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, interactiveTimeout)
}

// keyOwner binds a sealed key to its account and connection and to being an API key.
func keyOwner(in Integration) string {
	return "account=" + in.AccountID + " integration=" + in.ID + " purpose=itglue-api-key"
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }
