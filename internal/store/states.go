package store

import (
	"context"
	"errors"

	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

type stateRow struct {
	ID            string
	Name          string
	State         string
	ITGlueID      *string `gorm:"column:itglue_id"`
	ITGlueName    *string `gorm:"column:itglue_name"`
	UnmatchedCode *string
}

func (r stateRow) state() orgsync.OrganizationState {
	return orgsync.OrganizationState{
		ID: r.ID, Name: r.Name, State: mapping.State(r.State), ITGlueID: orEmpty(r.ITGlueID), ITGlueName: orEmpty(r.ITGlueName),
		Unmatched: mapping.UnmatchedCode(orEmpty(r.UnmatchedCode)),
	}
}

// OrganizationStates returns all organizations of the account, in order of id, as of the account's event asOf or later. There may be a
// great many, so the rows are scanned by hand: gorm takes as long to fill its structs as the database to find them.
func (s *Store) OrganizationStates(ctx context.Context, accountID string) (states []orgsync.OrganizationState, asOf int64, err error) {
	err = s.read(ctx, of(accountID), "read organization states", func(tx *gorm.DB) (err error) {
		if asOf, err = lastEvent(tx, accountID); err != nil { // first: what comes in between is then seen as later
			return err
		}
		n, err := count(tx.Model(&organizationRow{}).Where("account_id = ?", accountID))
		if err != nil {
			return err
		}
		rows, err := statesOf(tx, accountID).Order("o.id").Rows()
		if err != nil {
			return err
		}
		states = make([]orgsync.OrganizationState, 0, n)
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			var r stateRow
			if err := rows.Scan(&r.ID, &r.Name, &r.State, &r.ITGlueID, &r.ITGlueName, &r.UnmatchedCode); err != nil {
				return err
			}
			states = append(states, r.state())
		}
		return rows.Err()
	})
	return states, asOf, err
}

// OrganizationState returns one of them, or [errs.NotFound].
func (s *Store) OrganizationState(ctx context.Context, accountID, organizationID string) (orgsync.OrganizationState, error) {
	var row stateRow
	if !isID(organizationID) {
		return orgsync.OrganizationState{}, noOrganization()
	}
	err := s.read(ctx, of(accountID), "read organization state", func(tx *gorm.DB) error {
		return orNotFound(statesOf(tx, accountID).Where("o.id = ?", organizationID).Take(&row).Error, noOrganization())
	})
	return row.state(), err
}

func statesOf(tx *gorm.DB, accountID string) *gorm.DB {
	return tx.Table("organizations AS o").
		Select("o.id, o.name, m.state, m.itglue_id, m.itglue_name, m.unmatched_code").
		Joins("JOIN mappings m ON m.account_id = o.account_id AND m.organization_id = o.id").
		Where("o.account_id = ?", accountID)
}

// Size says how many organizations and directory entries the account has together.
func (s *Store) Size(ctx context.Context, accountID string) (n int, err error) {
	err = s.read(ctx, of(accountID), "count an account's rows", func(tx *gorm.DB) error {
		return tx.Raw(`SELECT (SELECT count(*) FROM organizations WHERE account_id = ?) + (SELECT count(*) FROM directory WHERE account_id = ?)`,
			accountID, accountID).Scan(&n).Error
	})
	return n, err
}
