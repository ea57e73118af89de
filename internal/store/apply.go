package store

import (
	"time"

	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/names"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

// applier makes planned changes within one transaction, one statement for all changes of an action.
type applier struct {
	store     *Store
	tx        *gorm.DB
	accountID string
	states    []mapping.State // what a mapping must be to be renamed or removed
	at        time.Time
	// quiet tells that nobody changed anything since the plan was made, so that it need not be checked again row by row.
	quiet bool
}

func (s *Store) applier(tx *gorm.DB, accountID string, states ...mapping.State) applier {
	return applier{store: s, tx: tx, accountID: accountID, states: states, at: s.now()}
}

// apply makes the planned changes and notes in place what became of each. Removals come first: they set free what others take.
func (a applier) apply(changes []orgsync.Change) error {
	for _, step := range []struct {
		action orgsync.Action
		do     func([]*orgsync.Change) ([]string, error)
	}{
		{orgsync.ActionUnmap, a.unmap},
		{orgsync.ActionRename, a.rename},
		{orgsync.ActionMap, a.mapEqual},
	} {
		planned := plannedOf(changes, step.action)
		if len(planned) == 0 {
			continue
		}
		done, err := step.do(planned)
		if err != nil {
			return err
		}
		settle(planned, done)
	}
	return nil
}

// plannedOf returns the planned changes of one action. A second one for the same organization, or a second map to the same IT Glue
// organization, cannot fit and is refused at once.
func plannedOf(changes []orgsync.Change, action orgsync.Action) []*orgsync.Change {
	var planned []*orgsync.Change
	organizations, targets := map[string]bool{}, map[string]bool{}
	for i := range changes {
		c := &changes[i]
		if c.Action != action || c.Status != orgsync.ChangePlanned {
			continue
		}
		if organizations[c.OrganizationID] || targets[c.ITGlueID] {
			c.Status, c.Reason = orgsync.ChangeRefused, orgsync.ReasonChangedMeanwhile
			continue
		}
		organizations[c.OrganizationID], targets[c.ITGlueID] = true, true
		planned = append(planned, c)
	}
	return planned
}

func settle(planned []*orgsync.Change, done []string) {
	made := make(map[string]bool, len(done))
	for _, id := range done {
		made[id] = true
	}
	for _, c := range planned {
		if made[c.OrganizationID] {
			c.Status = orgsync.ChangeApplied
		} else {
			c.Status, c.Reason = orgsync.ChangeRefused, orgsync.ReasonChangedMeanwhile
		}
	}
}

func (a applier) unmap(planned []*orgsync.Change) (done []string, err error) {
	rows := make([][]string, len(planned))
	for i, c := range planned {
		rows[i] = []string{c.OrganizationID, c.ITGlueID}
	}
	err = a.tx.Raw(`WITH v(org_id, target_id) AS MATERIALIZED (?)
		UPDATE mappings SET state = 'unmapped', itglue_id = NULL, itglue_name = NULL, origin = NULL, mapped_at = NULL,
			active_since = NULL, last_synced_at = NULL, unmatched_code = ?
		FROM v
		WHERE CAST(mappings.account_id AS text) = ? AND mappings.organization_id = v.org_id AND mappings.itglue_id = v.target_id
			AND mappings.state || '' IN ?
		RETURNING organization_id`,
		a.store.values([]string{"uuid", "text"}, rows), string(mapping.DeletedInITGlue), a.accountID, a.states).Find(&done).Error
	return done, err
}

func (a applier) rename(planned []*orgsync.Change) (done []string, err error) {
	rows := make([][]string, len(planned))
	for i, c := range planned {
		rows[i] = []string{c.OrganizationID, c.ITGlueID, c.Before, c.After, names.Folded(c.After)}
	}
	types := []string{"uuid", "text", "text", "text", "text"}
	err = a.tx.Raw(`WITH v(org_id, target_id, old_name, new_name, new_folded) AS MATERIALIZED (?)
		UPDATE organizations SET name = v.new_name, name_folded = v.new_folded, updated_at = ?
		FROM v, mappings m
		WHERE CAST(organizations.account_id AS text) = ? AND organizations.id = v.org_id AND organizations.name = v.old_name
			AND m.account_id = organizations.account_id AND m.organization_id = v.org_id AND m.itglue_id = v.target_id AND m.state || '' IN ?
		RETURNING organizations.id`,
		a.store.values(types, rows), a.at, a.accountID, a.states).Find(&done).Error
	if err != nil || len(done) == 0 {
		return done, err
	}
	return done, a.seen(planned, done)
}

// seen notes on renamed mappings that they were compared, and with which name.
func (a applier) seen(planned []*orgsync.Change, done []string) error {
	made := make(map[string]bool, len(done))
	for _, id := range done {
		made[id] = true
	}
	rows := make([][]string, 0, len(done))
	for _, c := range planned {
		if made[c.OrganizationID] {
			rows = append(rows, []string{c.OrganizationID, clean(c.ITGlueName)})
		}
	}
	return a.tx.Exec(`WITH v(org_id, target_name) AS MATERIALIZED (?)
		UPDATE mappings SET itglue_name = v.target_name, last_synced_at = ?
		FROM v WHERE CAST(mappings.account_id AS text) = ? AND mappings.organization_id = v.org_id`,
		a.store.values([]string{"uuid", "text"}, rows), a.at, a.accountID).Error
}

// mapsAutomatically sets a mapping up, with three times that it is now.
const mapsAutomatically = `state = 'active', itglue_id = v.target_id, itglue_name = v.target_name, origin = 'auto',
	mapped_at = ?, active_since = ?, last_synced_at = ?, unmatched_code = NULL`

// mapEqual maps organizations that are unmapped and still the only ones with their name, to targets that are still free.
func (a applier) mapEqual(planned []*orgsync.Change) (done []string, err error) {
	rows := make([][]string, len(planned))
	for i, c := range planned {
		rows[i] = []string{c.OrganizationID, c.ITGlueID, clean(c.ITGlueName), c.OrganizationName}
	}
	list := a.store.values([]string{"uuid", "text", "text", "text"}, rows)
	var made *gorm.DB
	if a.quiet {
		made = a.tx.Exec(`WITH v(org_id, target_id, target_name, org_name) AS MATERIALIZED (?)
			UPDATE mappings SET `+mapsAutomatically+` FROM v
			WHERE CAST(mappings.account_id AS text) = ? AND mappings.organization_id = v.org_id AND mappings.state || '' = 'unmapped'`,
			list, a.at, a.at, a.at, a.accountID)
	} else {
		made = a.tx.Exec(`WITH v(org_id, target_id, target_name, org_name) AS MATERIALIZED (?)
			UPDATE mappings SET `+mapsAutomatically+` FROM v, organizations o
			WHERE CAST(mappings.account_id AS text) = ? AND mappings.organization_id = v.org_id AND mappings.state || '' = 'unmapped'
				AND (mappings.unmatched_code IS NULL OR mappings.unmatched_code <> ?)
				AND o.id = v.org_id AND CAST(o.account_id AS text) = CAST(mappings.account_id AS text) AND o.name = v.org_name
				AND NOT EXISTS (SELECT 1 FROM mappings t WHERE t.account_id = ? AND t.itglue_id = v.target_id)
				AND NOT EXISTS (SELECT 1 FROM organizations n
					WHERE n.account_id = ? AND n.name_folded = o.name_folded AND n.name = o.name AND n.id <> o.id)`,
			list, a.at, a.at, a.at, a.accountID, string(mapping.UnmappedByPerson), a.accountID, a.accountID)
	}
	if made.Error != nil || int(made.RowsAffected) == len(planned) {
		return convert(planned, func(c *orgsync.Change) string { return c.OrganizationID }), raced(made.Error)
	}
	// Seldom: which of them were made. RETURNING would tell, at a price for every batch.
	err = a.tx.Raw(`WITH v(org_id, target_id, target_name, org_name) AS MATERIALIZED (?)
		SELECT m.organization_id FROM v, mappings m
		WHERE CAST(m.account_id AS text) = ? AND m.organization_id = v.org_id AND m.itglue_id = v.target_id
			AND m.origin = 'auto' AND m.mapped_at = ?`, list, a.accountID, a.at).Find(&done).Error
	return done, err
}
