package faulttest_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/faulttest"
)

var anyDate = regexp.MustCompile(`\b\d{4}-\d\d-\d\d\b`)

var anyID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// anyHint is how a token is shown.
var anyHint = regexp.MustCompile(`orgb_[a-z2-7]{4}\b`)

// ownColumns tell of the attempts that the work took: who had it, how far the last one came, and in which order the changes of several
// were numbered. What was done is in the others.
var ownColumns = []string{"syncs epoch", "syncs attempt", "syncs done", "syncs total", "sync_changes seq", "integrations sealed_key"}

// snapshot is everything that an account has, a line for each row. Ids are replaced by what they stand for, and times by a word, so that two
// accounts to which the same was done have the same snapshot. No row is left out: one too many or too few makes a difference.
func snapshot(tb testing.TB, d *faulttest.Database, accountID string) string {
	tb.Helper()
	names := map[string]string{}
	for _, meaning := range []string{
		"SELECT id, 'organization ' || domain FROM organizations", "SELECT id, kind || ' sync' FROM syncs",
		"SELECT id, 'integration' FROM integrations", "SELECT id, 'token' FROM tokens",
	} {
		for _, row := range table(tb, d, meaning+" WHERE account_id = $1", accountID) {
			names[row[0].text] = row[1].text
		}
	}
	var lines []string
	for _, name := range []string{"integrations", "directory", "organizations", "mappings", "syncs", "sync_changes", "events"} {
		//nolint:unqueryvet // a column that is added later counts as well
		for _, row := range table(tb, d, "SELECT * FROM "+name+" WHERE account_id = $1", accountID) {
			lines = append(lines, name+": "+row.masked(name, names))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

type column struct{ name, text string }

type record []column

func (r record) masked(table string, names map[string]string) string {
	var words []string
	for _, c := range r {
		if c.name == "account_id" || slices.Contains(ownColumns, table+" "+c.name) {
			continue
		}
		text := anyID.ReplaceAllStringFunc(c.text, func(id string) string {
			if name, known := names[id]; known {
				return name
			}
			return "unknown id"
		})
		text = anyHint.ReplaceAllString(anyDate.ReplaceAllString(text, "a date"), "a hint")
		words = append(words, c.name+"="+text)
	}
	return strings.Join(words, " ")
}

func table(tb testing.TB, d *faulttest.Database, query, accountID string) (records []record) {
	tb.Helper()
	rows, err := d.QueryContext(tb.Context(), query, accountID)
	if err != nil {
		tb.Fatalf("run %q: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		tb.Fatal(err)
	}
	for rows.Next() {
		values, targets := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			tb.Fatal(err)
		}
		r := make(record, len(columns))
		for i, name := range columns {
			r[i] = column{name, shown(values[i])}
		}
		records = append(records, r)
	}
	if err := rows.Err(); err != nil {
		tb.Fatal(err)
	}
	return records
}

func shown(value any) string {
	switch v := value.(type) {
	case nil:
		return "none"
	case time.Time:
		return "a time"
	case []byte:
		return string(v)
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

// difference tells the first lines that only one of two snapshots has.
func difference(got, want string) string {
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	var lines []string
	for _, l := range gotLines {
		if !slices.Contains(wantLines, l) {
			lines = append(lines, "+ "+l)
		}
	}
	for _, l := range wantLines {
		if !slices.Contains(gotLines, l) {
			lines = append(lines, "- "+l)
		}
	}
	return fmt.Sprintf("%d lines instead of %d\n%s", len(gotLines), len(wantLines), strings.Join(lines[:min(12, len(lines))], "\n"))
}
