package store

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

type integrationRow struct {
	AccountID           string `gorm:"primaryKey"`
	ID                  string
	Region              string
	SealedKey           []byte
	APIKeyHint          string
	ConnectedAt         time.Time
	AutoMap             string
	RemovalLimitPercent int
	ListedAt            *time.Time
	LastSyncedAt        *time.Time
	AttentionCode       *string
	AttentionDetail     *string
	AttentionSince      *time.Time
	DailyEnabled        bool
	DailyTimeZone       string
	DailyTime           string
	LastRunDate         *string
	NextRunDate         *string
	NextRunAt           *time.Time
	RetryAt             *time.Time
	Retries             int
	HeldSyncID          *string
}

func (integrationRow) TableName() string { return "integrations" }

func (r integrationRow) integration() integration.Integration {
	in := integration.Integration{
		AccountID: r.AccountID, ID: r.ID, SealedKey: r.SealedKey, APIKeyHint: r.APIKeyHint, ConnectedAt: instant(r.ConnectedAt),
		AutoMap: integration.AutoMap(r.AutoMap), RemovalLimitPercent: r.RemovalLimitPercent,
		Daily: integration.DailySync{
			Enabled: r.DailyEnabled, TimeZone: r.DailyTimeZone, Time: r.DailyTime, LastDate: orEmpty(r.LastRunDate),
			NextDate: orEmpty(r.NextRunDate), NextRunAt: utc(r.NextRunAt),
		},
		HeldSyncID: orEmpty(r.HeldSyncID), ListedAt: utc(r.ListedAt), LastSyncedAt: utc(r.LastSyncedAt),
	}
	set(&in.Region, r.Region)
	if r.AttentionCode != nil && r.AttentionSince != nil {
		in.Attention = &integration.Attention{
			Code: integration.AttentionCode(*r.AttentionCode), Detail: orEmpty(r.AttentionDetail), Since: instant(*r.AttentionSince),
		}
	}
	return in
}

func newIntegrationRow(accountID string, in *integration.Integration) integrationRow {
	row := integrationRow{
		AccountID: accountID, ID: in.ID, Region: string(in.Region), SealedKey: in.SealedKey, APIKeyHint: clean(in.APIKeyHint),
		ConnectedAt: instant(in.ConnectedAt), AutoMap: string(in.AutoMap), RemovalLimitPercent: in.RemovalLimitPercent,
		DailyEnabled: in.Daily.Enabled, DailyTimeZone: in.Daily.TimeZone, DailyTime: in.Daily.Time,
		LastRunDate: orNil(in.Daily.LastDate), NextRunDate: orNil(in.Daily.NextDate),
		NextRunAt: utc(in.Daily.NextRunAt), ListedAt: utc(in.ListedAt), LastSyncedAt: utc(in.LastSyncedAt),
	}
	if a := in.Attention; a != nil {
		row.AttentionCode, row.AttentionDetail, row.AttentionSince = orNil(string(a.Code)), orNil(clean(a.Detail)), utc(&a.Since)
	}
	return row
}

func notConnected() *errs.Error {
	return errs.New(errs.NotConnected, "IT Glue is not connected.")
}

// Integration returns the account's integration, or [errs.NotConnected].
func (s *Store) Integration(ctx context.Context, accountID string) (integration.Integration, error) {
	var row integrationRow
	err := s.read(ctx, of(accountID), "read integration", func(tx *gorm.DB) error {
		return orNotFound(tx.Where("account_id = ?", accountID).Take(&row).Error, notConnected())
	})
	if err != nil {
		return integration.Integration{}, err
	}
	return row.integration(), nil
}

// Connect stores the integration and its queued initial sync. It answers [errs.AlreadyConnected] when the account has an integration.
func (s *Store) Connect(ctx context.Context, accountID string, in integration.Integration, initial integration.InitialSync) error {
	row := newIntegrationRow(accountID, &in)
	first := newSyncRow(accountID, &orgsync.Sync{
		ID: initial.ID, IntegrationID: in.ID, Kind: orgsync.Initial, Status: orgsync.Queued, Epoch: 1, CreatedAt: in.ConnectedAt,
		RequestedBy: initial.By,
	})
	return s.inTx(ctx, of(accountID), "connect", func(tx *gorm.DB) error {
		if err := lockUnconnected(tx, accountID); err != nil {
			return err
		}
		if err := checkSealed(tx, row.SealedKey); err != nil {
			return err
		}
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
		if err := tx.Create(&first).Error; err != nil {
			return err
		}
		stored := first.sync()
		return s.record(tx, accountID, event.Event{
			Type: event.IntegrationConnected, Actor: initial.By, After: event.Properties{"region": row.Region, "apiKeyHint": row.APIKeyHint},
		}, queued(&stored))
	})
}

// lockUnconnected is for whoever connects: it waits for those who deactivate, and for those who change organizations while there is no
// integration. It answers [errs.AlreadyConnected].
func lockUnconnected(tx *gorm.DB, accountID string) error {
	_, err := lockIntegration(tx, accountID)
	switch {
	case err == nil:
		return errs.New(errs.AlreadyConnected, "IT Glue is connected already.")
	case !errs.Is(err, errs.NotConnected):
		return err
	}
	return stayUnconnected(tx, accountID)
}

// stayUnconnected keeps an account without integration from being connected until the transaction ends. This is the one place where the
// account's row is locked first: everybody else has the integration by then. Hence it does not wait for an integration that came
// meanwhile, but has the transaction run again.
func stayUnconnected(tx *gorm.DB, accountID string) error {
	var account accountRow
	err := tx.Clauses(clause.Locking{Strength: "NO KEY UPDATE"}).Where("id = ?", accountID).Take(&account).Error
	if err != nil {
		return orNotFound(err, noAccount())
	}
	connected, err := count(integrationOf(tx, accountID))
	if err == nil && connected > 0 {
		return errRaced
	}
	return err
}

// lockIntegration returns the account's integration and keeps it from being removed until the transaction ends, or answers
// [errs.NotConnected]. Whoever changes mappings takes this lock first: within an account they wait for each other for as long as a batch
// takes, and never lose a race for the same IT Glue organization.
func lockIntegration(tx *gorm.DB, accountID string) (integrationRow, error) {
	var row integrationRow
	err := tx.Clauses(clause.Locking{Strength: "NO KEY UPDATE"}).Where("account_id = ?", accountID).Take(&row).Error
	return row, orNotFound(err, notConnected())
}
