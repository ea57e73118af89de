//go:build failpoints

package store

import (
	"errors"
	"os"
	"regexp"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// setFirstFence is the account guard, or the opposite of it when the tests of PostgreSQL's fence say so: then every statement loses its
// conditions on the account.
func setFirstFence(db *gorm.DB) error {
	if os.Getenv("ORGBRIDGE_FAILPOINTS_FORGET_ACCOUNTS") == "" {
		return guardAccounts(db)
	}
	callbacks := db.Callback()
	return errors.Join(
		callbacks.Query().Before("gorm:query").Register("orgbridge:forget", forgetAccount),
		callbacks.Row().Before("gorm:row").Register("orgbridge:forget", forgetAccount),
		callbacks.Raw().Before("gorm:raw").Register("orgbridge:forget", forgetAccount),
		callbacks.Update().Before("gorm:update").Register("orgbridge:forget", forgetAccount),
		callbacks.Delete().Before("gorm:delete").Register("orgbridge:forget", forgetAccount),
	)
}

var (
	accountCondition = regexp.MustCompile(`^\s*(\w+\.)?account_id\s*=\s*\?\s*$`)
	accountCompared  = regexp.MustCompile(`(?i)(CAST\()?\b(\w+\.)?account_id(\s+AS\s+text\))?\s*=\s*(\$\d+)`)
)

// forgetAccount takes the conditions on the account out of a statement.
func forgetAccount(tx *gorm.DB) {
	stmt := tx.Statement
	if text := stmt.SQL.String(); text != "" {
		if !strings.HasPrefix(strings.TrimSpace(text), "INSERT") {
			stmt.SQL.Reset()
			stmt.SQL.WriteString(accountCompared.ReplaceAllString(text, `CAST($4 AS text) IS NOT NULL`))
		}
		return
	}
	condition := stmt.Clauses["WHERE"]
	where, ok := condition.Expression.(clause.Where)
	if !ok {
		return
	}
	kept := []clause.Expression{clause.Expr{SQL: "1 = 1"}}
	for _, e := range where.Exprs {
		if expr, ok := e.(clause.Expr); !ok || !accountCondition.MatchString(expr.SQL) {
			kept = append(kept, e)
		}
	}
	condition.Expression = clause.Where{Exprs: kept}
	stmt.Clauses["WHERE"] = condition
}
