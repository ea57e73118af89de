package main

import (
	"go/ast"
	"go/token"
	"strings"

	"golang.org/x/tools/go/analysis"
)

const directive = "//sqlcheck:constant"

// excuses are the comments that vouch for a text, by file and line.
type excuses map[string]map[int]*excuse

type excuse struct {
	at   token.Pos
	used bool
}

// excusesOf finds the comments, and reports those that give no reason.
func excusesOf(pass *analysis.Pass, files []*ast.File) excuses {
	found := excuses{}
	for _, file := range files {
		for _, group := range file.Comments {
			for _, comment := range group.List {
				reason, ok := strings.CutPrefix(comment.Text, directive)
				if !ok {
					continue
				}
				if strings.TrimSpace(reason) == "" {
					pass.Reportf(comment.Pos(), "%s needs a reason", directive)
				}
				at := pass.Fset.Position(comment.Pos())
				if found[at.Filename] == nil {
					found[at.Filename] = map[int]*excuse{}
				}
				found[at.Filename][at.Line] = &excuse{at: comment.Pos()}
			}
		}
	}
	return found
}

// cover tells whether there is an excuse on the line or the one before.
func (e excuses) cover(at token.Position) bool {
	for _, line := range []int{at.Line, at.Line - 1} {
		if one := e[at.Filename][line]; one != nil {
			one.used = true
			return true
		}
	}
	return false
}

func (e excuses) reportUnused(pass *analysis.Pass) {
	for _, lines := range e {
		for _, one := range lines {
			if !one.used {
				pass.Reportf(one.at, "%s excuses nothing", directive)
			}
		}
	}
}
