package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const definitionPrefix = "#/definitions/"

// renameSchemas gives every schema of a Swagger 2.0 document the name it is published under, and corrects what refers to it.
// Two types that would share a name are an error: one of them needs a `// @name` of its own.
func renameSchemas(doc map[string]any) error {
	definitions, _ := doc["definitions"].(map[string]any)
	renamed := make(map[string]any, len(definitions))
	origin := make(map[string]string, len(definitions))
	for _, old := range slices.Sorted(maps.Keys(definitions)) {
		name := schemaName(old)
		if other, taken := origin[name]; taken {
			return fmt.Errorf("the types %s and %s would both be published as %s", other, old, name)
		}
		origin[name], renamed[name] = old, definitions[old]
	}
	doc["definitions"] = renamed
	visit(doc, renameRef)
	return nil
}

// schemaName turns the name of a Go type into that of a schema: "api.mapping" is "Mapping", and the generic
// "api.list-api_mapping" is "MappingList".
func schemaName(goName string) string {
	generic, args, _ := strings.Cut(goName, "-")
	var name strings.Builder
	for arg := range strings.SplitSeq(args, "-") {
		name.WriteString(exported(afterLast(arg, "_")))
	}
	name.WriteString(exported(afterLast(generic, ".")))
	return name.String()
}

func afterLast(s, sep string) string { return s[strings.LastIndex(s, sep)+1:] }

func exported(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(r)) + s[size:]
}

func renameRef(node map[string]any) {
	ref, _ := node["$ref"].(string)
	if name, ok := strings.CutPrefix(ref, definitionPrefix); ok {
		node["$ref"] = definitionPrefix + schemaName(name)
	}
}

// visit calls fn for every object in a tree of JSON values, outer ones first.
func visit(node any, fn func(map[string]any)) {
	switch node := node.(type) {
	case map[string]any:
		fn(node)
		for _, child := range node {
			visit(child, fn)
		}
	case []any:
		for _, child := range node {
			visit(child, fn)
		}
	}
}
