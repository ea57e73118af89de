package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/idempotency"
)

type keyRow struct {
	AccountID   string `gorm:"primaryKey"`
	KeyHash     string `gorm:"primaryKey"`
	Fingerprint []byte
	Owner       string
	Effects     string
	Status      *int
	Headers     *string
	Body        []byte
}

func (keyRow) TableName() string { return "idempotency_keys" }

// heldKeyRow is a key with what the database's clock says of it.
type heldKeyRow struct {
	Row     keyRow `gorm:"embedded"`
	Alive   bool
	Expired bool
}

// keyBusy is how long to wait for the answer of somebody else's attempt.
const keyBusy = 2 * time.Second

func keyInUse() *errs.Error {
	return errs.New(errs.IdempotencyKeyInUse, "A request with this Idempotency-Key is being served. Send it again shortly.").After(keyBusy)
}

// ClaimKey gives the right to serve a request to one attempt: the first one, or one after an attempt that gave up or whose lease ran out.
// It then knows what was done before. Of a request that was answered it returns the answer. It answers [errs.IdempotencyKeyInUse] while
// another attempt is being served, and [errs.IdempotencyKeyReused] when the key came with another request.
func (s *Store) ClaimKey(ctx context.Context, accountID string, r idempotency.Request) (claim *idempotency.Claim, err error) {
	owner, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("claim an idempotency key: %w", err)
	}
	err = s.inTx(ctx, of(accountID), "claim an idempotency key", func(tx *gorm.DB) error {
		claim = &idempotency.Claim{AccountID: accountID, KeyHash: r.KeyHash, Owner: owner.String()}
		inserted := s.insertKey(tx, claim, r)
		if inserted.Error != nil || inserted.RowsAffected == 1 {
			return inserted.Error
		}
		return s.claimAgain(tx, claim, r)
	})
	return claim, err
}

// insertKey claims a key that is not known.
func (s *Store) insertKey(tx *gorm.DB, c *idempotency.Claim, r idempotency.Request) *gorm.DB {
	lease, kept := s.databaseTime(idempotency.Lease), s.databaseTime(idempotency.KeptFor)
	if c.AccountID == "" {
		return tx.Exec(`INSERT INTO operator_idempotency_keys (key_hash, fingerprint, owner, lease_until, effects, expires_at)
			VALUES (?, ?, ?, ?, '', ?) ON CONFLICT DO NOTHING`, r.KeyHash, r.Fingerprint(), c.Owner, lease, kept)
	}
	return tx.Exec(`INSERT INTO idempotency_keys (account_id, key_hash, fingerprint, owner, lease_until, effects, expires_at)
		VALUES (?, ?, ?, ?, ?, '', ?) ON CONFLICT DO NOTHING`, c.AccountID, r.KeyHash, r.Fingerprint(), c.Owner, lease, kept)
}

// claimAgain is [Store.ClaimKey] for a key that is known.
func (s *Store) claimAgain(tx *gorm.DB, claim *idempotency.Claim, r idempotency.Request) error {
	var held heldKeyRow
	now := s.databaseTime(0)
	err := keyOf(tx, claim).Clauses(clause.Locking{Strength: "UPDATE"}).
		Select("*, lease_until IS NOT NULL AND lease_until > ? AS alive, expires_at <= ? AS expired", now, now).Take(&held).Error
	switch row := &held.Row; {
	case errors.Is(err, gorm.ErrRecordNotFound):
		return errRaced // given up in between
	case err != nil:
		return err
	case held.Expired && !held.Alive:
		return keyOf(tx, claim).Updates(map[string]any{
			"fingerprint": r.Fingerprint(), "owner": claim.Owner, "lease_until": s.databaseTime(idempotency.Lease), "effects": "",
			"status": nil, "headers": nil, "body": nil, "expires_at": s.databaseTime(idempotency.KeptFor),
		}).Error
	case !r.Is(row.Fingerprint):
		return errs.New(errs.IdempotencyKeyReused, "This Idempotency-Key was sent with another request. Give each request a key of its own.")
	case row.Status != nil:
		claim.Answer, err = row.answer()
		return err
	case held.Alive:
		return keyInUse()
	default:
		if claim.Effects, err = effectsOf(row.Effects); err != nil {
			return err
		}
		return keyOf(tx, claim).Updates(map[string]any{"owner": claim.Owner, "lease_until": s.databaseTime(idempotency.Lease)}).Error
	}
}

// operatorKeys is where the keys of operators are, who have no account.
const operatorKeys = "operator_idempotency_keys"

