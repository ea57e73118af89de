package organization

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// Connections opens an account's IT Glue.
type Connections interface {
	// Client answers [errs.NotConnected] when the account has no integration.
	Client(ctx context.Context, accountID string) (*itglue.Client, integration.Integration, error)
}

// Config is what a [Service] needs.
type Config struct {
	Store       Store
	Connections Connections
	Now         func() time.Time
	Logger      *slog.Logger
}

// Service adds, imports and changes organizations.
type Service struct {
	Config

	// patience is the deadline of what somebody waits for.
	patience func(context.Context) (context.Context, context.CancelFunc)
}

// NewService returns a service.
func NewService(c Config) *Service { return &Service{Config: c, patience: integration.Interactive} }

// Create adds an organization. The name is kept as it is, the domain in the form of [Domain]. It answers [errs.ValidationFailed] with
// all faults at once, or [errs.DomainTaken].
//
// With an ITGlueID the organization is mapped to it, both or neither. Then it also answers [errs.NotConnected], [errs.ValidationFailed]
// when IT Glue has no such organization or its name cannot be taken over, [errs.AlreadyMapped] with the holder, [errs.Conflict] when the
// connection was changed meanwhile, or an IT Glue code.
func (s *Service) Create(ctx context.Context, accountID string, n New, by event.Actor) (Organization, error) {
	n, faults := n.checked()
	if len(faults) > 0 {
		return Organization{}, errs.Invalid(faults...)
	}
	if n.ITGlueID != "" {
		return s.createFromITGlue(ctx, accountID, n, by)
	}
	o := newOrganization(accountID, n, s.Now())
	if err := s.Store.CreateOrganization(ctx, accountID, o, by); err != nil {
		return Organization{}, err
	}
	return o, nil
}

func (s *Service) createFromITGlue(ctx context.Context, accountID string, n New, by event.Actor) (Organization, error) {
	client, in, err := s.Connections.Client(ctx, accountID)
	if err != nil {
		return Organization{}, err
	}
	live, err := s.readLive(ctx, client, n.ITGlueID)
	if err != nil {
		return Organization{}, err
	}
	return s.addFrom(ctx, accountID, n, Source{Entry: integration.Entry(live), Connection: in}, by)
}

func (s *Service) readLive(ctx context.Context, client *itglue.Client, id string) (itglue.Organization, error) {
	ctx, cancel := s.patience(ctx)
	defer cancel()
	live, err := client.Organization(ctx, id)
	if itglue.IsNotFound(err) {
		return live, errs.Invalid(errs.Field{
			Pointer: "/itglueOrganizationId", Code: "unknown", Detail: "IT Glue has no such organization.",
		})
	}
	if err != nil {
		return live, integration.FromITGlue(err)
	}
	return live, nil
}

// addFrom stores a checked organization with its mapping. Without a name it takes the source's.
func (s *Service) addFrom(ctx context.Context, accountID string, n New, from Source, by event.Actor) (Organization, error) {
	if n.Name == "" {
		if faults := sourceFaults(from); len(faults) > 0 {
			return Organization{}, errs.Invalid(faults...)
		}
		n.Name = from.Entry.Name
	}
	o := newOrganization(accountID, n, s.Now())
	o.Mapped = true
	if err := s.Store.ImportOrganization(ctx, accountID, o, from, by); err != nil {
		return Organization{}, err
	}
	return o, nil
}

// sourceFaults tells why the name that IT Glue has cannot be taken over.
func sourceFaults(from Source) []errs.Field {
	faults := nameFaults(from.Entry.Name)
	for i := range faults {
		faults[i].Detail = "The name in IT Glue cannot be taken over: a name must have 1 to 255 legal characters and not be all blank."
	}
	return faults
}

func newOrganization(accountID string, n New, now time.Time) Organization {
	return Organization{
		ID: uuid.Must(uuid.NewV7()).String(), AccountID: accountID, Name: n.Name, Domain: n.Domain, EmailPlatform: n.EmailPlatform,
		CreatedAt: now, UpdatedAt: now,
	}
}

// Update changes an organization's name or email platform; the next sync overwrites the name of one whose mapping is active. It answers
// [errs.ValidationFailed] with all faults at once, or [errs.NotFound].
func (s *Service) Update(ctx context.Context, accountID, id string, change Change, by event.Actor) (Organization, error) {
	if faults := change.Check(); len(faults) > 0 {
		return Organization{}, errs.Invalid(faults...)
	}
	return s.Store.UpdateOrganization(ctx, accountID, id, change, by)
}
