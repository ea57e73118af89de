package store

import (
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/orgbridge/orgbridge/internal/integration"
)

// prefixLength is how much of a sealed key tells with which key it was sealed.
const prefixLength = 5

// SealedOtherwise returns integrations whose key does not begin with the prefix, in order of account, after one of them.
func (s *Store) SealedOtherwise(ctx context.Context, prefix []byte, after string, limit int) (found []integration.Integration, err error) {
	var rows []integrationRow
	err = s.read(ctx, ofEvery(), "find keys to seal anew", func(tx *gorm.DB) error {
		q := acrossAccounts(tx).Where("substr(sealed_key, 1, ?) <> ?", prefixLength, prefix).Where("length(sealed_key) > 0")
		if after != "" {
			q = q.Where("account_id > ?", after)
		}
		return q.Order("account_id").Limit(limit).Find(&rows).Error
	})
	return convert(rows, integrationRow.integration), err
}

// SealedSamples returns one integration for each sealing key that stored keys are sealed with.
func (s *Store) SealedSamples(ctx context.Context) (samples []integration.SealedSample, err error) {
	err = s.read(ctx, ofEvery(), "find sealing keys", func(tx *gorm.DB) error {
		var groups []struct {
			AccountID string
			Keys      int
		}
		err := acrossAccounts(tx).Model(&integrationRow{}).Select("min(CAST(account_id AS text)) AS account_id, count(*) AS keys").
			Where("length(sealed_key) > 0").Group("substr(sealed_key, 1, 5)").Scan(&groups).Error
		if err != nil {
			return err
		}
		samples = make([]integration.SealedSample, len(groups))
		for i, g := range groups {
			var row integrationRow
			if err := acrossAccounts(tx).Where("account_id = ?", g.AccountID).Take(&row).Error; err != nil {
				return err
			}
			samples[i] = integration.SealedSample{Integration: row.integration(), Keys: g.Keys}
		}
		return nil
	})
	return samples, err
}

// DiscardKey gives a stored key up and has a person asked for it, unless the stored one is another by now.
func (s *Store) DiscardKey(ctx context.Context, in integration.Integration) error {
	return s.inTx(ctx, of(in.AccountID), "give a key up", func(tx *gorm.DB) error {
		given := integrationOf(tx, in.AccountID).Where("id = ?", in.ID).Where("sealed_key = ?", in.SealedKey).Update("sealed_key", []byte{})
		if given.Error != nil || given.RowsAffected == 0 {
			return given.Error
		}
		facts, err := s.rejectCredentials(tx, in.AccountID, integration.DiscardedKey)
		if err != nil {
			return err
		}
		return s.record(tx, in.AccountID, facts...)
	})
}

// ReplaceSealedKey stores the same key sealed anew, unless the stored one is another by now. Nothing has happened for the account, so it
// is no event.
func (s *Store) ReplaceSealedKey(ctx context.Context, in integration.Integration, sealed []byte) error {
	return s.inTx(ctx, of(in.AccountID), "seal a key anew", func(tx *gorm.DB) error {
		return integrationOf(tx, in.AccountID).Where("id = ?", in.ID).Where("sealed_key = ?", in.SealedKey).Update("sealed_key", sealed).Error
	})
}

// RetireSealingKeys has nothing stored any more that begins with one of the prefixes, if nothing is by now. It returns how many
// integrations have such a key; then nothing is retired.
func (s *Store) RetireSealingKeys(ctx context.Context, prefixes [][]byte) (uses int, err error) {
	err = s.inTx(ctx, ofEvery(), "retire sealing keys", func(tx *gorm.DB) error {
		if s.pool != nil {
			// Those who store a key wait, and those who are at it are waited for. On SQLite there is one writer at a time.
			if err := acrossAccounts(tx).Exec("LOCK TABLE integrations IN EXCLUSIVE MODE").Error; err != nil {
				return err
			}
		}
		uses, err = count(acrossAccounts(tx).Model(&integrationRow{}).Where("substr(sealed_key, 1, ?) IN ?", prefixLength, prefixes))
		if err != nil || uses > 0 {
			return err
		}
		for _, prefix := range prefixes {
			retired := tx.Table("retired_sealing_keys").Clauses(clause.OnConflict{DoNothing: true}).Create(map[string]any{"prefix": prefix})
			if retired.Error != nil {
				return retired.Error
			}
		}
		return nil
	})
	return uses, err
}

// checkSealed refuses what was sealed with a retired key, for whoever stores a key and has locked the account's integration, or that there
// is none.
func checkSealed(tx *gorm.DB, sealed []byte) error {
	retired, err := count(tx.Table("retired_sealing_keys").Where("prefix = ?", sealed[:min(prefixLength, len(sealed))]))
	if err == nil && retired > 0 {
		return unavailable("The sealing keys were changed at the same time. Try again.")
	}
	return err
}
