package store

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/names"
	"github.com/orgbridge/orgbridge/internal/organization"
	"github.com/orgbridge/orgbridge/internal/page"
)

type organizationRow struct {
	ID            string `gorm:"primaryKey"`
	AccountID     string
	Name          string
	NameFolded    string
	Domain        string
	EmailPlatform string
	CreatedAt     time.Time `gorm:"autoCreateTime:false"`
	UpdatedAt     time.Time `gorm:"autoUpdateTime:false"`
}

func (organizationRow) TableName() string { return "organizations" }

// statefulRow is an organization with the state of its mapping.
type statefulRow struct {
	Row   organizationRow `gorm:"embedded"`
	State string
}

func (r statefulRow) organization() organization.Organization {
	o := r.Row
	return organization.Organization{
		ID: o.ID, AccountID: o.AccountID, Name: o.Name, Domain: o.Domain, EmailPlatform: organization.EmailPlatform(o.EmailPlatform),
		CreatedAt: instant(o.CreatedAt), UpdatedAt: instant(o.UpdatedAt), Mapped: r.State != string(mapping.Unmapped),
	}
}

func (r statefulRow) position() page.Position {
	return page.Position{Key: r.Row.NameFolded, ID: r.Row.ID}
}

func noOrganization() *errs.Error { return errs.New(errs.NotFound, "There is no such organization.") }

// CreateOrganization stores the organization with its unmapped mapping row. It answers [errs.DomainTaken] when the account has an
// organization with that domain.
func (s *Store) CreateOrganization(ctx context.Context, accountID string, o organization.Organization, by event.Actor) error {
	return s.inTx(ctx, of(accountID), "create organization", func(tx *gorm.DB) error {
		if err := lockIfConnected(tx, accountID); err != nil {
			return err
		}
		if err := createOrganization(tx, accountID, &o, mappingRow{State: string(mapping.Unmapped)}); err != nil {
			return err
		}
		return s.record(tx, accountID, created(&o, by))
	})
}

// lockIfConnected is [lockIntegration] for whoever changes organizations: a running sync asks whether a name is the only one of its
// kind. An account that is not connected stays so until the transaction ends: otherwise a sync of a connection made meanwhile could
// neither wait for the change nor see it.
func lockIfConnected(tx *gorm.DB, accountID string) error {
	_, err := lockIntegration(tx, accountID)
	if errs.Is(err, errs.NotConnected) {
		return stayUnconnected(tx, accountID)
	}
	return err
}

func createOrganization(tx *gorm.DB, accountID string, o *organization.Organization, mapped mappingRow) error {
	row := organizationRow{
		ID: o.ID, AccountID: accountID, Name: o.Name, NameFolded: names.Folded(o.Name), Domain: o.Domain,
		EmailPlatform: string(o.EmailPlatform), CreatedAt: instant(o.CreatedAt), UpdatedAt: instant(o.UpdatedAt),
	}
	if err := tx.Create(&row).Error; errors.Is(err, gorm.ErrDuplicatedKey) {
		return errs.New(errs.DomainTaken, "An organization with the domain %s exists already.", o.Domain).With("domain", o.Domain)
	} else if err != nil {
		return err
	}
	mapped.OrganizationID, mapped.AccountID = o.ID, accountID
	return raced(tx.Create(&mapped).Error)
}

func created(o *organization.Organization, by event.Actor) event.Event {
	return event.Event{
		Type: event.OrganizationCreated, Actor: by, Organization: subject(o.ID, o.Name),
		After: event.Properties{"name": o.Name, "domain": o.Domain, "emailPlatform": string(o.EmailPlatform)},
	}
}

// Organization returns one organization, or [errs.NotFound].
func (s *Store) Organization(ctx context.Context, accountID, id string) (organization.Organization, error) {
	var row statefulRow
	if !isID(id) {
		return organization.Organization{}, noOrganization()
	}
	err := s.read(ctx, of(accountID), "read organization", func(tx *gorm.DB) error {
		q := organizationsOf(tx, accountID, organization.Filter{}).Where("o.id = ?", id)
		return orNotFound(q.Select("o.*, m.state").Take(&row).Error, noOrganization())
	})
	if err != nil {
		return organization.Organization{}, err
	}
	return row.organization(), nil
}

// Organizations returns a page of the account's organizations in the order of (folded name, id). A foreign position is
// [errs.ValidationFailed].
func (s *Store) Organizations(
	ctx context.Context, accountID string, f organization.Filter,
) (rows page.Page[organization.Organization], err error) {
	err = s.read(ctx, of(accountID), "list organizations", func(tx *gorm.DB) error {
		q, err := byName(organizationsOf(tx, accountID, f), f.After, f.Descending)
		if err != nil {
			return err
		}
		rows, err = pageOf(q.Select("o.*, m.state"), f.Limit, statefulRow.organization, statefulRow.position)
		return err
	})
	return rows, err
}

// CountOrganizations counts the organizations on all pages.
func (s *Store) CountOrganizations(ctx context.Context, accountID string, f organization.Filter) (n int, err error) {
	err = s.read(ctx, of(accountID), "count organizations", func(tx *gorm.DB) error {
		n, err = count(organizationsOf(tx, accountID, f))
		return err
	})
	return n, err
}

func organizationsOf(tx *gorm.DB, accountID string, f organization.Filter) *gorm.DB {
	q := tx.Table("organizations AS o").
		Joins("JOIN mappings m ON m.account_id = o.account_id AND m.organization_id = o.id").
		Where("o.account_id = ?", accountID)
	switch {
	case f.Mapped == nil:
	case *f.Mapped:
		q = q.Where("m.state <> ?", string(mapping.Unmapped))
	default:
		q = q.Where("m.state = ?", string(mapping.Unmapped))
	}
	return matching(q, `o.name_folded LIKE ? ESCAPE '\'`, f.Search)
}

// byName orders organizations (as o) and begins after the position, if there is one.
func byName(q *gorm.DB, after *page.Position, descending bool) (*gorm.DB, error) {
	if after != nil && (!isText(after.Key) || !isID(after.ID)) {
		return nil, badCursor()
	}
	order, from := "o.name_folded, o.id", "(o.name_folded, o.id) > (?, ?)"
	if descending {
		order, from = "o.name_folded DESC, o.id DESC", "(o.name_folded, o.id) < (?, ?)"
	}
	if after != nil {
		q = q.Where(from, after.Key, after.ID)
	}
	return q.Order(order), nil
}
