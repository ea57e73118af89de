package store

import (
	"context"
	"time"

	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/names"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/page"
)

type directoryRow struct {
	AccountID  string `gorm:"primaryKey"`
	ID         string `gorm:"primaryKey"`
	Name       string
	NameFolded string
	ShortName  string
	TypeName   string
	StatusName string
	IsPrimary  bool
}

func (directoryRow) TableName() string { return "directory" }

func newDirectoryRow(accountID string, e *integration.DirectoryEntry) directoryRow {
	return directoryRow{
		AccountID: accountID, ID: e.ID, Name: clean(e.Name), NameFolded: names.Folded(e.Name), ShortName: clean(e.ShortName),
		TypeName: clean(e.TypeName), StatusName: clean(e.StatusName), IsPrimary: e.Primary,
	}
}

func (r directoryRow) entry() integration.DirectoryEntry {
	return integration.DirectoryEntry{
		ID: r.ID, Name: r.Name, ShortName: r.ShortName, TypeName: r.TypeName, StatusName: r.StatusName, Primary: r.IsPrimary,
	}
}

// holder is the organization that an entry (as d) is mapped to. Written as a join, PostgreSQL would read the whole account to find the
// few entries that are free.
const holder = "(SELECT m.organization_id FROM mappings m WHERE m.account_id = d.account_id AND m.itglue_id = d.id)"

// listedRow is an entry with the organization that holds it.
type listedRow struct {
	Row            directoryRow `gorm:"embedded"`
	OrganizationID *string
}

func (r listedRow) row() integration.DirectoryRow {
	return integration.DirectoryRow{DirectoryEntry: r.Row.entry(), MappedOrganizationID: orEmpty(r.OrganizationID)}
}

func (r listedRow) position() page.Position {
	return page.Position{Key: r.Row.NameFolded, ID: r.Row.ID}
}

// DirectoryRows returns a page of the directory in the order of (folded name, id). A foreign position is [errs.ValidationFailed].
func (s *Store) DirectoryRows(
	ctx context.Context, accountID string, f integration.DirectoryFilter,
) (rows page.Page[integration.DirectoryRow], err error) {
	if f.After != nil && (!isText(f.After.Key) || !isText(f.After.ID)) {
		return rows, badCursor()
	}
	err = s.read(ctx, of(accountID), "list the directory", func(tx *gorm.DB) error {
		q := directoryOf(tx, accountID, f).Select("d.*, " + holder + " AS organization_id").Order("d.name_folded, d.id")
		if f.After != nil {
			q = q.Where("(d.name_folded, d.id) > (?, ?)", f.After.Key, f.After.ID)
		}
		rows, err = pageOf(q, f.Limit, listedRow.row, listedRow.position)
		return err
	})
	return rows, err
}

// CountDirectoryRows counts the rows on all pages.
func (s *Store) CountDirectoryRows(ctx context.Context, accountID string, f integration.DirectoryFilter) (n int, err error) {
	err = s.read(ctx, of(accountID), "count the directory", func(tx *gorm.DB) error {
		n, err = count(directoryOf(tx, accountID, f))
		return err
	})
	return n, err
}

func directoryOf(tx *gorm.DB, accountID string, f integration.DirectoryFilter) *gorm.DB {
	q := tx.Table("directory AS d").Where("d.account_id = ?", accountID)
	switch {
	case f.Mapped == nil:
	case *f.Mapped:
		q = q.Where(holder + " IS NOT NULL")
	default:
		q = q.Where(holder + " IS NULL")
	}
	return matching(q, `d.name_folded LIKE ? ESCAPE '\'`, f.Search)
}

// DirectoryEntry returns one entry, or [errs.NotFound].
func (s *Store) DirectoryEntry(ctx context.Context, accountID, itglueID string) (integration.DirectoryEntry, error) {
	var row directoryRow
	none := errs.New(errs.NotFound, "The directory has no such IT Glue organization.")
	if !isText(itglueID) {
		return integration.DirectoryEntry{}, none
	}
	err := s.read(ctx, of(accountID), "read a directory entry", func(tx *gorm.DB) error {
		return orNotFound(tx.Where("account_id = ?", accountID).Where("id = ?", itglueID).Take(&row).Error, none)
	})
	return row.entry(), err
}

// Directory returns the stored directory, in order of id.
func (s *Store) Directory(ctx context.Context, accountID string) ([]integration.DirectoryEntry, error) {
	var rows []directoryRow
	err := s.read(ctx, of(accountID), "read the directory", func(tx *gorm.DB) error {
		return tx.Where("account_id = ?", accountID).Order("id").Find(&rows).Error
	})
	return convert(rows, directoryRow.entry), err
}

// WriteDirectory inserts or overwrites the entries and removes the ids; at most 10,000 of both together. It answers [errs.Fenced].
func (s *Store) WriteDirectory(ctx context.Context, f orgsync.Fence, entries []integration.DirectoryEntry, gone []string) error {
	return s.inTx(ctx, of(f.AccountID), "write the directory", func(tx *gorm.DB) error {
		if _, err := s.fence(tx, f, nil); err != nil {
			return err
		}
		if err := s.putEntries(ctx, tx, f.AccountID, entries); err != nil {
			return err
		}
		return removeEntries(tx, f.AccountID, gone)
	})
}

func (s *Store) putEntries(ctx context.Context, tx *gorm.DB, accountID string, entries []integration.DirectoryEntry) error {
	if len(entries) == 0 {
		return nil
	}
	rows := make([][]any, len(entries))
	for i := range entries {
		r := newDirectoryRow(accountID, &entries[i])
		rows[i] = []any{r.AccountID, r.ID, r.Name, r.NameFolded, r.ShortName, r.TypeName, r.StatusName, r.IsPrimary}
	}
	return s.insert(ctx, tx, "INSERT INTO directory (account_id, id, name, name_folded, short_name, type_name, status_name, is_primary)",
		[]string{"uuid", "text", "text", "text", "text", "text", "text", "boolean"}, rows,
		`ON CONFLICT (account_id, id) DO UPDATE SET name = excluded.name, name_folded = excluded.name_folded,
			short_name = excluded.short_name, type_name = excluded.type_name, status_name = excluded.status_name,
			is_primary = excluded.is_primary`)
}

// removeEntries takes entries out of the directory. Mappings that still point to them keep the last name seen.
func removeEntries(tx *gorm.DB, accountID string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	err := tx.Exec(`UPDATE mappings SET itglue_name = d.name FROM directory d
		WHERE mappings.account_id = ? AND mappings.itglue_id IN ? AND d.account_id = mappings.account_id AND d.id = mappings.itglue_id`,
		accountID, ids).Error
	if err != nil {
		return err
	}
	return tx.Where("account_id = ?", accountID).Where("id IN ?", ids).Delete(&directoryRow{}).Error
}

// DirectoryTaken notes when the directory was taken, or answers [errs.Fenced].
func (s *Store) DirectoryTaken(ctx context.Context, f orgsync.Fence, at time.Time) error {
	return s.inTx(ctx, of(f.AccountID), "note when the directory was taken", func(tx *gorm.DB) error {
		if _, err := s.fence(tx, f, nil); err != nil {
			return err
		}
		return tx.Model(&integrationRow{}).Where("account_id = ?", f.AccountID).Update("listed_at", instant(at)).Error
	})
}
