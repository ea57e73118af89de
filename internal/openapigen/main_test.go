package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestRun(t *testing.T) {
	t.Parallel()

	t.Run("WritesTheSample", func(t *testing.T) {
		t.Parallel()
		out := filepath.Join(t.TempDir(), "openapi.json")
		if err := run([]string{"-api", "testdata/api", "-out", out}, io.Discard); err != nil {
			t.Fatal(err)
		}
		wantFile(t, "testdata/openapi.json", readFile(t, out),
			"go run ./internal/openapigen -api internal/openapigen/testdata/api -out internal/openapigen/testdata/openapi.json")
	})

	failures := map[string][]string{
		"UnknownFlag":      {"-colour"},
		"NoSuchPackage":    {"-api", "testdata/none", "-out", os.DevNull},
		"NotWritable":      {"-api", "testdata/api", "-out", "testdata/none/openapi.json"},
		"BrokenAnnotation": {"-api", "testdata/broken", "-out", os.DevNull},
	}
	for name, args := range failures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := run(args, io.Discard); err == nil {
				t.Error("no error")
			}
		})
	}
}

// The published document has to be what the annotations say now.
func TestPublishedDocumentIsUpToDate(t *testing.T) {
	t.Parallel()
	got, err := generate("../../api")
	if err != nil {
		t.Fatal(err)
	}
	wantFile(t, "../../docs/openapi.json", got, "go generate ./docs")
}

func wantFile(t *testing.T, path string, got []byte, command string) {
	t.Helper()
	want := readFile(t, path)
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the annotations say (first difference near line %d); run: %s", path, firstDifference(got, want), command)
	}
}

func firstDifference(a, b []byte) int {
	line := 1
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			break
		}
		if a[i] == '\n' {
			line++
		}
	}
	return line
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
