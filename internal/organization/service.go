package organization

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/names"
)

// Service adds organizations.
type Service struct {
	store Store
	now   func() time.Time
}

// NewService returns a service on the store; now is the clock.
func NewService(store Store, now func() time.Time) *Service {
	return &Service{store: store, now: now}
}

// New is an organization to be added.
type New struct {
	Name          string
	Domain        string
	EmailPlatform EmailPlatform
}

// Create adds an organization, not mapped yet. The name is kept as it is, the domain in the form of [Domain]. It answers
// [errs.ValidationFailed] with all faults at once, or [errs.DomainTaken].
func (s *Service) Create(ctx context.Context, accountID string, n New, by event.Actor) (Organization, error) {
	domain, faults := check(n)
	if len(faults) > 0 {
		return Organization{}, errs.Invalid(faults...)
	}
	now := s.now()
	o := Organization{
		ID: uuid.Must(uuid.NewV7()).String(), AccountID: accountID, Name: n.Name, Domain: domain, EmailPlatform: n.EmailPlatform,
		CreatedAt: now, UpdatedAt: now,
	}
	if err := s.store.CreateOrganization(ctx, accountID, o, by); err != nil {
		return Organization{}, err
	}
	return o, nil
}

// Check tells all faults of an organization that is to be added, as [Service.Create] would; none when it is fine.
func Check(n New) []errs.Field {
	_, faults := check(n)
	return faults
}

func check(n New) (domain string, faults []errs.Field) {
	if problem := names.Check(n.Name); problem != names.Fine {
		faults = append(faults, errs.Field{
			Pointer: "/name", Code: string(problem), Detail: "The name must have 1 to 255 legal characters and not be all blank.",
		})
	}
	domain, err := Domain(n.Domain)
	if err != nil {
		faults = append(faults, errs.Field{Pointer: "/domain", Code: "domain-invalid", Detail: "The domain " + err.Error() + "."})
	}
	if n.EmailPlatform != Microsoft365 && n.EmailPlatform != GoogleWorkspace {
		faults = append(faults, errs.Field{
			Pointer: "/emailPlatform", Code: "not-one-of", Detail: "The email platform must be microsoft_365 or google_workspace.",
		})
	}
	return domain, faults
}
