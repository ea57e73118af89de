package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	sqlite   = "sqlite"
	postgres = "postgres"
)

// event is a line of "go test -json", where the names are capitalized; decoding does not mind.
type event struct {
	Action  string `json:"action"`
	Package string `json:"package"`
	Test    string `json:"test"`
	Output  string `json:"output"`
}

// results are the outcomes of tests: "pass", "fail" or "skip", by package and name.
type results struct {
	outcomes map[string]string
	figures  map[string]string
	broken   []string // packages and tests that failed
}

var (
	proofPattern  = regexp.MustCompile(`\.TestF(\d+)[A-Z]\w*`)
	figurePattern = regexp.MustCompile(`figure: ([^:]+): (.+)`)
)

// read collects the outcomes, and shows the output of what failed.
func read(in io.Reader, out io.Writer) (*results, error) {
	r := &results{outcomes: map[string]string{}, figures: map[string]string{}}
	output := map[string][]string{}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Fprintln(out, lines.Text()) // such as an error of the compiler
			continue
		}
		name := strings.TrimSuffix(strings.TrimPrefix(e.Package, "github.com/orgbridge/orgbridge/")+"."+e.Test, ".")
		switch e.Action {
		case "output", "build-output":
			output[name] = append(output[name], e.Output)
			r.figure(e)
		case "pass", "fail", "skip":
			r.outcomes[name] = e.Action
			if e.Action == "fail" {
				r.broken = append(r.broken, name)
				fmt.Fprint(out, strings.Join(output[name], ""))
			}
			delete(output, name)
		case "build-fail":
			r.broken = append(r.broken, name)
			fmt.Fprint(out, strings.Join(output[name], ""))
		}
	}
	return r, lines.Err()
}

// figure keeps a figure that a test logged. One of a single database says so.
func (r *results) figure(e event) {
	found := figurePattern.FindStringSubmatch(e.Output)
	if found == nil {
		return
	}
	name := found[1]
	if engine := engineOf(e.Test); engine != "" {
		name += ", " + engineNames()[engine]
	}
	r.figures[name] = strings.TrimSpace(found[2])
}

func engineNames() map[string]string {
	return map[string]string{sqlite: "SQLite", postgres: "PostgreSQL"}
}

// tests returns the names of the tests that prove a fault on an engine, and whether all of them passed.
func (r *results) tests(n int, engine string) (names []string, passed bool) {
	passed = true
	for _, test := range slices.Sorted(maps.Keys(r.outcomes)) {
		if numberOf(test) != n || !r.provesOn(test, engine) {
			continue
		}
		names = append(names, topOf(test))
		passed = passed && r.outcomes[test] == "pass"
	}
	return slices.Compact(names), passed
}

// numberOf is the fault that a test proves, 0 if none.
func numberOf(test string) int {
	found := proofPattern.FindStringSubmatch(test)
	if found == nil {
		return 0
	}
	n, err := strconv.Atoi(found[1])
	if err != nil {
		return 0
	}
	return n
}

// provesOn tells whether a test is about the engine: the subtest that is called after it, or a whole test that has no such subtests.
func (r *results) provesOn(test, engine string) bool {
	if engineOf(test) != "" {
		return engineOf(test) == engine
	}
	for other := range r.outcomes {
		if strings.HasPrefix(other, topOf(test)+"/") && engineOf(other) != "" {
			return false
		}
	}
	return r.outcomes[test] != "skip"
}

// topOf is the test that a subtest belongs to.
func topOf(test string) string {
	dir, name, _ := strings.Cut(test, ".Test")
	name, _, _ = strings.Cut(name, "/")
	return dir + ".Test" + name
}

func engineOf(test string) string {
	for segment := range strings.SplitSeq(test, "/") {
		if segment == sqlite || segment == postgres {
			return segment
		}
	}
	return ""
}

// faultTable is one row for each fault, and how many of them are neither proven nor excused.
func (r *results) faultTable(faults []fault) (table string, missing int) {
	var text strings.Builder
	text.WriteString("| F | fault | SQLite | PostgreSQL | proven by |\n|---|---|---|---|---|\n")
	for _, f := range faults {
		cells, proofs := map[string]string{}, []string{}
		for _, engine := range []string{sqlite, postgres} {
			names, passed := r.tests(f.n, engine)
			reason := f.reason(engine)
			switch {
			case reason != "":
				cells[engine] = "—"
				proofs = append(proofs, engineNames()[engine]+": "+reason)
				continue
			case len(names) == 0:
				cells[engine] = "no proof"
				missing++
			case !passed:
				cells[engine] = "**failed**"
				missing++
			default:
				cells[engine] = "survived"
			}
			proofs = append(proofs, names...)
		}
		slices.SortStableFunc(proofs, func(a, b string) int { return cmp.Compare(strings.Count(a, " "), strings.Count(b, " ")) })
		fmt.Fprintf(&text, "| F%d | %s | %s | %s | %s |\n", f.n, f.title, cells[sqlite], cells[postgres], strings.Join(distinct(proofs), ", "))
	}
	return text.String(), missing
}

func distinct(all []string) (once []string) {
	for _, s := range all {
		if !slices.Contains(once, s) {
			once = append(once, s)
		}
	}
	return once
}

// figureTable is what the tests measured.
func (r *results) figureTable() string {
	var text strings.Builder
	text.WriteString("| figure | measured |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(r.figures)) {
		fmt.Fprintf(&text, "| %s | %s |\n", name, r.figures[name])
	}
	return text.String()
}
