package main

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/types/typeutil"
)

func analyzer() *analysis.Analyzer {
	return &analysis.Analyzer{
		Name: "sqlcheck",
		Doc:  "find statements that are put together from variables, and calls of GORM that ask for more than was meant",
		Run: func(pass *analysis.Pass) (any, error) {
			c := newChecker(pass)
			for _, file := range c.files {
				ast.Inspect(file, c.visit)
			}
			c.excuses.reportUnused(pass)
			return nil, nil
		},
	}
}

const (
	gormPath   = "gorm.io/gorm"
	clausePath = "gorm.io/gorm/clause"
)

// texts says which argument of a method or function is the text of a statement, or a part of it, by package, type and name. The type of a
// function is empty.
func texts() map[string]int {
	at := map[string]int{gormPath + "..Expr": 0}
	for _, name := range []string{
		"Where", "Not", "Having", "Order", "Group", "Joins", "InnerJoins", "Select", "Omit", "Distinct", "Table", "Raw", "Exec", "Pluck",
		"Update", "UpdateColumn",
	} {
		at[gormPath+".DB."+name] = 0
	}
	for _, owner := range []string{"database/sql.DB.", "database/sql.Tx.", "database/sql.Conn.", gormPath + ".ConnPool."} {
		for _, name := range []string{"Exec", "Query", "QueryRow", "Prepare"} {
			at[owner+name], at[owner+name+"Context"] = 0, 1
		}
	}
	for _, owner := range []string{"pgxpool.Pool.", "pgxpool.Conn.", "pgxpool.Tx.", "Conn.", "Tx."} {
		for _, name := range []string{"Exec", "Query", "QueryRow", "Prepare"} {
			at["github.com/jackc/pgx/v5"+map[bool]string{true: "/", false: "."}[strings.HasPrefix(owner, "pgxpool")]+owner+name] = 1
		}
	}
	return at
}

// banned are the methods of GORM that are never called, with the reason.
func banned() map[string]string {
	return map[string]string{
		"AutoMigrate": "the schema is changed by migrations alone",
		"Migrator":    "the schema is changed by migrations alone",
		"Or":          "beside the account's condition it undoes it; write the alternatives into one condition, in parentheses",
		"Save":        "it inserts a row that is not there, and writes columns that nobody changed; use Create or Updates",
	}
}

// inline are the methods of GORM that take conditions behind their first argument.
func inline() []string {
	return []string{"Delete", "Find", "First", "FirstOrCreate", "FirstOrInit", "Last", "Take"}
}

type checker struct {
	pass    *analysis.Pass
	files   []*ast.File // without those for tests
	texts   map[string]int
	excuses excuses
	origins origins
}

func newChecker(pass *analysis.Pass) *checker {
	files := slices.DeleteFunc(slices.Clone(pass.Files), func(f *ast.File) bool {
		return strings.HasSuffix(pass.Fset.File(f.FileStart).Name(), "_test.go")
	})
	if slices.ContainsFunc(files, isForTests) {
		files = nil
	}
	return &checker{pass: pass, files: files, texts: texts(), excuses: excusesOf(pass, files), origins: originsOf(pass.TypesInfo, files)}
}

// isForTests tells whether a file is of a package that tests share.
func isForTests(f *ast.File) bool {
	return slices.ContainsFunc(f.Imports, func(spec *ast.ImportSpec) bool { return spec.Path.Value == `"testing"` })
}

func (c *checker) visit(node ast.Node) bool {
	switch node := node.(type) {
	case *ast.CallExpr:
		if fn, ok := typeutil.Callee(c.pass.TypesInfo, node).(*types.Func); ok {
			c.call(node, fn)
		}
	case *ast.CompositeLit:
		c.literal(node)
	}
	return true
}

func (c *checker) call(call *ast.CallExpr, fn *types.Func) {
	name := qualified(fn)
	if method, ok := strings.CutPrefix(name, gormPath+".DB."); ok {
		if why := banned()[method]; why != "" {
			c.reportf(call.Pos(), "%s is not used: %s", method, why)
			return
		}
		if slices.Contains(inline(), method) && len(call.Args) > 1 {
			c.reportf(call.Pos(), "conditions of %s belong into Where: a string here is a condition, or a key, depending on what is in it", method)
			return
		}
	}
	at, isText := c.texts[name]
	if !isText || len(call.Args) <= at {
		return
	}
	for i, arg := range call.Args[at:] {
		if i == 0 || c.isColumns(call, name) {
			c.text(arg, fn.Name())
		}
	}
}

