package main

import (
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/docs"
	"github.com/orgbridge/orgbridge/internal/e2e"
)

var update = flag.Bool("update", false, "write the examples of docs/frontend.md anew")

const frontendDocument = "../../docs/frontend.md"

// TestFrontendDocument plays the calls of docs/frontend.md on the running program and compares every example in it with the answers.
// The prose around the examples is written by hand; `go test ./cmd/orgbridge -run TestFrontendDocument -update` writes the examples.
func TestFrontendDocument(t *testing.T) {
	t.Parallel()
	f := newFrontend(t)
	for _, screen := range []func(){
		f.signingIn, f.integrationsPage, f.connectDialogue, f.followingASync, f.mappingPage,
		f.addOrganizationPage, f.addFromITGlue, f.manualSync, f.settings, f.cancelling, f.deletedOrganization, f.heldRemovals, f.rejectedKey, f.notifications,
		f.deactivating, f.tokens,
	} {
		f.begin()
		screen()
	}
	e2e.Terminated(t, f.server)

	written, err := os.ReadFile(frontendDocument)
	if err != nil {
		t.Fatal(err)
	}
	want := f.spliced(string(written))
	switch {
	case want == string(written):
	case *update:
		if err := os.WriteFile(frontendDocument, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	default:
		got, expected := firstDifference(string(written), want)
		t.Errorf("docs/frontend.md is not what the program answers:\n%s\ninstead of\n%s\nrun: go test ./cmd/orgbridge -run TestFrontendDocument -update",
			got, expected)
	}
}

var examplePattern = regexp.MustCompile(`(?s)<!-- example (\S+)((?: \w+)*) -->\n.*?<!-- /example -->`)

// spliced returns the document with the examples of this run. Every example is shown, and every one that is shown is known.
func (f *frontend) spliced(document string) string {
	f.T.Helper()
	s := &steady{ids: map[string]string{}, counts: map[int]int{}, moments: f.moments}
	played := map[string]example{}
	for _, e := range f.examples {
		if played[e.name].name != "" {
			f.T.Errorf("there are two examples %s", e.name)
		}
		played[e.name] = e
		e.rendered(s, nil) // in the order of the play, which is that of the made-up values
	}
	shown := map[string]bool{}
	document = examplePattern.ReplaceAllStringFunc(document, func(place string) string {
		parts := examplePattern.FindStringSubmatch(place)
		name, fields := parts[1], parts[2]
		shown[name] = true
		if played[name].name == "" {
			f.T.Errorf("the document shows an example %s that is not played", name)
			return place
		}
		return "<!-- example " + name + fields + " -->\n" + played[name].rendered(s, strings.Fields(fields)) + "<!-- /example -->"
	})
	for name := range played {
		if !shown[name] {
			f.T.Errorf("the document does not show the example %s", name)
		}
	}
	return document
}

func firstDifference(a, b string) (inA, inB string) {
	linesA, linesB := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(linesA), len(linesB)) {
		if linesA[i] != linesB[i] {
			return linesA[i], linesB[i]
		}
	}
	return "(the end)", "(more lines, or fewer)"
}

// TestFrontendDocumentIsComplete looks up in docs/frontend.md every operation of the API and every code that a screen may have to
// tell.
func TestFrontendDocumentIsComplete(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(frontendDocument)
	if err != nil {
		t.Fatal(err)
	}
	var api struct {
		Paths      map[string]map[string]json.RawMessage `json:"paths"`
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct {
					Enum []*string `json:"enum"`
				} `json:"properties"`
			} `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(docs.OpenAPI(), &api); err != nil {
		t.Fatal(err)
	}
	for path, operations := range api.Paths {
		for method := range operations {
			operation := "`" + strings.ToUpper(method) + " " + path
			named := strings.Contains(string(text), operation+"`") || strings.Contains(string(text), operation+"?")
			if path != "/healthz" && path != "/readyz" && !named {
				t.Errorf("the document does not name %s", operation)
			}
		}
	}
	for _, field := range [][2]string{
		{"Problem", "code"}, {"FieldProblem", "code"}, {"Event", "type"}, {"Unmatched", "code"}, {"Attention", "code"},
		{"Change", "reason"}, {"ImportError", "code"}, {"Sync", "kind"}, {"Sync", "status"}, {"SyncError", "code"},
	} {
		values := api.Components.Schemas[field[0]].Properties[field[1]].Enum
		if len(values) == 0 {
			t.Errorf("%s has no values of %s", field[0], field[1])
		}
		for _, value := range values {
			if !strings.Contains(string(text), "`"+*value+"`") {
				t.Errorf("the document does not name %s `%s`", field[1], *value)
			}
		}
	}
}
