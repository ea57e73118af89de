// Package b has nothing to be found.
package b

import (
	"fmt"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

const columns = "id, name"

type row struct{ ID, Name string }

func fine(db *gorm.DB, name string, n int, up bool) {
	db.Where("name = ?", name).Order("name").Select(columns).Find(&row{})
	db.Select("coalesce(?, name)", name)
	db.Select([]string{"id", "name"})
	db.Select("id", "name").Updates(row{})
	db.Where("name = ?" + " AND " + "id = ?")
	db.Exec(fmt.Sprintf("PRAGMA user_version = %d", n))
	db.Where("id IN (?)", db.Table("t").Select("id"))
	db.Where(gorm.Expr("a = ?", name)).Delete(&row{})
	db.Order(clause.Column{Name: name})
	db.Raw("VALUES " + "(?" + strings.Repeat(",?", n) + ")")

	condition := "a > ?"
	if up {
		condition = "a < ?"
	}
	db.Where(condition, n)
	order := "a"
	order += " DESC"
	db.Order(order)
	for _, column := range []string{"a", "b"} {
		db.Order(column)
	}
	var parts []string
	parts = append(parts, "a", direction(up))
	db.Order(strings.Join(parts, ", "))
	statement := func(n int) string { return "VALUES (?" + strings.Repeat(",?", n) + ")" }
	db.Exec(statement(n))
	matching(db, "a LIKE ?", name)
	matching(db, "b LIKE ?", name)
	_, sorted := both(up)
	_ = sorted
}

func direction(up bool) string {
	if up {
		return "a ASC"
	}
	return "a DESC"
}

func both(up bool) (string, error) { return direction(up), nil }

func matching(db *gorm.DB, condition, search string) {
	deeper(db, condition+" ESCAPE '!'", search)
}

func deeper(db *gorm.DB, condition, search string) { db.Where(condition, search) }
