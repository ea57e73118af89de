package store

import (
	"context"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/names"
	"github.com/orgbridge/orgbridge/internal/page"
	"github.com/orgbridge/orgbridge/internal/precondition"
)

// maxCandidates is how many candidates a row shows at most; more would not help a person to choose.
const maxCandidates = 20

// viewRow is a mapping with its organization, the directory's name and the integration's time.
type viewRow struct {
	Mapping             mappingRow `gorm:"embedded"` // gorm does not see an embedded field of an unexported type by itself
	Name                string
	NameFolded          string
	Domain              string
	DirectoryName       *string
	IntegrationSyncedAt *time.Time
}

// viewColumns looks the names up row by row. As joins they tempt PostgreSQL, when its statistics are behind a large new account, to
// read the whole directory for every page.
const viewColumns = `m.*, o.name, o.name_folded, o.domain,
	(SELECT d.name FROM directory d WHERE d.account_id = m.account_id AND d.id = m.itglue_id) AS directory_name,
	(SELECT i.last_synced_at FROM integrations i WHERE i.account_id = m.account_id) AS integration_synced_at`

// view is a row on its way out, with what its candidates are found by.
type view struct {
	mapping.Row

	folded string
}

func (r viewRow) view() view {
	row := mapping.Row{
		OrganizationID: r.Mapping.OrganizationID, OrganizationName: r.Name, OrganizationDomain: r.Domain, State: mapping.State(r.Mapping.State),
		ITGlueID: orEmpty(r.Mapping.ITGlueID), ITGlueName: orEmpty(r.Mapping.ITGlueName), Origin: mapping.Origin(orEmpty(r.Mapping.Origin)),
		MappedAt: utc(r.Mapping.MappedAt), LastSyncedAt: r.Mapping.syncedAt(r.IntegrationSyncedAt),
		Unmatched: mapping.UnmatchedCode(orEmpty(r.Mapping.UnmatchedCode)),
	}
	if r.DirectoryName != nil {
		row.ITGlueName = *r.DirectoryName
	}
	return view{Row: row, folded: r.NameFolded}
}

func (r viewRow) position() page.Position {
	return page.Position{Key: r.NameFolded, ID: r.Mapping.OrganizationID}
}

// Mapping returns the organization's row with its candidates, or [errs.NotFound].
func (s *Store) Mapping(ctx context.Context, accountID, organizationID string) (mapping.Row, error) {
	if !isID(organizationID) {
		return mapping.Row{}, noOrganization()
	}
	var row mapping.Row
	err := s.read(ctx, of(accountID), "read mapping", func(tx *gorm.DB) (err error) {
		row, err = mappingOf(tx, accountID, organizationID)
		return err
	})
	return row, err
}

func mappingOf(tx *gorm.DB, accountID, organizationID string) (mapping.Row, error) {
	var row viewRow
	q := mappingsOf(tx, accountID, mapping.Filter{}).Select(viewColumns).Where("o.id = ?", organizationID)
	if err := q.Take(&row).Error; err != nil {
		return mapping.Row{}, orNotFound(err, noOrganization())
	}
	rows, err := withCandidates(tx, accountID, []view{row.view()})
	if err != nil {
		return mapping.Row{}, err
	}
	return rows[0], nil
}

// checkMapping checks the precondition on a row that is locked by the lock of the integration.
func checkMapping(tx *gorm.DB, accountID, organizationID string) error {
	return precondition.Check(tx.Statement.Context, func() (mapping.Row, error) { return mappingOf(tx, accountID, organizationID) })
}

// Mappings returns a page of rows with their candidates, in the order of (folded name of the organization, id). A foreign position is
// [errs.ValidationFailed].
func (s *Store) Mappings(ctx context.Context, accountID string, f mapping.Filter) (rows page.Page[mapping.Row], err error) {
	err = s.read(ctx, of(accountID), "list mappings", func(tx *gorm.DB) error {
		q, err := byName(mappingsOf(tx, accountID, f).Select(viewColumns), f.After, f.Sort == mapping.SortNameDesc)
		if err != nil {
			return err
		}
		views, err := pageOf(q, f.Limit, viewRow.view, viewRow.position)
		if err != nil {
			return err
		}
		rows.Next = views.Next
		rows.Items, err = withCandidates(tx, accountID, views.Items)
		return err
	})
	return rows, err
}

// CountMappings counts the rows on all pages.
func (s *Store) CountMappings(ctx context.Context, accountID string, f mapping.Filter) (n int, err error) {
	err = s.read(ctx, of(accountID), "count mappings", func(tx *gorm.DB) error {
		n, err = count(mappingsOf(tx, accountID, f))
		return err
	})
	return n, err
}

func mappingsOf(tx *gorm.DB, accountID string, f mapping.Filter) *gorm.DB {
	q := tx.Table("organizations AS o").
		Joins("JOIN mappings m ON m.account_id = o.account_id AND m.organization_id = o.id").
		Where("o.account_id = ?", accountID)
	if f.State != "" {
		q = q.Where("m.state = ?", string(f.State))
	}
	if f.Unmatched != "" {
		q = q.Where("m.unmatched_code = ?", string(f.Unmatched))
	}
	return matching(q, `o.name_folded LIKE ? ESCAPE '\'`, f.Search)
}

type candidateRow struct {
	ID         string
	Name       string
	NameFolded string
	Mapped     bool
}

