package store

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// allAccounts is the setting of statements that are meant for more than one account, or that find out the account.
const allAccounts = "orgbridge:all-accounts"

// acrossAccounts lets the statements of tx see the data of all accounts, in a unit of work [ofEvery].
func acrossAccounts(tx *gorm.DB) *gorm.DB { return tx.Set(allAccounts, true) }

// accountGuard refuses statements on an account's tables that do not ask for the one account of their unit of work. It is the second
// line: the first is that every method takes the account id.
type accountGuard struct {
	table *regexp.Regexp // a table that holds accounts' data
	inner *regexp.Regexp // the same as the source of a query within a condition or a column
	bound *regexp.Regexp // account_id compared with a parameter, in a finished statement
	equal *regexp.Regexp // the same as a whole condition of gorm's builder
	join  *regexp.Regexp // account_id compared with that of another table
	into  *regexp.Regexp // an insert that names the column
}

// guardedTables are those with a column account_id.
const guardedTables = `(tokens|integrations|directory|organizations|mappings|syncs|sync_changes|events|idempotency_keys)\b`

func guardAccounts(db *gorm.DB) error {
	g := accountGuard{
		table: regexp.MustCompile(`(?i)\b` + guardedTables),
		inner: regexp.MustCompile(`(?i)\b(FROM|JOIN)\s+` + guardedTables),
		bound: regexp.MustCompile(`(?i)\baccount_id(?:\s+AS\s+text\))?\s*=\s*(\?|\$\d+)`),
		equal: regexp.MustCompile(`^\s*(\w+\.)?account_id\s*=\s*\?\s*$`),
		join:  regexp.MustCompile(`(?i)\baccount_id\s*=\s*\w+\.account_id\b`),
		into:  regexp.MustCompile(`(?is)^\s*INSERT\s+INTO\s+\w+\s*\([^)]*\baccount_id\b`),
	}
	callbacks := db.Callback()
	for _, err := range []error{
		callbacks.Query().Before("gorm:query").Register("orgbridge:accounts", g.statement),
		callbacks.Row().Before("gorm:row").Register("orgbridge:accounts", g.statement),
		callbacks.Raw().Before("gorm:raw").Register("orgbridge:accounts", g.statement),
		callbacks.Update().Before("gorm:update").Register("orgbridge:accounts", g.statement),
		callbacks.Delete().Before("gorm:delete").Register("orgbridge:accounts", g.statement),
		callbacks.Create().Before("gorm:create").Register("orgbridge:accounts", g.create),
	} {
		if err != nil {
			return fmt.Errorf("set up the account guard: %w", err)
		}
	}
	return nil
}

// statement checks everything but inserts of rows.
func (g accountGuard) statement(tx *gorm.DB) {
	if tx.Error != nil {
		return
	}
	stmt, sc := tx.Statement, scopeOf(tx.Statement.Context)
	if _, ok := tx.Get(allAccounts); ok {
		if !sc.every {
			g.refuse(tx)
		}
		return
	}
	if text := stmt.SQL.String(); text != "" {
		if g.table.MatchString(text) && !g.asks(text, stmt.Vars, sc) && !g.into.MatchString(text) {
			g.refuse(tx)
		}
		return
	}
	if g.touches(stmt) && (!g.filters(stmt, sc) || !g.joins(stmt)) {
		g.refuse(tx)
	}
}

func (accountGuard) refuse(tx *gorm.DB) {
	_ = tx.AddError(fmt.Errorf("a statement on %q has no condition on the account of its unit of work", tx.Statement.Table))
}

// asks tells whether a finished statement compares account_id with the account of the scope, and with no other.
func (g accountGuard) asks(text string, vars []any, sc scope) bool {
	found := g.bound.FindAllStringSubmatchIndex(text, -1)
	for _, at := range found {
		place := strings.Count(text[:at[2]], "?") // of a parameter without a number
		if number, ok := strings.CutPrefix(text[at[2]:at[3]], "$"); ok {
			n, err := strconv.Atoi(number)
			if err != nil {
				return false
			}
			place = n - 1
		}
		if place < 0 || place >= len(vars) || !sc.is(vars[place]) {
			return false
		}
	}
	return len(found) > 0
}

func (g accountGuard) touches(stmt *gorm.Statement) bool {
	if g.table.MatchString(stmt.Table) || (stmt.TableExpr != nil && g.table.MatchString(stmt.TableExpr.SQL)) {
		return true
	}
	for i := range stmt.Joins {
		if g.table.MatchString(stmt.Joins[i].Name) {
			return true
		}
	}
	return false
}

// filters tells whether one of the conditions that must all hold is the account's. A top-level OR would undo it, and so would a query
// within a condition that does not keep to the account.
func (g accountGuard) filters(stmt *gorm.Statement, sc scope) bool {
	where, ok := stmt.Clauses["WHERE"].Expression.(clause.Where)
	if !ok {
		return false
	}
	found := false
	for _, e := range where.Exprs {
		switch e := e.(type) {
		case clause.OrConditions:
			return false
		case clause.Expr:
			if g.inner.MatchString(e.SQL) && !g.join.MatchString(e.SQL) && !g.asks(e.SQL, e.Vars, sc) {
				return false
			}
			found = found || (g.equal.MatchString(e.SQL) && len(e.Vars) == 1 && sc.is(e.Vars[0]))
		}
	}
	return found
}

// joins tells whether other tables are joined within the account.
func (g accountGuard) joins(stmt *gorm.Statement) bool {
	for i := range stmt.Joins {
		if name := stmt.Joins[i].Name; g.table.MatchString(name) && !g.join.MatchString(name) {
			return false
		}
	}
	return true
}

// create checks that every row to be inserted belongs to the account of the scope.
func (g accountGuard) create(tx *gorm.DB) {
	if tx.Error != nil || !g.table.MatchString(tx.Statement.Table) {
		return
	}
	sc := scopeOf(tx.Statement.Context)
	if _, ok := tx.Get(allAccounts); ok && sc.every {
		return
	}
	if tx.Statement.Schema == nil || tx.Statement.Schema.LookUpField("account_id") == nil {
		g.refuse(tx)
		return
	}
	field := tx.Statement.Schema.LookUpField("account_id")
	owned := func(row reflect.Value) bool {
		value, _ := field.ValueOf(tx.Statement.Context, row)
		if id, ok := value.(*string); ok {
			return id != nil && sc.is(*id)
		}
		return sc.is(value)
	}
	rows := tx.Statement.ReflectValue
	if rows.Kind() != reflect.Slice {
		if !owned(rows) {
			g.refuse(tx)
		}
		return
	}
	for i := range rows.Len() {
		if !owned(reflect.Indirect(rows.Index(i))) {
			g.refuse(tx)
			return
		}
	}
}
