// Command report reads what "go test -json" writes, and tells of each fault whether it was survived on each database:
//
//	go test -json -run '^TestF[0-9]' ./... | go run ./internal/faulttest/report -write docs/reliability.md
//
// A fault is proven by the tests that are named after it: TestF13LockedDatabaseAnswers503 proves fault 13, for the databases that its
// subtests are called after, or for both when it needs no database. Tests may log figures in lines such as "figure: kills: 100".
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run writes the tables into the document, or prints them. It fails when a test failed, or a fault is neither proven nor excused.
func run(args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	document := flags.String("write", "", "the `file` whose tables are replaced; without it they are printed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	results, err := read(in, out)
	if err != nil {
		return err
	}
	table, missing := results.faultTable(faults())
	if *document == "" {
		fmt.Fprintf(out, "%s\n%s", table, results.figureTable())
	} else if err := rewrite(*document, map[string]string{"faults": table, "figures": results.figureTable()}); err != nil {
		return err
	}
	if missing += len(results.broken); missing > 0 {
		return fmt.Errorf("%d faults or packages are not as they should be", missing)
	}
	return nil
}