// isColumns tells whether the arguments behind the first one are columns as well, instead of the values of parameters.
func (c *checker) isColumns(call *ast.CallExpr, name string) bool {
	switch name {
	case gormPath + ".DB.Select":
		first := c.pass.TypesInfo.Types[call.Args[0]].Value
		return first == nil || first.Kind() != constant.String || !strings.ContainsAny(constant.StringVal(first), "?@")
	case gormPath + ".DB.Omit", gormPath + ".DB.Distinct":
		return true
	default:
		return false
	}
}

// text checks an argument that is a text, or that GORM makes one of.
func (c *checker) text(arg ast.Expr, method string) {
	t := c.pass.TypesInfo.TypeOf(arg)
	switch {
	case isString(t):
		if !c.origins.constant(arg) {
			c.reportf(arg.Pos(), "the text given to %s is not made of constants: give values as parameters", method)
		}
	case isColumnList(t):
		if !c.origins.constant(arg) {
			c.reportf(arg.Pos(), "the columns given to %s are not constants", method)
		}
	case isCondition(t):
		c.reportf(arg.Pos(), "a struct or map as condition of %s leaves out what is zero, or names columns by variables", method)
	}
}

// literal checks the expressions of GORM that are made without a function.
func (c *checker) literal(lit *ast.CompositeLit) {
	named, ok := types.Unalias(c.pass.TypesInfo.TypeOf(lit)).(*types.Named)
	if !ok || named.Obj().Pkg() == nil || named.Obj().Pkg().Path() != clausePath {
		return
	}
	fields := map[string]ast.Expr{}
	for i, element := range lit.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			if key, ok := pair.Key.(*ast.Ident); ok {
				fields[key.Name] = pair.Value
			}
		} else if structure, ok := named.Underlying().(*types.Struct); ok {
			fields[structure.Field(i).Name()] = element
		}
	}
	switch named.Obj().Name() {
	case "Expr", "NamedExpr":
		c.mustBeConstant(fields["SQL"])
	case "Column", "Table":
		if fields["Raw"] != nil {
			c.mustBeConstant(fields["Name"])
		}
	}
}

func (c *checker) mustBeConstant(text ast.Expr) {
	if text != nil && !c.origins.constant(text) {
		c.reportf(text.Pos(), "the text of an expression is not made of constants: give values as parameters")
	}
}

func (c *checker) reportf(at token.Pos, format string, args ...any) {
	if !c.excuses.cover(c.pass.Fset.Position(at)) {
		c.pass.Reportf(at, format, args...)
	}
}

// qualified is "package.type.name", whose type is empty for a function.
func qualified(fn *types.Func) string {
	if fn.Pkg() == nil {
		return ""
	}
	owner := ""
	if recv := fn.Signature().Recv(); recv != nil {
		t := recv.Type()
		if pointer, ok := t.(*types.Pointer); ok {
			t = pointer.Elem()
		}
		if named, ok := types.Unalias(t).(*types.Named); ok {
			owner = named.Obj().Name()
		}
	}
	return fn.Pkg().Path() + "." + owner + "." + fn.Name()
}

func isString(t types.Type) bool {
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&types.IsString != 0
}

func isColumnList(t types.Type) bool {
	slice, ok := t.Underlying().(*types.Slice)
	return ok && isString(slice.Elem())
}

// isCondition tells whether GORM makes conditions of the fields or keys of the value.
func isCondition(t types.Type) bool {
	if pointer, ok := t.Underlying().(*types.Pointer); ok {
		t = pointer.Elem()
	}
	switch t.Underlying().(type) {
	case *types.Map:
		return true
	case *types.Struct:
		named, ok := types.Unalias(t).(*types.Named)
		return !ok || named.Obj().Pkg() == nil || (named.Obj().Pkg().Path() != gormPath && named.Obj().Pkg().Path() != clausePath)
	default:
		return false
	}
}