func keyOf(tx *gorm.DB, c *idempotency.Claim) *gorm.DB {
	if c.AccountID == "" {
		return tx.Table(operatorKeys).Where("key_hash = ?", c.KeyHash)
	}
	return tx.Model(&keyRow{}).Where("account_id = ?", c.AccountID).Where("key_hash = ?", c.KeyHash)
}

// owned is the key as long as it is the claim's to write.
func owned(tx *gorm.DB, c *idempotency.Claim) *gorm.DB {
	return keyOf(tx, c).Where("owner = ?", c.Owner).Where("status IS NULL")
}

func (r keyRow) answer() (*idempotency.Answer, error) {
	a := &idempotency.Answer{Status: *r.Status, Body: r.Body}
	if err := json.Unmarshal([]byte(orEmpty(r.Headers)), &a.Header); err != nil {
		return nil, fmt.Errorf("headers of a kept answer: %w", err)
	}
	return a, nil
}

func effectsOf(lines string) (effects []idempotency.Effect, err error) {
	d := json.NewDecoder(strings.NewReader(lines))
	for {
		var e idempotency.Effect
		if err := d.Decode(&e); errors.Is(err, io.EOF) {
			return effects, nil
		} else if err != nil {
			return nil, fmt.Errorf("effects of an earlier attempt: %w", err)
		}
		effects = append(effects, e)
	}
}

// noteEffects notes facts with the claim that the transaction is under, if there is one. It answers [errs.IdempotencyKeyInUse], and so
// undoes the transaction, when another attempt has the claim by now.
func noteEffects(tx *gorm.DB, accountID string, facts []event.Event) error {
	claim := idempotency.From(tx.Statement.Context)
	if claim == nil {
		return nil
	}
	var lines strings.Builder
	for i := range facts {
		effect := idempotency.EffectOf(&facts[i])
		if claim.AccountID == "" {
			effect.AccountID = accountID
		}
		if err := json.NewEncoder(&lines).Encode(effect); err != nil {
			return fmt.Errorf("note an effect: %w", err)
		}
	}
	mine := owned(tx, claim)
	if claim.AccountID != "" {
		mine = mine.Where("account_id = ?", accountID)
	}
	noted := mine.Update("effects", gorm.Expr("effects || ?", lines.String()))
	if noted.Error == nil && noted.RowsAffected == 0 {
		return keyInUse()
	}
	return noted.Error
}

// RenewKey is a sign of life of the attempt that has the claim.
func (s *Store) RenewKey(ctx context.Context, c *idempotency.Claim) error {
	return s.writeKey(ctx, "renew the claim of an idempotency key", c, map[string]any{"lease_until": s.databaseTime(idempotency.Lease)})
}

// AnswerKey keeps the answer for those who send the request again.
func (s *Store) AnswerKey(ctx context.Context, c *idempotency.Claim, a idempotency.Answer) error {
	headers, err := json.Marshal(a.Header)
	if err != nil {
		return fmt.Errorf("keep the answer of a request: %w", err)
	}
	return s.writeKey(ctx, "keep the answer of a request", c, map[string]any{
		"lease_until": nil, "status": a.Status, "headers": string(headers), "body": a.Body,
	})
}

// writeKey answers [errs.IdempotencyKeyInUse] when another attempt has the claim by now.
func (s *Store) writeKey(ctx context.Context, operation string, c *idempotency.Claim, columns map[string]any) error {
	return s.inTx(ctx, of(c.AccountID), operation, func(tx *gorm.DB) error {
		written := owned(tx, c).Updates(columns)
		if written.Error == nil && written.RowsAffected == 0 {
			return keyInUse()
		}
		return written.Error
	})
}

// ReleaseKey gives a claim up that has not been answered: the key is forgotten unless something was done under it, and the next attempt
// is served at once. A claim that another attempt has by now stays.
func (s *Store) ReleaseKey(ctx context.Context, c *idempotency.Claim) error {
	return s.inTx(ctx, of(c.AccountID), "release an idempotency key", func(tx *gorm.DB) error {
		forgotten := owned(tx, c).Where("effects = ''").Delete(&keyRow{})
		if forgotten.Error != nil || forgotten.RowsAffected > 0 {
			return forgotten.Error
		}
		return owned(tx, c).Update("lease_until", nil).Error
	})
}

// ForgetKeys removes the idempotency keys of all accounts and operators that have been kept long enough.
func (s *Store) ForgetKeys(ctx context.Context) error {
	return s.inTx(ctx, ofEvery(), "forget idempotency keys", func(tx *gorm.DB) error {
		if err := tx.Exec("DELETE FROM operator_idempotency_keys WHERE expires_at <= ?", s.databaseTime(0)).Error; err != nil {
			return err
		}
		return acrossAccounts(tx).Where("expires_at <= ?", s.databaseTime(0)).Delete(&keyRow{}).Error
	})
}
