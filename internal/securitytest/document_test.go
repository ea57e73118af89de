package securitytest_test

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// items is how many items the OWASP API Security Top 10 has.
const items = 10

var update = flag.Bool("update", false, "write the lists of tests in docs/security.md")

// TestSecurityDocument holds docs/security.md to the sources: each item has tests, and lists all of them.
func TestSecurityDocument(t *testing.T) {
	t.Parallel()
	proofs := proofs(t)
	document := filepath.Join("..", "..", "docs", "security.md")
	content, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	for item := 1; item <= items; item++ {
		if len(proofs[item]) == 0 {
			t.Errorf("API%d has no test named TestAPI%d…", item, item)
		}
		begin, end := fmt.Sprintf("<!-- begin: API%d -->\n", item), fmt.Sprintf("<!-- end: API%d -->\n", item)
		before, rest, found := strings.Cut(text, begin)
		list, after, ended := strings.Cut(rest, end)
		if !found || !ended {
			t.Fatalf("no place for API%d", item)
		}
		want := "\n- " + strings.Join(proofs[item], "\n- ") + "\n\n"
		if list != want && !*update {
			t.Errorf("the tests of API%d are not those of the sources (run it with -update); it has%sinstead of%s", item, list, want)
		}
		text = before + begin + want + end + after
	}
	if *update {
		if err := os.WriteFile(document, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

var proofNames = regexp.MustCompile(`(?m)^func (TestAPI(\d+)[A-Z]\w*)\(`)

// proofs are the tests of all packages that are named after items, by item.
func proofs(t *testing.T) [][]string {
	t.Helper()
	root := filepath.Join("..", "..")
	found := make([][]string, items+1)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, match := range proofNames.FindAllStringSubmatch(string(content), -1) {
			item, err := strconv.Atoi(match[2])
			if err != nil || item < 1 || item > items {
				return fmt.Errorf("%s: there is no item %s", match[1], match[2])
			}
			found[item] = append(found[item], fmt.Sprintf("%#q (%s)", match[1], filepath.ToSlash(dir)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, names := range found {
		slices.Sort(names)
	}
	return found
}
