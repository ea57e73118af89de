package store_test

import (
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// TestBothSchemasAreEqual compares what the two sets of migrations lead to: columns with type and nullability, primary keys, unique and
// other indexes with their conditions, foreign keys and checks. Each becomes a line of text in words of both databases.
func TestBothSchemasAreEqual(t *testing.T) {
	t.Parallel()
	postgres, sqlite := storetest.Postgres(t), storetest.SQLite(t)
	want := slices.Concat(postgresColumns(t, postgres), postgresKeys(t, postgres), postgresIndexes(t, postgres))
	got := slices.Concat(sqliteColumns(t, sqlite), sqliteKeys(t, sqlite), sqliteChecks(t, sqlite))
	slices.Sort(want)
	slices.Sort(got)
	if len(want) < 100 {
		t.Fatalf("only %d lines of PostgreSQL's schema were read", len(want))
	}
	same(t, got, want)
}

// lines runs a query whose rows are one text each.
func lines(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	ok(t, err)
	defer rows.Close()
	var all []string
	for rows.Next() {
		var line string
		ok(t, rows.Scan(&line))
		all = append(all, line)
	}
	ok(t, rows.Err())
	return all
}

func postgresLines(t *testing.T, s *store.Store, query string) []string {
	t.Helper()
	db := stdlib.OpenDBFromPool(s.PostgresPool())
	defer db.Close()
	return lines(t, db, query)
}

func postgresColumns(t *testing.T, s *store.Store) []string {
	t.Helper()
	types := strings.NewReplacer("timestamp with time zone", "DATETIME", "uuid", "TEXT", "bytea", "BLOB")
	all := postgresLines(t, s, `SELECT format('column %s.%s %s null=%s', table_name, column_name, data_type, is_nullable = 'YES')
		FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'goose_db_version'`)
	for i := range all {
		head, rest, _ := strings.Cut(all[i], " null=")
		words := strings.SplitN(head, " ", 3)
		null := map[string]string{"t": "yes", "f": "no"}[rest]
		all[i] = fmt.Sprintf("column %s %s null=%s", words[1], strings.ToUpper(types.Replace(words[2])), null)
	}
	return all
}

func sqliteColumns(t *testing.T, s *store.Store) []string {
	t.Helper()
	return lines(t, s.SQLite(), `SELECT 'column ' || m.name || '.' || c.name || ' ' || c.type || ' null=' || iif(c."notnull", 'no', 'yes')
		FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT IN ('goose_db_version', 'sqlite_sequence')`)
}

func postgresKeys(t *testing.T, s *store.Store) []string {
	t.Helper()
	all := postgresLines(t, s, `SELECT c.contype::text || ' ' || c.conrelid::regclass || ' ' || pg_get_constraintdef(c.oid)
		FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace
		WHERE n.nspname = 'public' AND c.conrelid::regclass::text <> 'goose_db_version' AND c.contype IN ('p', 'u', 'f', 'c')`)
	kept := all[:0]
	for _, line := range all {
		words := strings.SplitN(line, " ", 3)
		switch words[0] {
		case "p":
			kept = append(kept, "primary "+words[1]+" "+strings.TrimPrefix(words[2], "PRIMARY KEY "))
		case "u":
			kept = append(kept, "unique "+words[1]+" "+strings.TrimPrefix(words[2], "UNIQUE "))
		case "f":
			kept = append(kept, "foreign "+words[1]+" "+strings.TrimPrefix(words[2], "FOREIGN KEY "))
		case "c":
			kept = append(kept, "check "+words[1]+" "+plainCheck(words[2]))
		}
	}
	return kept
}

// postgresIndexes leaves out those behind constraints, and the search indexes, which SQLite has no counterpart for.
func postgresIndexes(t *testing.T, s *store.Store) []string {
	t.Helper()
	return postgresLines(t, s, `SELECT CASE WHEN i.indisunique THEN 'unique ' ELSE 'index ' END || i.indrelid::regclass
			|| ' (' || (SELECT string_agg(a.attname, ', ' ORDER BY k.place) FROM unnest(i.indkey) WITH ORDINALITY k(attnum, place)
				JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum) || ')'
			|| CASE WHEN i.indpred IS NULL THEN '' ELSE ' partial' END
		FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam
		WHERE c.relnamespace = 'public'::regnamespace AND i.indrelid::regclass::text <> 'goose_db_version' AND am.amname = 'btree'
			AND NOT EXISTS (SELECT 1 FROM pg_constraint o WHERE o.conindid = i.indexrelid AND o.contype IN ('p', 'u'))`)
}

func sqliteKeys(t *testing.T, s *store.Store) []string {
	t.Helper()
	const tables = `m.type = 'table' AND m.name NOT IN ('goose_db_version', 'sqlite_sequence')`
	return slices.Concat(
		lines(t, s.SQLite(), `SELECT 'primary ' || m.name || ' (' || group_concat(c.name, ', ' ORDER BY c.pk) || ')'
			FROM sqlite_master m, pragma_table_info(m.name) c WHERE c.pk > 0 AND `+tables+` GROUP BY m.name`),
		lines(t, s.SQLite(), `SELECT iif(l."unique", 'unique ', 'index ') || m.name || ' ('
				|| (SELECT group_concat(i.name, ', ' ORDER BY i.seqno) FROM pragma_index_info(l.name) i) || ')' || iif(l.partial, ' partial', '')
			FROM sqlite_master m, pragma_index_list(m.name) l WHERE l.origin <> 'pk' AND `+tables),
		lines(t, s.SQLite(), `SELECT 'foreign ' || m.name || ' (' || group_concat(f."from", ', ' ORDER BY f.seq) || ') REFERENCES '
				|| f."table" || '(' || group_concat(f."to", ', ' ORDER BY f.seq) || ') ON DELETE ' || f.on_delete
			FROM sqlite_master m, pragma_foreign_key_list(m.name) f WHERE `+tables+` GROUP BY m.name, f.id`),
	)
}

// sqliteChecks reads the conditions out of the statements, which is all that SQLite keeps of them.
func sqliteChecks(t *testing.T, s *store.Store) []string {
	t.Helper()
	var all []string
	name := regexp.MustCompile(`(?i)^CREATE TABLE (\w+)`)
	for _, statement := range lines(t, s.SQLite(), `SELECT sql FROM sqlite_master WHERE type = 'table' AND name <> 'sqlite_sequence'`) {
		table := name.FindStringSubmatch(statement)
		for _, part := range strings.Split(statement, "CHECK ")[1:] {
			depth := 0
			end := strings.IndexFunc(part, func(r rune) bool {
				depth += map[rune]int{'(': 1, ')': -1}[r]
				return depth == 0
			})
			all = append(all, "check "+table[1]+" "+plainCheck(part[:end+1]))
		}
	}
	return all
}

// plainCheck undoes how PostgreSQL rewrites conditions: IN becomes = ANY (ARRAY[…]), BETWEEN two comparisons, and there are casts and
// parentheses everywhere. What is left are the words in their order.
func plainCheck(condition string) string {
	s := strings.ReplaceAll(condition, "::text", "")
	s = regexp.MustCompile(`(\w+) BETWEEN (\d+) AND (\d+)`).ReplaceAllString(s, "$1 >= $2 AND $1 <= $3")
	s = regexp.MustCompile(`= ANY \(+ARRAY\[([^]]*)\]`).ReplaceAllString(s, "IN ($1")
	s = strings.NewReplacer("CHECK", "", "(", " ", ")", " ").Replace(s)
	return strings.Join(strings.Fields(s), " ")
}

// TestPartialIndexesHaveTheSameCondition compares what the columns of an index do not show.
func TestPartialIndexesHaveTheSameCondition(t *testing.T) {
	t.Parallel()
	postgres, sqlite := storetest.Postgres(t), storetest.SQLite(t)
	want := postgresLines(t, postgres, `SELECT c.relname || ' ' || pg_get_expr(i.indpred, i.indrelid)
		FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indpred IS NOT NULL AND c.relnamespace = 'public'::regnamespace`)
	got := lines(t, sqlite.SQLite(), `SELECT name || ' ' || substr(sql, instr(sql, 'WHERE') + 6) FROM sqlite_master
		WHERE type = 'index' AND sql LIKE '%WHERE%'`)
	for i := range want {
		want[i] = plainCheck(want[i])
	}
	for i := range got {
		got[i] = plainCheck(got[i])
	}
	slices.Sort(want)
	slices.Sort(got)
	same(t, got, want)
}
