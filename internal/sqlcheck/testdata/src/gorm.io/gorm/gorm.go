// Package gorm is as much of GORM as the cases need.
package gorm

import "gorm.io/gorm/clause"

type DB struct{ Error error }

func (db *DB) Where(query any, args ...any) *DB              { return db }
func (db *DB) Not(query any, args ...any) *DB                { return db }
func (db *DB) Or(query any, args ...any) *DB                 { return db }
func (db *DB) Having(query any, args ...any) *DB             { return db }
func (db *DB) Order(value any) *DB                           { return db }
func (db *DB) Group(name string) *DB                         { return db }
func (db *DB) Joins(query string, args ...any) *DB           { return db }
func (db *DB) Select(query any, args ...any) *DB             { return db }
func (db *DB) Omit(columns ...string) *DB                    { return db }
func (db *DB) Table(name string, args ...any) *DB            { return db }
func (db *DB) Raw(sql string, values ...any) *DB             { return db }
func (db *DB) Exec(sql string, values ...any) *DB            { return db }
func (db *DB) Pluck(column string, dest any) *DB             { return db }
func (db *DB) Update(column string, value any) *DB           { return db }
func (db *DB) Updates(values any) *DB                        { return db }
func (db *DB) Save(value any) *DB                            { return db }
func (db *DB) Create(value any) *DB                          { return db }
func (db *DB) AutoMigrate(dst ...any) error                  { return nil }
func (db *DB) First(dest any, conds ...any) *DB              { return db }
func (db *DB) Find(dest any, conds ...any) *DB               { return db }
func (db *DB) Take(dest any, conds ...any) *DB               { return db }
func (db *DB) Delete(value any, conds ...any) *DB            { return db }
func Expr(expr string, args ...any) (expression clause.Expr) { return expression }
