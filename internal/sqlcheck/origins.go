package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"

	"golang.org/x/tools/go/types/typeutil"
)

// origins knows where the values of a package's variables, parameters and results come from.
type origins struct {
	info *types.Info
	// of are all expressions that a variable or parameter is given; nil stands for one that cannot be followed.
	of map[types.Object][]ast.Expr
	// results are what a function returns.
	results map[types.Object][]ast.Expr
	// open are the parameters that are given values by those who are not seen: other packages, and callers of function values.
	open  map[types.Object]bool
	asked map[types.Object]bool
	// callees are the names of functions that are called where they stand.
	callees map[*ast.Ident]bool
}

func originsOf(info *types.Info, files []*ast.File) origins {
	o := origins{
		info: info, of: map[types.Object][]ast.Expr{}, results: map[types.Object][]ast.Expr{}, open: map[types.Object]bool{},
		asked: map[types.Object]bool{}, callees: map[*ast.Ident]bool{},
	}
	for _, file := range files {
		ast.Inspect(file, o.visit)
	}
	return o
}

func (o origins) visit(node ast.Node) bool {
	switch node := node.(type) {
	case *ast.AssignStmt:
		o.assign(node.Lhs, node.Rhs)
	case *ast.ValueSpec:
		names := make([]ast.Expr, len(node.Names))
		for i, name := range node.Names {
			names[i] = name
		}
		if len(node.Values) > 0 {
			o.assign(names, node.Values)
		}
	case *ast.RangeStmt:
		o.ranged(node)
	case *ast.UnaryExpr:
		if node.Op == token.AND {
			o.give(node.X, nil) // whoever has the address may change it
		}
	case *ast.FuncDecl:
		o.declared(node)
	case *ast.FuncLit:
		o.openUp(o.info.TypeOf(node))
	case *ast.CallExpr:
		o.arguments(node)
	case *ast.Ident:
		if fn, ok := o.info.Uses[node].(*types.Func); ok && !o.callees[node] {
			o.openUp(fn.Origin().Type())
		}
	}
	return true
}

func (o origins) declared(decl *ast.FuncDecl) {
	fn, ok := o.info.Defs[decl.Name].(*types.Func)
	if !ok {
		return
	}
	o.results[fn] = returned(decl.Body)
	if fn.Exported() {
		o.openUp(fn.Type())
	}
	if receiver := fn.Signature().Recv(); receiver != nil {
		o.open[receiver] = true
	}
}

// openUp notes that the parameters may be given anything.
func (o origins) openUp(function types.Type) {
	if signature, ok := function.(*types.Signature); ok {
		for param := range signature.Params().Variables() {
			o.open[param] = true
		}
	}
}

// assign takes "+=" for "=": what is added has to be constant as well.
func (o origins) assign(left, right []ast.Expr) {
	for i := range left {
		var from ast.Expr
		if len(left) == len(right) {
			from = right[i]
		}
		o.give(left[i], from)
		if lit, ok := from.(*ast.FuncLit); ok {
			o.results[o.objectOf(left[i])] = returned(lit.Body)
		}
	}
}

func (o origins) give(to, from ast.Expr) {
	if object := o.objectOf(to); object != nil {
		o.of[object] = append(o.of[object], from)
	}
}

// objectOf is the variable of an expression; an element of one is the variable itself.
func (o origins) objectOf(e ast.Expr) types.Object {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		return o.info.ObjectOf(e)
	case *ast.IndexExpr:
		return o.objectOf(e.X)
	default:
		return nil
	}
}

func (o origins) ranged(loop *ast.RangeStmt) {
	if loop.Key != nil {
		o.give(loop.Key, nil)
	}
	if loop.Value != nil {
		o.give(loop.Value, loop.X)
	}
}

