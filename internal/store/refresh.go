package store

import (
	"bytes"
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

// Refresh stores an ended sync of one organization with its changes and applies those that are planned: with an entry the directory
// gets it and the mapping's LastSyncedAt is set, without one the directory loses state.ITGlueID. It answers [errs.Conflict] when the
// mapping or the name is no longer as in state, or the account is connected otherwise than through the connection that was read;
// [errs.NotFound] when the organization is gone, and [errs.NotConnected].
func (s *Store) Refresh(
	ctx context.Context, through integration.Integration, sync orgsync.Sync, state orgsync.OrganizationState,
	entry *integration.DirectoryEntry, changes []orgsync.Change,
) error {
	row := newSyncRow(sync.AccountID, &sync)
	if row.FinishedAt == nil {
		now := s.now()
		row.FinishedAt = &now
	}
	return s.inTx(ctx, of(row.AccountID), "refresh organization", func(tx *gorm.DB) error {
		if err := lockConnection(tx, row.AccountID, &through); err != nil {
			return err
		}
		if err := checkMapping(tx, row.AccountID, state.ID); err != nil {
			return err
		}
		if err := unchanged(tx, row.AccountID, &state); err != nil {
			return err
		}
		stored := row
		if err := tx.Create(&stored).Error; err != nil {
			return err
		}
		learnt, err := acceptCredentials(tx, row.AccountID)
		if err != nil {
			return err
		}
		if err := s.refresh(ctx, tx, &row, &state, entry, append([]orgsync.Change(nil), changes...)); err != nil {
			return err
		}
		return s.record(tx, row.AccountID, learntBy(&sync, learnt)...)
	})
}

// RejectCredentials notes that IT Glue refused the key of the integration, if the account still has it.
func (s *Store) RejectCredentials(ctx context.Context, in integration.Integration, detail string) error {
	return s.inTx(ctx, of(in.AccountID), "note rejected credentials", func(tx *gorm.DB) error {
		now, err := lockIntegration(tx, in.AccountID)
		if errs.Is(err, errs.NotConnected) || (err == nil && !bytes.Equal(now.SealedKey, in.SealedKey)) {
			return nil // it was not the key of today that was refused
		}
		if err != nil {
			return err
		}
		facts, err := s.rejectCredentials(tx, in.AccountID, detail)
		if err != nil {
			return err
		}
		return s.record(tx, in.AccountID, facts...)
	})
}

// unchanged answers [errs.Conflict] unless the organization still is as in state, and keeps it so.
func unchanged(tx *gorm.DB, accountID string, state *orgsync.OrganizationState) error {
	if !isID(state.ID) {
		return noOrganization()
	}
	var o organizationRow
	row, err := lockMapping(tx, accountID, state.ID)
	if err != nil {
		return err
	}
	err = tx.Clauses(clause.Locking{Strength: "UPDATE"}).Where("account_id = ?", accountID).Where("id = ?", state.ID).Take(&o).Error
	if err != nil {
		return orNotFound(err, noOrganization())
	}
	if o.Name != state.Name || mapping.State(row.State) != state.State || orEmpty(row.ITGlueID) != state.ITGlueID {
		return errs.New(errs.Conflict, "The organization was changed at the same time. Try again.")
	}
	return nil
}

func (s *Store) refresh(
	ctx context.Context, tx *gorm.DB, sync *syncRow, state *orgsync.OrganizationState, entry *integration.DirectoryEntry,
	changes []orgsync.Change,
) error {
	if err := s.refreshDirectory(ctx, tx, sync.AccountID, state, entry); err != nil {
		return err
	}
	if err := s.lookUpByID(tx); err != nil {
		return err
	}
	// A person asked for this one, so a paused mapping is not left out.
	if err := s.applier(tx, sync.AccountID, mapping.Active, mapping.Paused).apply(changes); err != nil {
		return err
	}
	return s.storeChanges(ctx, tx, sync.AccountID, sync.ID, changes)
}

func (s *Store) refreshDirectory(
	ctx context.Context, tx *gorm.DB, accountID string, state *orgsync.OrganizationState, entry *integration.DirectoryEntry,
) error {
	if entry == nil {
		return removeEntries(tx, accountID, []string{state.ITGlueID})
	}
	if err := s.putEntries(ctx, tx, accountID, []integration.DirectoryEntry{*entry}); err != nil {
		return err
	}
	return update(tx, &mappingRow{AccountID: accountID, OrganizationID: state.ID}, map[string]any{
		"itglue_name": clean(entry.Name), "last_synced_at": s.now(),
	})
}
