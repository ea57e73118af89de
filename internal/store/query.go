package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/names"
	"github.com/orgbridge/orgbridge/internal/page"
)

// defaultLimit is the size of a page that asked for none.
const defaultLimit = 50

// isID tells whether a string can be one of our ids. What cannot is not found, on both databases and without asking them.
func isID(id string) bool {
	parsed, err := uuid.Parse(id)
	return err == nil && parsed.String() == id
}

// isText tells whether both databases can compare with the string.
func isText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// clean makes text from outside fit for both databases.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// matching adds the search, if there is one; the condition is `column LIKE ? ESCAPE '\'` on a folded name.
func matching(q *gorm.DB, condition, search string) *gorm.DB {
	folded := names.Folded(search)
	if folded == "" {
		return q
	}
	wild := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)
	return q.Where(condition, "%"+wild.Replace(folded)+"%")
}

// pageOf reads the rows of one page.
func pageOf[R, T any](q *gorm.DB, limit int, item func(R) T, position func(R) page.Position) (page.Page[T], error) {
	if limit <= 0 {
		limit = defaultLimit
	}
	var rows []R
	if err := q.Limit(limit + 1).Find(&rows).Error; err != nil {
		return page.Page[T]{}, err
	}
	cut := page.Cut(rows, limit, position)
	return page.Page[T]{Items: convert(cut.Items, item), Next: cut.Next}, nil
}

func convert[R, T any](rows []R, item func(R) T) []T {
	items := make([]T, len(rows))
	for i := range rows {
		items[i] = item(rows[i])
	}
	return items
}

func count(q *gorm.DB) (int, error) {
	var n int64
	err := q.Count(&n).Error
	return int(n), err
}

// badCursor is the answer to a position that no page of this list ended with.
func badCursor() *errs.Error {
	return errs.Invalid(errs.Field{Parameter: "cursor", Code: "invalid", Detail: "The cursor is not one of this list."})
}

// values renders rows, a slice of slices, for `WITH v(…) AS (?)`, as one JSON parameter: thousands of parameters cost more than the
// work that is done with them. The types are those that PostgreSQL gives the columns.
func (s *Store) values(types []string, rows any) clause.Expr {
	list, _ := json.Marshal(rows) //nolint:errchkjson // strings, numbers and times always can be
	columns := make([]string, len(types))
	for i, t := range types {
		columns[i] = fmt.Sprintf("item.value ->> %d", i)
		if s.pool != nil {
			columns[i] = fmt.Sprintf("CAST(item.value ->> %d AS %s)", i, t)
		}
	}
	from := "json_each(?) AS item"
	if s.pool != nil {
		from = "jsonb_array_elements(CAST(? AS jsonb)) AS item(value)"
	}
	return gorm.Expr("SELECT "+strings.Join(columns, ", ")+" FROM "+from, string(list))
}

// insertedRows is how many rows one statement inserts on SQLite.
const insertedRows = 64

// insert adds rows, `into` being the statement up to the values and `conflict` what follows them, if anything. SQLite takes parameters
// faster than JSON when rows are wide, but it takes long to parse a statement with thousands of them, so a shorter one is prepared once.
func (s *Store) insert(ctx context.Context, tx *gorm.DB, into string, types []string, rows [][]any, conflict string) error {
	if s.pool != nil {
		return tx.Exec(into+" ? "+conflict, s.values(types, rows)).Error
	}
	statement := func(rows int) string {
		one := "(?" + strings.Repeat(",?", len(types)-1) + ")"
		return into + " VALUES " + one + strings.Repeat(","+one, rows-1) + " " + conflict
	}
	full := len(rows) / insertedRows * insertedRows
	if err := insertPrepared(ctx, tx, statement(insertedRows), rows[:full]); err != nil {
		return err
	}
	if rest := rows[full:]; len(rest) > 0 {
		return tx.Exec(statement(len(rest)), slices.Concat(rest...)...).Error
	}
	return nil
}

func insertPrepared(ctx context.Context, tx *gorm.DB, statement string, rows [][]any) (err error) {
	if len(rows) == 0 {
		return nil
	}
	prepared, err := tx.Statement.ConnPool.PrepareContext(ctx, statement)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, prepared.Close()) }()
	for chunk := range slices.Chunk(rows, insertedRows) {
		if _, err := prepared.ExecContext(ctx, slices.Concat(chunk...)...); err != nil {
			return err
		}
	}
	return nil
}

// lookUpByID has the rows that a list of values joins found by their ids, one by one, until the transaction ends. Both planners are
// tempted to read the whole account instead, which pays for very large lists only and is a matter of minutes when they err. The
// statements help by writing CAST(account_id AS text) and state || ”, which no index answers.
func (s *Store) lookUpByID(tx *gorm.DB) error {
	if s.pool == nil {
		return nil
	}
	return tx.Exec(`SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
		set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true)`).Error
}

// databaseTime is the clock of leases plus a duration: PostgreSQL's own, and for SQLite, which one process works on, the time since the
// start of this process. Neither jumps when somebody sets the clock of a node.
func (s *Store) databaseTime(after time.Duration) clause.Expr {
	if s.pool != nil {
		return gorm.Expr("(now() + make_interval(secs => ?))", after.Seconds())
	}
	return gorm.Expr("?", instant(s.opened.Add(time.Since(s.opened)+after)))
}

// later is the later of a column's time and the database's clock plus a duration.
func (s *Store) later(column string, after time.Duration) clause.Expr {
	function := "max(?, ?)"
	if s.pool != nil {
		function = "greatest(?, ?)"
	}
	return gorm.Expr(function, clause.Column{Name: column}, s.databaseTime(after))
}

// orNil keeps an empty string as NULL.
func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := instant(*t)
	return &u
}

// set converts a stored string to one of the feature packages' string types.
func set[T ~string](target *T, s string) { *target = T(s) }
