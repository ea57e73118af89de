package store

import (
	"context"

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

// OrganizationStates returns all organizations of the account, in order of id.
func (s *Store) OrganizationStates(ctx context.Context, accountID string) ([]orgsync.OrganizationState, error) {
	var rows []stateRow
	err := s.read(ctx, "read organization states", func(tx *gorm.DB) error {
		return statesOf(tx, accountID).Order("o.id").Find(&rows).Error
	})
	return convert(rows, stateRow.state), err
}

// OrganizationState returns one of them, or [errs.NotFound].
func (s *Store) OrganizationState(ctx context.Context, accountID, organizationID string) (orgsync.OrganizationState, error) {
	var row stateRow
	if !isID(organizationID) {
		return orgsync.OrganizationState{}, noOrganization()
	}
	err := s.read(ctx, "read organization state", func(tx *gorm.DB) error {
		return orNotFound(statesOf(tx, accountID).Where("o.id = ?", organizationID).Take(&row).Error, noOrganization())
	})
	return row.state(), err
}

func statesOf(tx *gorm.DB, accountID string) *gorm.DB {
	return tx.Table("organizations AS o").
		Select("o.id, o.name, m.state, m.itglue_id, coalesce(d.name, m.itglue_name) AS itglue_name, m.unmatched_code").
		Joins("JOIN mappings m ON m.account_id = o.account_id AND m.organization_id = o.id").
		Joins("LEFT JOIN directory d ON d.account_id = m.account_id AND d.id = m.itglue_id").
		Where("o.account_id = ?", accountID)
}
