package store

import (
	"errors"

	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

func integrationOf(tx *gorm.DB, accountID string) *gorm.DB {
	return tx.Model(&integrationRow{}).Where("account_id = ?", accountID)
}

// acceptCredentials ends the attention for a refused key, if there is one, and the wait for its next try. It returns the fact.
func acceptCredentials(tx *gorm.DB, accountID string) ([]event.Event, error) {
	rejected := string(integration.CredentialsRejected)
	waiting := integrationOf(tx, accountID).Where("(attention_code = ? OR retry_at IS NOT NULL)", rejected).
		Updates(map[string]any{"retry_at": nil, "retries": 0})
	if waiting.Error != nil || waiting.RowsAffected == 0 {
		return nil, waiting.Error
	}
	cleared := integrationOf(tx, accountID).Where("attention_code = ?", rejected).
		Updates(map[string]any{"attention_code": nil, "attention_detail": nil, "attention_since": nil})
	if cleared.Error != nil || cleared.RowsAffected == 0 {
		return nil, cleared.Error
	}
	return []event.Event{{Type: event.CredentialsAccepted}}, nil
}

// recoverCredentials is acceptCredentials for a key that a person gave. What the refused one has kept from being synced is due at once,
// unless daily syncs are paused.
func (s *Store) recoverCredentials(tx *gorm.DB, in *integrationRow, daily bool) ([]event.Event, error) {
	facts, err := acceptCredentials(tx, in.AccountID)
	if err != nil || len(facts) == 0 || !daily {
		return facts, err
	}
	now, err := s.dueTime(tx)
	if err != nil {
		return nil, err
	}
	return facts, integrationOf(tx, in.AccountID).Update("retry_at", now).Error
}

// rejectCredentials notes that IT Glue refused the key of an integration that the transaction has locked, and when to try it again. It
// returns the fact, unless it was known.
func (s *Store) rejectCredentials(tx *gorm.DB, accountID, detail string) (facts []event.Event, err error) {
	in, err := lockIntegration(tx, accountID)
	if err != nil {
		return nil, err
	}
	if orEmpty(in.AttentionCode) != string(integration.CredentialsRejected) {
		err = integrationOf(tx, accountID).Updates(map[string]any{
			"attention_code": string(integration.CredentialsRejected), "attention_detail": clean(detail), "attention_since": s.now(),
		}).Error
		return []event.Event{{Type: event.CredentialsRejected, Detail: detail}}, errors.Join(err, s.scheduleRetry(tx, accountID, 0))
	}
	if err := integrationOf(tx, accountID).Update("attention_detail", clean(detail)).Error; err != nil {
		return nil, err
	}
	now, err := s.dueTime(tx)
	if err != nil || in.RetryAt == nil || in.RetryAt.After(now) { // the next try is still to come, or there is none
		return nil, err
	}
	return nil, s.scheduleRetry(tx, accountID, in.Retries)
}

// scheduleRetry plans the next try, after so many before; there may be none.
func (s *Store) scheduleRetry(tx *gorm.DB, accountID string, retries int) error {
	columns := map[string]any{"retry_at": nil, "retries": retries + 1}
	if delay, again := orgsync.CredentialsRetry(retries); again {
		now, err := s.dueTime(tx)
		if err != nil {
			return err
		}
		columns["retry_at"] = now.Add(delay)
	}
	return integrationOf(tx, accountID).Updates(columns).Error
}
