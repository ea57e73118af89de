package store

import (
	"fmt"
	"reflect"
	"regexp"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// allAccounts is the setting of statements that are meant for more than one account, or that find out the account.
const allAccounts = "orgbridge:all-accounts"

// acrossAccounts lets the statements of tx see the data of all accounts.
func acrossAccounts(tx *gorm.DB) *gorm.DB { return tx.Set(allAccounts, true) }

// accountGuard refuses statements on an account's tables that do not ask for one account. It is the second line: the first is that
// every method takes the account id.
type accountGuard struct {
	table *regexp.Regexp // a table that holds accounts' data
	bound *regexp.Regexp // account_id compared with a parameter, in a finished statement
	equal *regexp.Regexp // the same as a whole condition of gorm's builder
	join  *regexp.Regexp // account_id compared with that of another table
	into  *regexp.Regexp // an insert that names the column
}

func guardAccounts(db *gorm.DB) error {
	g := accountGuard{
		table: regexp.MustCompile(`(?i)\b(tokens|integrations|directory|organizations|mappings|syncs|sync_changes|events|idempotency_keys)\b`),
		bound: regexp.MustCompile(`(?i)\baccount_id(\s+AS\s+text\))?\s*=\s*(\?|\$\d+)`),
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
	if _, ok := tx.Get(allAccounts); ok || tx.Error != nil {
		return
	}
	if text := tx.Statement.SQL.String(); text != "" {
		if g.table.MatchString(text) && !g.bound.MatchString(text) && !g.into.MatchString(text) {
			g.refuse(tx)
		}
		return
	}
	if g.touches(tx.Statement) && (!g.filters(tx.Statement) || !g.joins(tx.Statement)) {
		g.refuse(tx)
	}
}

func (accountGuard) refuse(tx *gorm.DB) {
	_ = tx.AddError(fmt.Errorf("a statement on %q has no account condition", tx.Statement.Table))
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

// filters tells whether one of the conditions that must all hold is the account's. A top-level OR would undo it.
func (g accountGuard) filters(stmt *gorm.Statement) bool {
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
			found = found || (g.equal.MatchString(e.SQL) && len(e.Vars) == 1 && e.Vars[0] != "")
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

// create checks that every row to be inserted belongs to an account.
func (g accountGuard) create(tx *gorm.DB) {
	if _, ok := tx.Get(allAccounts); ok || tx.Error != nil || !g.table.MatchString(tx.Statement.Table) {
		return
	}
	if tx.Statement.Schema == nil || tx.Statement.Schema.LookUpField("account_id") == nil {
		g.refuse(tx)
		return
	}
	field := tx.Statement.Schema.LookUpField("account_id")
	owned := func(row reflect.Value) bool {
		_, zero := field.ValueOf(tx.Statement.Context, row)
		return !zero
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
