package store

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
)

type mappingRow struct {
	OrganizationID string `gorm:"primaryKey"`
	AccountID      string
	State          string
	ITGlueID       *string `gorm:"column:itglue_id"`
	ITGlueName     *string `gorm:"column:itglue_name"`
	Origin         *string
	MappedAt       *time.Time
	// ActiveSince is when the mapping was last made or resumed.
	ActiveSince   *time.Time
	LastSyncedAt  *time.Time
	UnmatchedCode *string
}

func (mappingRow) TableName() string { return "mappings" }

// syncedAt is when a sync last compared the mapping with IT Glue. Active mappings take it from the integration, so that a night
// without changes writes to none of them.
func (r mappingRow) syncedAt(integrationSyncedAt *time.Time) *time.Time {
	own := r.LastSyncedAt
	if r.State != string(mapping.Active) || integrationSyncedAt == nil || r.ActiveSince == nil ||
		r.ActiveSince.After(*integrationSyncedAt) || (own != nil && own.After(*integrationSyncedAt)) {
		return utc(own)
	}
	return utc(integrationSyncedAt)
}

// MapOrganization maps or re-maps, sets the state active and forgets why it was not mapped. It answers [errs.NotFound],
// [errs.NotConnected], [errs.Conflict] when the target is not one of the account's connection of now, and [errs.AlreadyMapped] with the
// params organizationId and organizationName of the holder.
func (s *Store) MapOrganization(
	ctx context.Context, accountID, organizationID string, target mapping.Target, origin mapping.Origin, by event.Actor,
) error {
	if !isID(organizationID) {
		return noOrganization()
	}
	return s.inTx(ctx, of(accountID), "map organization", func(tx *gorm.DB) error {
		entry, err := lockTarget(tx, accountID, &target)
		if err != nil {
			return err
		}
		row, err := lockMapping(tx, accountID, organizationID)
		if err != nil {
			return err
		}
		if err := checkMapping(tx, accountID, organizationID); err != nil {
			return err
		}
		if orEmpty(row.ITGlueID) == entry.ID {
			return s.resume(tx, &row, by)
		}
		return s.mapTo(tx, &row, &entry, origin, by)
	})
}

// lockTarget is [lockIntegration] for whoever maps. It returns the target as the directory has it now, or as it was read live, or answers
// [errs.Conflict] when it may be one of an earlier connection.
func lockTarget(tx *gorm.DB, accountID string, target *mapping.Target) (integration.DirectoryEntry, error) {
	if target.Connection != nil {
		return target.Entry, lockConnection(tx, accountID, target.Connection)
	}
	if _, err := lockIntegration(tx, accountID); err != nil {
		return integration.DirectoryEntry{}, err
	}
	var row directoryRow
	err := tx.Where("account_id = ?", accountID).Where("id = ?", target.Entry.ID).Take(&row).Error
	return row.entry(), orNotFound(err, errs.New(errs.Conflict, "The list of IT Glue organizations was changed at the same time. Try again."))
}

// mapTo points a locked mapping to a target that is free.
func (s *Store) mapTo(
	tx *gorm.DB, row *mappingRow, target *integration.DirectoryEntry, origin mapping.Origin, by event.Actor,
) error {
	if err := free(tx, row.AccountID, target.ID); err != nil {
		return err
	}
	now := s.now()
	err := raced(update(tx, row, map[string]any{
		"state": string(mapping.Active), "itglue_id": target.ID, "itglue_name": clean(target.Name), "origin": string(origin),
		"mapped_at": now, "active_since": now, "last_synced_at": nil, "unmatched_code": nil,
	}))
	if err != nil {
		return err
	}
	return s.recordMapping(tx, row, event.Event{
		Type: event.MappingMade, Actor: by, ITGlue: subject(target.ID, target.Name),
		Before: mappedTo(orEmpty(row.ITGlueID), orEmpty(row.ITGlueName)), After: mappedTo(target.ID, target.Name),
	})
}

// recordMapping records a fact about the mapping of an organization.
func (s *Store) recordMapping(tx *gorm.DB, row *mappingRow, fact event.Event) error {
	var o organizationRow
	err := tx.Where("account_id = ?", row.AccountID).Where("id = ?", row.OrganizationID).Take(&o).Error
	if err != nil {
		return orNotFound(err, noOrganization())
	}
	fact.Organization = subject(o.ID, o.Name)
	return s.record(tx, row.AccountID, fact)
}

// free answers [errs.AlreadyMapped] when an organization holds the IT Glue organization.
func free(tx *gorm.DB, accountID, itglueID string) error {
	var holder organizationRow
	err := tx.Table("organizations AS o").Select("o.id, o.name").
		Joins("JOIN mappings m ON m.account_id = o.account_id AND m.organization_id = o.id").
		Where("o.account_id = ?", accountID).Where("m.itglue_id = ?", itglueID).Take(&holder).Error
	switch {
	case errors.Is(err, gorm.ErrRecordNotFound):
		return nil
	case err != nil:
		return err
	default:
		return alreadyMapped(holder.ID, holder.Name)
	}
}

func alreadyMapped(holderID, holderName string) *errs.Error {
	return errs.New(errs.AlreadyMapped, "This IT Glue organization is mapped to %s already.", holderName).
		With("organizationId", holderID).With("organizationName", holderName)
}

