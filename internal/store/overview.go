package store

import (
	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/precondition"
)

// checkOverview checks the precondition on a locked integration.
func checkOverview(tx *gorm.DB, row *integrationRow) error {
	return precondition.Check(tx.Statement.Context, func() (orgsync.Overview, error) { return overviewOf(tx, row) })
}

func overviewOf(tx *gorm.DB, row *integrationRow) (o orgsync.Overview, err error) {
	o.Integration = row.integration()
	if o.Mappings, err = mappingSummary(tx, row.AccountID); err != nil {
		return o, err
	}
	if o.Active, err = activeSync(tx, row.AccountID); err != nil {
		return o, err
	}
	if o.Last, err = lastSync(tx, row.AccountID); err != nil || row.HeldSyncID == nil {
		return o, err
	}
	held, err := syncOf(tx, row.AccountID, *row.HeldSyncID)
	o.Held = &held
	return o, err
}
