// Package clause is as much of GORM's as the cases need.
package clause

type Expr struct {
	SQL  string
	Vars []any
}

type Column struct {
	Table, Name, Alias string
	Raw                bool
}