// SetSyncEnabled makes a mapping active or paused. It answers [errs.NotFound], and [errs.NotMapped] when there is no mapping.
func (s *Store) SetSyncEnabled(ctx context.Context, accountID, organizationID string, enabled bool, by event.Actor) error {
	if !isID(organizationID) {
		return noOrganization()
	}
	return s.inTx(ctx, of(accountID), "switch a mapping on or off", func(tx *gorm.DB) error {
		in, err := lockIntegration(tx, accountID)
		if err != nil && !errs.Is(err, errs.NotConnected) {
			return err
		}
		row, err := lockMapping(tx, accountID, organizationID)
		if err == nil {
			err = checkMapping(tx, accountID, organizationID)
		}
		switch {
		case err != nil:
			return err
		case row.State == string(mapping.Unmapped):
			return errs.New(errs.NotMapped, "The organization is not mapped.")
		case enabled:
			return s.resume(tx, &row, by)
		default:
			return s.pause(tx, &row, in.LastSyncedAt, by)
		}
	})
}

func (s *Store) resume(tx *gorm.DB, row *mappingRow, by event.Actor) error {
	if row.State == string(mapping.Active) {
		return nil
	}
	if err := update(tx, row, map[string]any{"state": string(mapping.Active), "active_since": s.now()}); err != nil {
		return err
	}
	return s.recordToggle(tx, row, event.MappingResumed, by)
}

func (s *Store) recordToggle(tx *gorm.DB, row *mappingRow, fact event.Type, by event.Actor) error {
	resumed := fact == event.MappingResumed
	return s.recordMapping(tx, row, event.Event{
		Type: fact, Actor: by, ITGlue: subject(orEmpty(row.ITGlueID), orEmpty(row.ITGlueName)),
		Before: event.Properties{"syncEnabled": !resumed}, After: event.Properties{"syncEnabled": resumed},
	})
}

// pause writes down when the mapping was last compared: from now on the integration's time is not its own.
func (s *Store) pause(tx *gorm.DB, row *mappingRow, integrationSyncedAt *time.Time, by event.Actor) error {
	if row.State == string(mapping.Paused) {
		return nil
	}
	columns := map[string]any{"state": string(mapping.Paused), "last_synced_at": row.syncedAt(integrationSyncedAt)}
	if err := update(tx, row, columns); err != nil {
		return err
	}
	return s.recordToggle(tx, row, event.MappingPaused, by)
}

// UnmapByPerson removes the mapping, if any, and remembers that a person did. It answers [errs.NotFound] and [errs.NotConnected].
func (s *Store) UnmapByPerson(ctx context.Context, accountID, organizationID string, by event.Actor) error {
	if !isID(organizationID) {
		return noOrganization()
	}
	return s.inTx(ctx, of(accountID), "unmap organization", func(tx *gorm.DB) error {
		if _, err := lockIntegration(tx, accountID); err != nil {
			return err
		}
		row, err := lockMapping(tx, accountID, organizationID)
		if err != nil {
			return err
		}
		if err := checkMapping(tx, accountID, organizationID); err != nil {
			return err
		}
		if orEmpty(row.UnmatchedCode) == string(mapping.UnmappedByPerson) {
			return nil
		}
		columns := unmapped()
		columns["unmatched_code"] = string(mapping.UnmappedByPerson)
		if err := update(tx, &row, columns); err != nil {
			return err
		}
		return s.recordMapping(tx, &row, unmappedByPerson(&row, by))
	})
}

// unmappedByPerson is the fact that a person does not want the row mapped. Without a mapping nothing is removed, and yet syncs have to
// learn of it.
func unmappedByPerson(row *mappingRow, by event.Actor) event.Event {
	if row.State == string(mapping.Unmapped) {
		var before any // null, when nothing was known
		if row.UnmatchedCode != nil {
			before = *row.UnmatchedCode
		}
		return event.Event{
			Type: event.OrganizationChanged, Actor: by, Before: event.Properties{"unmatched": before},
			After: event.Properties{"unmatched": string(mapping.UnmappedByPerson)},
		}
	}
	id, name := orEmpty(row.ITGlueID), orEmpty(row.ITGlueName)
	return event.Event{
		Type: event.MappingRemoved, Actor: by, ITGlue: subject(id, name), Detail: string(mapping.UnmappedByPerson),
		Before: mappedTo(id, name), After: mappedTo("", ""),
	}
}

// unmapped is what a row without a mapping has.
func unmapped() map[string]any {
	return map[string]any{
		"state": string(mapping.Unmapped), "itglue_id": nil, "itglue_name": nil, "origin": nil, "mapped_at": nil,
		"active_since": nil, "last_synced_at": nil, "unmatched_code": nil,
	}
}

// lockMapping returns the organization's row and keeps others from changing it, or answers [errs.NotFound].
func lockMapping(tx *gorm.DB, accountID, organizationID string) (mappingRow, error) {
	var row mappingRow
	err := tx.Clauses(clause.Locking{Strength: "UPDATE"}).
		Where("account_id = ?", accountID).Where("organization_id = ?", organizationID).Take(&row).Error
	return row, orNotFound(err, noOrganization())
}

func update(tx *gorm.DB, row *mappingRow, columns map[string]any) error {
	return tx.Model(&mappingRow{}).Where("account_id = ?", row.AccountID).Where("organization_id = ?", row.OrganizationID).
		Updates(columns).Error
}
