package store

import (
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/names"
	"github.com/orgbridge/orgbridge/internal/organization"
	"github.com/orgbridge/orgbridge/internal/precondition"
)

// UpdateOrganization makes the change and returns the organization. What already is as asked for is neither a change nor a fact. It
// answers [errs.NotFound].
func (s *Store) UpdateOrganization(
	ctx context.Context, accountID, id string, change organization.Change, by event.Actor,
) (updated organization.Organization, err error) {
	err = s.changeOrganization(ctx, "update organization", accountID, id, func(tx *gorm.DB, o organizationRow, m mappingRow) error {
		facts := applyChange(&o, change, by)
		if len(facts) > 0 {
			o.UpdatedAt = s.now()
			err := tx.Model(&organizationRow{}).Where("account_id = ?", accountID).Where("id = ?", id).Updates(map[string]any{
				"name": o.Name, "name_folded": o.NameFolded, "email_platform": o.EmailPlatform, "updated_at": o.UpdatedAt,
			}).Error
			if err != nil {
				return err
			}
		}
		updated = statefulRow{Row: o, State: m.State}.organization()
		return s.record(tx, accountID, facts...)
	})
	return updated, err
}

// applyChange makes the change in the row and returns the facts that come of it.
func applyChange(o *organizationRow, change organization.Change, by event.Actor) (facts []event.Event) {
	if name := change.Name; name != nil && *name != o.Name {
		facts = append(facts, event.Event{
			Type: event.OrganizationRenamed, Actor: by, Organization: subject(o.ID, o.Name),
			Before: event.Properties{"name": o.Name}, After: event.Properties{"name": *name},
		})
		o.Name, o.NameFolded = *name, names.Folded(*name)
	}
	if platform := change.EmailPlatform; platform != nil && string(*platform) != o.EmailPlatform {
		facts = append(facts, event.Event{
			Type: event.OrganizationChanged, Actor: by, Organization: subject(o.ID, o.Name),
			Before: event.Properties{"emailPlatform": o.EmailPlatform}, After: event.Properties{"emailPlatform": string(*platform)},
		})
		o.EmailPlatform = string(*platform)
	}
	return facts
}

// DeleteOrganization removes the organization with its mapping; the changes and events that tell of it stay. It answers
// [errs.NotFound].
func (s *Store) DeleteOrganization(ctx context.Context, accountID, id string, by event.Actor) error {
	return s.changeOrganization(ctx, "delete organization", accountID, id, func(tx *gorm.DB, o organizationRow, m mappingRow) error {
		err := tx.Where("account_id = ?", accountID).Where("id = ?", id).Delete(&organizationRow{}).Error // the mapping goes with it
		if err != nil {
			return err
		}
		var facts []event.Event
		if m.State != string(mapping.Unmapped) {
			itglueID, itglueName := orEmpty(m.ITGlueID), orEmpty(m.ITGlueName)
			facts = append(facts, event.Event{
				Type: event.MappingRemoved, Actor: by, Organization: subject(o.ID, o.Name), ITGlue: subject(itglueID, itglueName),
				Before: mappedTo(itglueID, itglueName), After: mappedTo("", ""), Detail: organizationDeleted,
			})
		}
		return s.record(tx, accountID, append(facts, event.Event{
			Type: event.OrganizationDeleted, Actor: by, Organization: subject(o.ID, o.Name),
			Before: event.Properties{"name": o.Name, "domain": o.Domain, "emailPlatform": o.EmailPlatform},
		})...)
	})
}

// organizationDeleted is why a mapping is gone that went with its organization.
const organizationDeleted = "organization-deleted"

// changeOrganization runs a transaction on an organization and its mapping, both locked. It answers [errs.NotFound].
func (s *Store) changeOrganization(
	ctx context.Context, operation, accountID, id string, fn func(tx *gorm.DB, o organizationRow, m mappingRow) error,
) error {
	if !isID(id) {
		return noOrganization()
	}
	return s.inTx(ctx, of(accountID), operation, func(tx *gorm.DB) error {
		if err := lockIfConnected(tx, accountID); err != nil {
			return err
		}
		m, err := lockMapping(tx, accountID, id)
		if err != nil {
			return err
		}
		var o organizationRow
		err = tx.Clauses(clause.Locking{Strength: "UPDATE"}).Where("account_id = ?", accountID).Where("id = ?", id).Take(&o).Error
		if err != nil {
			return orNotFound(err, noOrganization())
		}
		err = precondition.Check(tx.Statement.Context, func() (organization.Organization, error) {
			return statefulRow{Row: o, State: m.State}.organization(), nil
		})
		if err != nil {
			return err
		}
		return fn(tx, o, m)
	})
}
