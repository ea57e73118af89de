package main

import (
	"fmt"
	"os"
	"strings"
)

// rewrite replaces the parts of a document between the comments "begin: name" and "end: name".
func rewrite(file string, parts map[string]string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text := string(content)
	for name, part := range parts {
		before, rest, found := strings.Cut(text, begin(name))
		_, after, ended := strings.Cut(rest, end(name))
		if !found || !ended {
			return fmt.Errorf("%s has no place for %s", file, name)
		}
		text = before + begin(name) + "\n\n" + part + "\n" + end(name) + after
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

func begin(name string) string { return "<!-- begin: " + name + " -->" }
func end(name string) string   { return "<!-- end: " + name + " -->" }
