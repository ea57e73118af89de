package store

import (
	"context"

	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/integration"
)

// ChangeIntegration stores what change makes of the account's integration, which stays locked meanwhile; change may be called more than
// once, and must not come back to the store. It returns the integration as it is then, and the sync that can begin because of other
// credentials, if there is one. It answers [errs.NotConnected], or the error of change.
func (s *Store) ChangeIntegration(
	ctx context.Context, accountID string, change func(integration.Integration) (integration.Changed, error),
) (in integration.Integration, next *integration.QueuedSync, err error) {
	err = s.inTx(ctx, of(accountID), "change integration", func(tx *gorm.DB) error {
		next = nil
		row, err := lockIntegration(tx, accountID)
		if err != nil {
			return err
		}
		if err := checkOverview(tx, &row); err != nil {
			return err
		}
		changed, err := change(row.integration())
		if err != nil {
			return err
		}
		if next, err = s.changeIntegration(tx, &row, &changed); err != nil {
			return err
		}
		var now integrationRow
		err = tx.Where("account_id = ?", accountID).Take(&now).Error
		in = now.integration()
		return err
	})
	return in, next, err
}

func (s *Store) changeIntegration(tx *gorm.DB, row *integrationRow, changed *integration.Changed) (*integration.QueuedSync, error) {
	facts := changed.Facts
	if len(facts) > 0 {
		if err := writeSettings(tx, row.AccountID, &changed.Integration); err != nil {
			return nil, err
		}
		stopped, err := s.stopDaily(tx, row, changed)
		if err != nil {
			return nil, err
		}
		facts = append(facts, stopped...)
	}
	if changed.KeyAccepted {
		learnt, err := s.recoverCredentials(tx, row, changed.Integration.Daily.Enabled)
		if err != nil {
			return nil, err
		}
		facts = append(facts, learnt...)
	}
	var next *integration.QueuedSync
	if changed.OtherKey || changed.OtherRegion || changed.ListAnew != "" {
		begun, learnt, err := s.beginWithOthers(tx, row, changed)
		if err != nil {
			return nil, err
		}
		next, facts = begun, append(facts, learnt...)
	}
	return next, s.record(tx, row.AccountID, facts...)
}

// writeSettings writes what a person may change, and the plan of the daily sync that follows from it.
func writeSettings(tx *gorm.DB, accountID string, in *integration.Integration) error {
	row := newIntegrationRow(accountID, in)
	if err := checkSealed(tx, row.SealedKey); err != nil {
		return err
	}
	return integrationOf(tx, accountID).Select(
		"region", "sealed_key", "api_key_hint", "auto_map", "removal_limit_percent",
		"daily_enabled", "daily_time_zone", "daily_time", "next_run_date", "next_run_at",
	).Updates(&row).Error
}

// CountMapped counts the account's mappings, paused ones included.
func (s *Store) CountMapped(ctx context.Context, accountID string) (n int, err error) {
	err = s.read(ctx, of(accountID), "count mapped organizations", func(tx *gorm.DB) error {
		n, err = count(mapped(tx, accountID))
		return err
	})
	return n, err
}

func mapped(tx *gorm.DB, accountID string) *gorm.DB {
	return tx.Model(&mappingRow{}).Where("account_id = ?", accountID).Where("itglue_id IS NOT NULL")
}

// MappedSample returns IT Glue organizations that are mapped, at most n of them, taken evenly from all in the order of their ids. Each
// has the name of the directory or, if that does not have it, the one last seen.
func (s *Store) MappedSample(ctx context.Context, accountID string, n int) (sample []integration.Mapped, err error) {
	err = s.read(ctx, of(accountID), "sample mapped organizations", func(tx *gorm.DB) error {
		return tx.Raw(`SELECT m.itglue_id AS id, coalesce(
				(SELECT d.name FROM directory d WHERE d.account_id = m.account_id AND d.id = m.itglue_id), m.itglue_name) AS name,
				EXISTS (SELECT 1 FROM directory d WHERE d.account_id = m.account_id AND d.id = m.itglue_id) AS listed
			FROM (SELECT account_id, itglue_id, itglue_name, row_number() OVER (ORDER BY itglue_id) AS place, count(*) OVER () AS total
				FROM mappings WHERE account_id = ? AND itglue_id IS NOT NULL) m
			WHERE m.place * ? / m.total > (m.place - 1) * ? / m.total
			ORDER BY m.itglue_id`, accountID, n, n).Scan(&sample).Error
	})
	return sample, err
}
