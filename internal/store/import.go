package store

import (
	"bytes"
	"context"

	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/organization"
)

// ImportOrganization stores the organization and its mapping to the source, which gets into the directory if it was not there. It
// answers [errs.NotConnected], [errs.Conflict] when the source was read through another connection than the account's, [errs.AlreadyMapped]
// with the params organizationId and organizationName of the holder, or [errs.DomainTaken].
func (s *Store) ImportOrganization(
	ctx context.Context, accountID string, o organization.Organization, from organization.Source, by event.Actor,
) error {
	entry := from.Entry
	return s.inTx(ctx, of(accountID), "import organization", func(tx *gorm.DB) error {
		if err := lockConnection(tx, accountID, &from.Connection); err != nil {
			return err
		}
		if err := free(tx, accountID, entry.ID); err != nil {
			return err
		}
		if err := createOrganization(tx, accountID, &o, s.importedTo(&entry)); err != nil {
			return err
		}
		if err := s.putEntries(ctx, tx, accountID, []integration.DirectoryEntry{entry}); err != nil {
			return err
		}
		return s.record(tx, accountID, created(&o, by), event.Event{
			Type: event.MappingMade, Actor: by, Organization: subject(o.ID, o.Name), ITGlue: subject(entry.ID, entry.Name),
			Before: mappedTo("", ""), After: mappedTo(entry.ID, entry.Name),
		})
	})
}

func (s *Store) importedTo(entry *integration.DirectoryEntry) mappingRow {
	now, name, origin := s.now(), clean(entry.Name), string(mapping.OriginImport)
	return mappingRow{
		State: string(mapping.Active), ITGlueID: &entry.ID, ITGlueName: &name, Origin: &origin, MappedAt: &now, ActiveSince: &now,
	}
}

// lockConnection is [lockIntegration] for what was read from IT Glue: the account must still be connected as it was then, or it answers
// [errs.Conflict].
func lockConnection(tx *gorm.DB, accountID string, then *integration.Integration) error {
	now, err := lockIntegration(tx, accountID)
	if err != nil {
		return err
	}
	if now.ID != then.ID || now.Region != string(then.Region) || !bytes.Equal(now.SealedKey, then.SealedKey) {
		return errs.New(errs.Conflict, "The connection to IT Glue was changed at the same time. Try again.")
	}
	return nil
}

// AlreadyMapped returns the [errs.AlreadyMapped] of each of the IT Glue organizations that an organization is mapped to.
func (s *Store) AlreadyMapped(ctx context.Context, accountID string, itglueIDs []string) (map[string]*errs.Error, error) {
	var holders []struct{ ITGlueID, ID, Name string }
	err := s.read(ctx, of(accountID), "look up mapped IT Glue organizations", func(tx *gorm.DB) error {
		return tx.Table("organizations AS o").Select("m.itglue_id AS it_glue_id, o.id, o.name").
			Joins("JOIN mappings m ON m.account_id = o.account_id AND m.organization_id = o.id").
			Where("o.account_id = ?", accountID).Where("m.itglue_id IN ?", itglueIDs).Find(&holders).Error
	})
	mapped := make(map[string]*errs.Error, len(holders))
	for _, h := range holders {
		mapped[h.ITGlueID] = alreadyMapped(h.ID, h.Name)
	}
	return mapped, err
}

// DomainHolders returns the ids of the organizations that have one of the domains, by domain.
func (s *Store) DomainHolders(ctx context.Context, accountID string, domains []string) (map[string]string, error) {
	rows := make([][]string, len(domains))
	for i, domain := range domains {
		rows[i] = []string{domain}
	}
	var holders []struct{ Domain, ID string }
	err := s.read(ctx, of(accountID), "look up domains", func(tx *gorm.DB) error {
		return tx.Raw(`WITH v(domain) AS MATERIALIZED (?)
			SELECT o.domain, o.id FROM v JOIN organizations o ON o.domain = v.domain WHERE o.account_id = ?`,
			s.values([]string{"text"}, rows), accountID).Find(&holders).Error
	})
	found := make(map[string]string, len(holders))
	for _, h := range holders {
		found[h.Domain] = h.ID
	}
	return found, err
}
