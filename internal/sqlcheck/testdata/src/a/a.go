// Package a is full of what must be found.
package a

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

type row struct{ ID, Name string }

func banned(db *gorm.DB, r *row) {
	db.Save(r)                                // want `Save is not used`
	_ = db.AutoMigrate(r)                     // want `AutoMigrate is not used`
	db.Where("a = ?", 1).Or("b = ?", 2)       // want `Or is not used`
	db.First(r, "id = ?", r.ID)               // want `conditions of First belong into Where`
	db.Take(r, r.ID)                          // want `conditions of Take belong into Where`
	db.Find(r, "name = ?", r.Name)            // want `conditions of Find belong into Where`
	db.Delete(r, "id = ?", r.ID)              // want `conditions of Delete belong into Where`
	db.Where(r).Find(r)                       // want `a struct or map as condition of Where`
	db.Where(row{ID: r.ID}).Find(r)           // want `a struct or map as condition of Where`
	db.Not(map[string]any{r.Name: 1}).Find(r) // want `a struct or map as condition of Not`
}

func texts(db *gorm.DB, name string, columns []string) {
	db.Where("name = '" + name + "'")                       // want `the text given to Where is not made of constants`
	db.Where(fmt.Sprintf("name = '%s'", name))              // want `the text given to Where`
	db.Where(fmt.Sprintf(name, 1))                          // want `the text given to Where`
	db.Not(name)                                            // want `the text given to Not`
	db.Having("count(*) > " + name)                         // want `the text given to Having`
	db.Order(name)                                          // want `the text given to Order`
	db.Order("name " + name)                                // want `the text given to Order`
	db.Group(name)                                          // want `the text given to Group`
	db.Joins("JOIN " + name)                                // want `the text given to Joins`
	db.Select(name)                                         // want `the text given to Select`
	db.Select("id", name)                                   // want `the text given to Select`
	db.Select(columns)                                      // want `the columns given to Select`
	db.Select(strings.Join(columns, ", "))                  // want `the text given to Select`
	db.Omit("id", name)                                     // want `the text given to Omit`
	db.Table(name)                                          // want `the text given to Table`
	db.Raw("SELECT " + name)                                // want `the text given to Raw`
	db.Exec(strings.ReplaceAll("DELETE FROM t", "t", name)) // want `the text given to Exec`
	db.Pluck(name, nil)                                     // want `the text given to Pluck`
	db.Update(name, 1)                                      // want `the text given to Update`
	db.Where(gorm.Expr("a = " + name))                      // want `the text given to Expr`
	db.Where(clause.Expr{SQL: "a = " + name})               // want `the text of an expression`
	db.Where(clause.Expr{"a = " + name, nil})               // want `the text of an expression`
	db.Order(clause.Column{Name: name, Raw: true})          // want `the text of an expression`
}

func traced(db *gorm.DB, name string) {
	text := "a = ?"
	if name != "" {
		text = name
	}
	db.Where(text) // want `the text given to Where`

	text2 := "a = ?"
	text2 += name
	db.Where(text2) // want `the text given to Where`

	text3 := "a"
	change(&text3, name)
	db.Where(text3) // want `the text given to Where`

	list := []string{"a"}
	list = append(list, name)
	for _, column := range list {
		db.Order(column) // want `the text given to Order`
	}
	list2 := make([]string, 1)
	list2[0] = name
	db.Order(list2[0]) // want `the text given to Order`

	first, _, _ := strings.Cut(name, " ")
	db.Order(first)            // want `the text given to Order`
	db.Order(chosen(name))     // want `the text given to Order`
	db.Order(named(name))      // want `the text given to Order`
	db.Order(row{ID: name}.ID) // want `the text given to Order`
	given(db, "constant")
	given(db, name)
	use(db, handed)
	func(condition string) { db.Where(condition) }(name) // want `the text given to Where`
	db.Order(Exported)                                   // want `the text given to Order`
	db.Order(column(name).text())                        // want `the text given to Order`
}

var Exported = "a"

type column string

func (c column) text() string { return string(c) }

func change(text *string, to string) { *text = to }

func chosen(name string) string {
	if name == "a" {
		return "a"
	}
	return name
}

func named(name string) (text string) {
	text = name
	return
}

func given(db *gorm.DB, condition string) {
	db.Where(condition) // want `the text given to Where`
}

func use(db *gorm.DB, how func(*gorm.DB, string)) { how(db, Exported) }

func handed(db *gorm.DB, condition string) {
	db.Where(condition) // want `the text given to Where`
}

func Open(db *gorm.DB, condition string) {
	db.Where(condition) // want `the text given to Where`
}

func plain(ctx context.Context, db *sql.DB, name string) {
	_, _ = db.Exec("DROP " + name)                      // want `the text given to Exec`
	_, _ = db.ExecContext(ctx, "DROP "+name)            // want `the text given to ExecContext`
	_ = db.QueryRowContext(ctx, fmt.Sprint("x ", name)) // want `the text given to QueryRowContext`
	_, _ = db.PrepareContext(ctx, name)                 // want `the text given to PrepareContext`
}

func excused(db *gorm.DB, name string) {
	//sqlcheck:constant it is one of two words
	db.Order(name)
	db.Order(name) //sqlcheck:constant it is one of two words
	//sqlcheck:constant nothing here needs it // want `excuses nothing`
	db.Order("name")
	db.Order(name) /* want `the text given to Order` */ /* the line before excuses nothing any more */
}
