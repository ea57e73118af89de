package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const document = "../../../docs/reliability.md"

// TestReliabilityDocument holds docs/reliability.md to what it claims: each fault has a row, which says that it is survived or why it cannot be
// brought about, and each test that is named exists.
func TestReliabilityDocument(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(content), begin("faults"))
	table, _, _ := strings.Cut(rest, end("faults"))
	known := knownProofs(t)
	for _, f := range faults() {
		prefix := fmt.Sprintf("| F%d | %s | ", f.n, f.title)
		_, row, found := strings.Cut(table, prefix)
		if !found {
			t.Errorf("no row begins with %q", prefix)
			continue
		}
		row, _, _ = strings.Cut(row, "\n")
		cells := strings.Split(strings.TrimSuffix(row, " |"), " | ")
		if len(cells) != 3 {
			t.Errorf("F%d has %d cells after its title", f.n, len(cells))
			continue
		}
		proofs := proofNames.FindAllString(cells[2], -1)
		for i, engine := range []string{sqlite, postgres} {
			if proven := cells[i] == "survived"; proven != (f.reason(engine) == "") || proven && len(proofs) == 0 {
				t.Errorf("F%d on %s: %q, proven by %q", f.n, engine, cells[i], proofs)
			}
		}
		for _, proof := range proofs {
			if !known[proof] || numberOf(proof) != f.n {
				t.Errorf("F%d is to be proven by %s, which does not exist", f.n, proof)
			}
		}
	}
}

var (
	proofNames = regexp.MustCompile(`[a-z][a-z/]*\.TestF\w+`)
	functions  = regexp.MustCompile(`(?m)^func (TestF\d+[A-Z]\w*)\(`)
)

// knownProofs are the tests of all packages that are named after faults.
func knownProofs(t *testing.T) map[string]bool {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		for _, found := range functions.FindAllSubmatch(content, -1) {
			known[filepath.ToSlash(dir)+"."+string(found[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// lines are what "go test -json" writes about tests of one package.
func lines(tests map[string]string) string {
	var text strings.Builder
	for test, action := range tests {
		fmt.Fprintf(&text, `{"Action":%q,"Package":"github.com/orgbridge/orgbridge/internal/store","Test":%q}`+"\n", action, test)
	}
	return text.String()
}

func TestTableTellsWhatIsProvenWhere(t *testing.T) {
	t.Parallel()
	pair := []fault{{13, "Lock", nil}}
	for _, c := range []struct {
		name    string
		tests   map[string]string
		row     string
		missing int
	}{
		{"proven on both", map[string]string{"TestF13A": "pass", "TestF13A/sqlite": "pass", "TestF13A/postgres": "pass"},
			"| F13 | Lock | survived | survived | internal/store.TestF13A |", 0},
		{"proven without a database", map[string]string{"TestF13A": "pass", "TestF13A/a_case": "pass"},
			"| F13 | Lock | survived | survived | internal/store.TestF13A |", 0},
		{"proven on one", map[string]string{"TestF13A": "pass", "TestF13A/sqlite": "pass"},
			"| F13 | Lock | survived | no proof | internal/store.TestF13A |", 1},
		{"failed on one", map[string]string{"TestF13A": "fail", "TestF13A/sqlite": "pass", "TestF13A/postgres": "fail"},
			"| F13 | Lock | survived | **failed** | internal/store.TestF13A |", 1},
		{"skipped on one", map[string]string{"TestF13A": "pass", "TestF13A/sqlite": "pass", "TestF13A/postgres": "skip"},
			"| F13 | Lock | survived | **failed** | internal/store.TestF13A |", 1},
		{"of another number", map[string]string{"TestF1A": "pass", "TestF131A": "pass"}, "| F13 | Lock | no proof | no proof |  |", 2},
		{"an engine deep down", map[string]string{"TestF13A": "pass", "TestF13A/x": "pass", "TestF13A/x/sqlite": "pass", "TestF13B": "pass"},
			"| F13 | Lock | survived | survived | internal/store.TestF13A, internal/store.TestF13B |", 0},
	} {
		r, err := read(strings.NewReader(lines(c.tests)), &bytes.Buffer{})
		if err != nil {
			t.Fatal(err)
		}
		if table, missing := r.faultTable(pair); !strings.Contains(table, c.row+"\n") || missing != c.missing {
			t.Errorf("%s: %d missing:\n%s", c.name, missing, table)
		}
	}
	r, err := read(strings.NewReader(""), &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if table, missing := r.faultTable([]fault{{13, "Lock", nowhere("no reason")}}); missing != 0 || !strings.Contains(table, "| — | — | SQLite: no reason, PostgreSQL: no reason |") {
		t.Errorf("%d missing:\n%s", missing, table)
	}
}

func TestReportFailsWithItsTestsAndKeepsFigures(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "doc.md")
	places := "Title\n<!-- begin: faults -->\nstale row\n<!-- end: faults -->\nbetween\n<!-- begin: figures --><!-- end: figures -->\nlast\n"
	if err := os.WriteFile(file, []byte(places), 0o600); err != nil {
		t.Fatal(err)
	}
	in := `{"Action":"output","Package":"p","Test":"TestF1A/sqlite","Output":"    x_test.go:1: figure: kills: 100 of 100\n"}` + "\n" +
		`{"Action":"output","Package":"p","Test":"TestF1A/sqlite","Output":"reason\n"}` + "\n" +
		`{"Action":"fail","Package":"p","Test":"TestF1A/sqlite"}` + "\n"
	var out bytes.Buffer
	if err := run([]string{"-write", file}, strings.NewReader(in), &out); err == nil || !strings.Contains(out.String(), "reason") {
		t.Errorf("%v, and it showed %q", err, out.String())
	}
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"| kills, SQLite | 100 of 100 |", "| **failed** |", "Title", "between", "last"} {
		if !strings.Contains(string(written), part) {
			t.Errorf("no %q in\n%s", part, written)
		}
	}
	if strings.Contains(string(written), "stale row") {
		t.Error("the old table is still there")
	}
}