// arguments notes what the parameters of functions are given.
func (o origins) arguments(call *ast.CallExpr) {
	fn, ok := typeutil.Callee(o.info, call).(*types.Func)
	if !ok {
		return
	}
	switch name := ast.Unparen(call.Fun).(type) {
	case *ast.Ident:
		o.callees[name] = true
	case *ast.SelectorExpr:
		o.callees[name.Sel] = true
	}
	params := fn.Origin().Signature().Params()
	for i := range params.Len() {
		var given ast.Expr
		if variadic := fn.Signature().Variadic() && i == params.Len()-1; !variadic && i < len(call.Args) {
			given = call.Args[i]
		}
		o.of[params.At(i)] = append(o.of[params.At(i)], given)
	}
}

// returned are the first results of a body; those that are named cannot be followed.
func returned(body *ast.BlockStmt) (results []ast.Expr) {
	if body == nil {
		return []ast.Expr{nil}
	}
	ast.Inspect(body, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt:
			var first ast.Expr
			if len(node.Results) > 0 {
				first = node.Results[0]
			}
			results = append(results, first)
		}
		return true
	})
	return results
}

// constant tells whether a text, or each one of a list, is made of constants, whatever the way through the program.
func (o origins) constant(e ast.Expr) bool {
	if e == nil {
		return false
	}
	if known := o.info.Types[e]; known.Value != nil || known.IsNil() {
		return true
	}
	switch e := ast.Unparen(e).(type) {
	case *ast.BinaryExpr:
		return e.Op == token.ADD && o.constant(e.X) && o.constant(e.Y)
	case *ast.Ident:
		return o.alwaysConstant(o.info.ObjectOf(e))
	case *ast.IndexExpr:
		return o.constant(e.X)
	case *ast.CompositeLit:
		return !slices.ContainsFunc(e.Elts, func(element ast.Expr) bool {
			if pair, ok := element.(*ast.KeyValueExpr); ok {
				element = pair.Value
			}
			return !o.constant(element)
		})
	case *ast.CallExpr:
		return o.constantCall(e)
	default:
		return false
	}
}

// alwaysConstant tells whether all that a variable or parameter is ever given is constant. What anybody may give something is not.
func (o origins) alwaysConstant(object types.Object) bool {
	variable, ok := object.(*types.Var)
	if !ok || variable.IsField() || o.asked[object] {
		return ok && o.asked[object] // a variable that is made of itself and of constants
	}
	global := variable.Pkg() != nil && variable.Parent() == variable.Pkg().Scope()
	uncalled := variable.Kind() == types.ParamVar && len(o.of[object]) == 0
	if o.open[object] || uncalled || (global && variable.Exported()) {
		return false
	}
	o.asked[object] = true
	defer delete(o.asked, object)
	return !slices.ContainsFunc(o.of[object], func(from ast.Expr) bool { return !o.constant(from) })
}

// constantCall tells whether a call gives what is made of constants.
func (o origins) constantCall(call *ast.CallExpr) bool {
	callee := typeutil.Callee(o.info, call)
	if fn, ok := callee.(*types.Func); ok && fn.Pkg() != nil {
		switch fn.FullName() {
		case "strings.Repeat":
			return o.constant(call.Args[0])
		case "strings.Join":
			return o.constant(call.Args[0]) && o.constant(call.Args[1])
		case "fmt.Sprintf":
			return !slices.ContainsFunc(call.Args, func(arg ast.Expr) bool { return !o.constant(arg) && !o.isNumber(arg) })
		}
		callee = fn.Origin()
	}
	if o.isBuiltin(callee, "append") {
		return !slices.ContainsFunc(call.Args, func(arg ast.Expr) bool { return !o.constant(arg) })
	}
	if o.isBuiltin(callee, "make") {
		return true
	}
	results, known := o.results[callee]
	if !known || o.asked[callee] || len(o.of[callee]) > 1 {
		return false
	}
	o.asked[callee] = true
	defer delete(o.asked, callee)
	return !slices.ContainsFunc(results, func(result ast.Expr) bool { return !o.constant(result) })
}

func (origins) isBuiltin(callee types.Object, name string) bool {
	builtin, ok := callee.(*types.Builtin)
	return ok && builtin.Name() == name
}

func (o origins) isNumber(e ast.Expr) bool {
	basic, ok := o.info.TypeOf(e).Underlying().(*types.Basic)
	return ok && basic.Info()&types.IsInteger != 0
}