// withCandidates adds to unmapped rows the IT Glue organizations whose names differ at most in case and spaces, equal ones first; one
// query for all rows. One that was deleted and is there again comes before all others.
func withCandidates(tx *gorm.DB, accountID string, views []view) ([]mapping.Row, error) {
	var folded []string
	for i := range views {
		if views[i].State == mapping.Unmapped {
			folded = append(folded, views[i].folded)
		}
	}
	byFolded, err := candidates(tx, accountID, folded)
	if err != nil {
		return nil, err
	}
	again, err := restored(tx, accountID, views)
	if err != nil {
		return nil, err
	}
	rows := make([]mapping.Row, len(views))
	for i := range views {
		rows[i] = views[i].Row
		if rows[i].State == mapping.Unmapped {
			rows[i].Candidates = equalFirst(rows[i].OrganizationName, byFolded[views[i].folded])
		}
		if former, ok := again[rows[i].OrganizationID]; ok {
			others := slices.DeleteFunc(rows[i].Candidates, func(c mapping.Candidate) bool { return c.ID == former.ID })
			rows[i].Candidates = append([]mapping.Candidate{former}, others...)
		}
	}
	return rows, nil
}

// restored finds, for organizations that lost their mapping because their IT Glue organization was deleted, those of the latter that are
// in the directory again. It takes a query only if there are such organizations.
func restored(tx *gorm.DB, accountID string, views []view) (map[string]mapping.Candidate, error) {
	var lost []string
	for i := range views {
		if views[i].Unmatched == mapping.DeletedInITGlue {
			lost = append(lost, views[i].OrganizationID)
		}
	}
	if len(lost) == 0 {
		return map[string]mapping.Candidate{}, nil
	}
	var rows []struct {
		OrganizationID string
		ID             string
		Name           string
		Mapped         bool
	}
	err := tx.Raw(`SELECT c.organization_id, d.id, d.name, m.organization_id IS NOT NULL AS mapped
		FROM sync_changes c
		JOIN directory d ON d.account_id = c.account_id AND d.id = c.itglue_id
		LEFT JOIN mappings m ON m.account_id = d.account_id AND m.itglue_id = d.id
		WHERE c.account_id = ? AND c.organization_id IN ? AND c.action = 'unmap' AND c.event IS NOT NULL
			AND NOT EXISTS (SELECT 1 FROM sync_changes later WHERE later.account_id = c.account_id
				AND later.organization_id = c.organization_id AND later.action = 'unmap' AND later.event > c.event)`,
		accountID, lost).Find(&rows).Error
	again := make(map[string]mapping.Candidate, len(rows))
	for _, r := range rows {
		again[r.OrganizationID] = mapping.Candidate{ID: r.ID, Name: r.Name, Mapped: r.Mapped}
	}
	return again, err
}

func candidates(tx *gorm.DB, accountID string, folded []string) (map[string][]mapping.Candidate, error) {
	if len(folded) == 0 {
		return map[string][]mapping.Candidate{}, nil
	}
	var rows []candidateRow
	err := tx.Raw(`SELECT id, name, name_folded, mapped FROM (
			SELECT d.id, d.name, d.name_folded, m.organization_id IS NOT NULL AS mapped,
				row_number() OVER (PARTITION BY d.name_folded ORDER BY d.id) AS place
			FROM directory d LEFT JOIN mappings m ON m.account_id = d.account_id AND m.itglue_id = d.id
			WHERE d.account_id = ? AND d.name_folded IN ?
		) ranked WHERE place <= ? ORDER BY id`, accountID, folded, maxCandidates).Find(&rows).Error
	if err != nil {
		return nil, err
	}
	found := make(map[string][]mapping.Candidate, len(rows))
	for _, r := range rows {
		found[r.NameFolded] = append(found[r.NameFolded], mapping.Candidate{ID: r.ID, Name: r.Name, Mapped: r.Mapped})
	}
	return found, nil
}

func equalFirst(name string, all []mapping.Candidate) []mapping.Candidate {
	equal := func(c mapping.Candidate) int {
		if names.Equal(c.Name, name) {
			return 0
		}
		return 1
	}
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b mapping.Candidate) int { return equal(a) - equal(b) })
	return sorted
}

// MappingSummary counts the account's rows by state and by the reason why they are not mapped.
func (s *Store) MappingSummary(ctx context.Context, accountID string) (sum mapping.Summary, err error) {
	err = s.read(ctx, of(accountID), "summarize mappings", func(tx *gorm.DB) error {
		sum, err = mappingSummary(tx, accountID)
		return err
	})
	return sum, err
}

func mappingSummary(tx *gorm.DB, accountID string) (mapping.Summary, error) {
	var groups []struct {
		State         string
		UnmatchedCode *string
		N             int
	}
	err := tx.Model(&mappingRow{}).Select("state, unmatched_code, count(*) AS n").Where("account_id = ?", accountID).
		Group("state, unmatched_code").Scan(&groups).Error
	sum := mapping.Summary{Unmatched: map[mapping.UnmatchedCode]int{}}
	for _, g := range groups {
		switch mapping.State(g.State) {
		case mapping.Active:
			sum.Active += g.N
		case mapping.Paused:
			sum.Paused += g.N
		case mapping.Unmapped:
			sum.Unmapped += g.N
		}
		if g.UnmatchedCode != nil {
			sum.Unmatched[mapping.UnmatchedCode(*g.UnmatchedCode)] += g.N
		}
	}
	return sum, err
}
