// Command sqlcheck is a tool for "go vet" that finds statements whose text is not known when the program is built, and the ways of GORM
// to ask for more than was meant:
//
//	go build -o /tmp/sqlcheck ./internal/sqlcheck && go vet -vettool=/tmp/sqlcheck ./...
//
// The text of a statement is constants, put together in whatever way; values are parameters. Where that is so and cannot be seen, a
// comment "//sqlcheck:constant" says why, on the same line or the one before.
package main

import "golang.org/x/tools/go/analysis/unitchecker"

func main() { unitchecker.Main(analyzer()) }
