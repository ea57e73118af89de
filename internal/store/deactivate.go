package store

import (
	"context"

	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/event"
)

// Deactivate removes the integration with its key, the directory and all mappings with everything that is remembered about them, and
// cancels the queued or running sync. Organizations and history stay. It returns how many mappings there were, or answers
// [errs.NotConnected].
func (s *Store) Deactivate(ctx context.Context, accountID string, by event.Actor) (removed int, err error) {
	err = s.inTx(ctx, of(accountID), "deactivate integration", func(tx *gorm.DB) error {
		in, err := lockIntegration(tx, accountID)
		if err != nil {
			return err
		}
		if err := checkOverview(tx, &in); err != nil {
			return err
		}
		_, facts, err := s.cancelActive(tx, accountID, by)
		if err != nil {
			return err
		}
		if removed, err = s.unmapAll(tx, accountID, by); err != nil {
			return err
		}
		if err := tx.Where("account_id = ?", accountID).Delete(&directoryRow{}).Error; err != nil {
			return err
		}
		if err := tx.Where("account_id = ?", accountID).Delete(&integrationRow{}).Error; err != nil {
			return err
		}
		return s.record(tx, accountID, append(facts, event.Event{
			Type: event.IntegrationDeactivated, Actor: by, After: event.Properties{"mappingsRemoved": removed},
		})...)
	})
	return removed, err
}

// unmapAll makes all organizations of the account unmapped for no reason. The events come first because they tell of what is removed; to
// hold the account's row from here on keeps nobody waiting who does not wait for the integration anyway.
func (s *Store) unmapAll(tx *gorm.DB, accountID string, by event.Actor) (removed int, err error) {
	if removed, err = count(mapped(tx, accountID)); err != nil {
		return 0, err
	}
	if removed > 0 {
		if err := s.recordRemovals(tx, accountID, by, removed); err != nil {
			return 0, err
		}
	}
	return removed, tx.Model(&mappingRow{}).Where("account_id = ?", accountID).
		Where("(itglue_id IS NOT NULL OR unmatched_code IS NOT NULL)").Updates(unmapped()).Error
}

// removedByDeactivation is why a mapping was removed that went with the integration.
const removedByDeactivation = "integration-deactivated"

// recordRemovals records for each of the account's n mappings that it was removed. There may be a great many, so the database writes the
// events by itself.
func (s *Store) recordRemovals(tx *gorm.DB, accountID string, by event.Actor, n int) error {
	first, err := reserveEvents(tx, accountID, n)
	if err != nil {
		return err
	}
	none, err := propertiesText(mappedTo("", ""))
	if err != nil {
		return err
	}
	object, kind := "json_object", func(string) string { return "?" }
	if s.pool != nil { // which does not guess types
		object, kind = "json_build_object", func(name string) string { return "CAST(? AS " + name + ")" }
	}
	//sqlcheck:constant the functions give the words and types of the two databases
	recorded := tx.Exec(`INSERT INTO events (account_id, seq, type, at, token_id, token_name, subject, organization_id, organization_name,
			itglue_id, itglue_name, before, after, detail)
		SELECT m.account_id, `+kind("bigint")+` - 1 + row_number() OVER (ORDER BY o.name_folded, o.id), `+kind("text")+`,
			`+kind("timestamptz")+`, `+kind("uuid")+`, `+kind("text")+`, `+kind("text")+`, o.id, o.name, m.itglue_id, m.itglue_name,
			CAST(`+object+`('itglueOrganization', `+object+`('id', m.itglue_id, 'name', m.itglue_name)) AS text),
			`+kind("text")+`, `+kind("text")+`
		FROM mappings m JOIN organizations o ON o.account_id = m.account_id AND o.id = m.organization_id
		WHERE m.account_id = ? AND m.itglue_id IS NOT NULL`,
		first, string(event.MappingRemoved), s.now(), orNil(by.TokenID), orNil(clean(by.TokenName)),
		orNil(clean(by.Subject)), none, removedByDeactivation, accountID)
	if recorded.Error == nil && int(recorded.RowsAffected) != n {
		return errRaced
	}
	return recorded.Error
}
