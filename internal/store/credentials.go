package store

import (
	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

func integrationOf(tx *gorm.DB, accountID string) *gorm.DB {
	return tx.Model(&integrationRow{}).Where("account_id = ?", accountID)
}

// acceptCredentials ends the attention for a refused key, if there is one, and returns that fact.
func acceptCredentials(tx *gorm.DB, accountID string) ([]event.Event, error) {
	cleared := integrationOf(tx, accountID).Where("attention_code = ?", string(integration.CredentialsRejected)).
		Updates(map[string]any{"attention_code": nil, "attention_detail": nil, "attention_since": nil, "retry_at": nil, "retries": 0})
	if cleared.Error != nil || cleared.RowsAffected == 0 {
		return nil, cleared.Error
	}
	return []event.Event{{Type: event.CredentialsAccepted}}, nil
}

// rejectCredentials notes that IT Glue refused the key of an integration that the transaction has locked, and when to try it again. It
// returns the fact, unless it was known.
func (s *Store) rejectCredentials(tx *gorm.DB, accountID, detail string) (facts []event.Event, err error) {
	in, err := lockIntegration(tx, accountID)
	if err != nil {
		return nil, err
	}
	now := s.now()
	known := orEmpty(in.AttentionCode) == string(integration.CredentialsRejected)
	columns := map[string]any{"attention_detail": clean(detail)}
	if !known {
		columns["attention_code"], columns["attention_since"] = string(integration.CredentialsRejected), now
		facts = []event.Event{{Type: event.CredentialsRejected, Detail: detail}}
	}
	if !known || (in.RetryAt != nil && !in.RetryAt.After(now)) {
		columns["retry_at"], columns["retries"] = nil, in.Retries+1
		if delay, again := orgsync.CredentialsRetry(in.Retries); again {
			columns["retry_at"] = now.Add(delay)
		}
	}
	return facts, integrationOf(tx, accountID).Updates(columns).Error
}
