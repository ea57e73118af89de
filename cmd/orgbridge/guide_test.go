package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const guideDocument = "../../docs/guide.md"

// TestGuideDocument holds docs/guide.md to what it claims: each statement names tests that exist, or says why there is none, and each
// scene of the played guide proves a statement.
func TestGuideDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(guideDocument)
	if err != nil {
		t.Fatal(err)
	}
	known := knownTests{}
	statements := guideStatements(t, string(text))
	if len(statements) < 70 {
		t.Errorf("the document has %d statements only", len(statements))
	}
	proven := map[string]bool{}
	for _, s := range statements {
		tests := testPattern.FindAllString(s.proof, -1)
		if reason, none := strings.CutPrefix(s.proof, "No test: "); len(tests) == 0 && (!none || len(reason) < 10) {
			t.Errorf("%q has neither a test nor a reason", s.statement)
		}
		for _, test := range tests {
			proven[test] = true
			if !known.has(t, test) {
				t.Errorf("%q is to be proven by %s, which does not exist", s.statement, test)
			}
		}
	}
	for _, scene := range known.scenes(t) {
		if test := "cmd/orgbridge.TestGuide/" + scene; !proven[test] {
			t.Errorf("%s proves no statement", test)
		}
	}
}

var testPattern = regexp.MustCompile(`\b[a-z][a-z/]*\.Test\w+(/\w+)?`)

type statement struct{ statement, call, proof string }

// guideStatements reads the tables, which all have the same head.
func guideStatements(t *testing.T, text string) (statements []statement) {
	t.Helper()
	seen := map[string]bool{}
	section := ""
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "## ") {
			section = line
		}
		if !strings.HasPrefix(line, "| ") || line == "| statement | call | proof |\n" {
			continue
		}
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 3 {
			t.Errorf("this row has %d cells: %s", len(cells), line)
			continue
		}
		s := statement{strings.TrimPrefix(cells[0], "| "), cells[1], strings.TrimSuffix(cells[2], " |")}
		if s.statement == "" || s.call == "" || seen[section+s.statement] {
			t.Errorf("this row has an empty cell, or is there twice: %s", line)
		}
		seen[section+s.statement] = true
		statements = append(statements, s)
	}
	return statements
}

// knownTests are the tests of the packages that were asked for: their bodies, by package and name.
type knownTests map[string]map[string]*ast.BlockStmt

// has looks for a test, and for a subtest among the texts in its body.
func (k knownTests) has(t *testing.T, test string) bool {
	t.Helper()
	dir, name, _ := strings.Cut(test, ".")
	name, subtest, _ := strings.Cut(name, "/")
	body := k.of(t, dir)[name]
	if body == nil || subtest == "" {
		return body != nil
	}
	found := false
	ast.Inspect(body, func(n ast.Node) bool {
		literal, ok := n.(*ast.BasicLit)
		found = found || ok && literal.Value == strconv.Quote(subtest)
		return !found
	})
	return found
}

// scenes are the names of the subtests of TestGuide, which stand first in their composite literals.
func (k knownTests) scenes(t *testing.T) (names []string) {
	t.Helper()
	ast.Inspect(k.of(t, "cmd/orgbridge")["TestGuide"], func(n ast.Node) bool {
		if scene, ok := n.(*ast.CompositeLit); ok && scene.Type == nil && len(scene.Elts) == 2 {
			if name, ok := scene.Elts[0].(*ast.BasicLit); ok {
				names = append(names, strings.Trim(name.Value, `"`))
			}
		}
		return true
	})
	if len(names) == 0 {
		t.Error("TestGuide has no scenes")
	}
	return names
}

func (k knownTests) of(t *testing.T, dir string) map[string]*ast.BlockStmt {
	t.Helper()
	if k[dir] != nil {
		return k[dir]
	}
	files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(dir), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	k[dir] = map[string]*ast.BlockStmt{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declared := range parsed.Decls {
			if f, ok := declared.(*ast.FuncDecl); ok && f.Recv == nil {
				k[dir][f.Name.Name] = f.Body
			}
		}
	}
	return k[dir]
}
