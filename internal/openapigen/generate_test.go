package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
)

// convertText converts a document that is as small as can be, plus the given definitions and paths.
func convertText(t *testing.T, definitions, paths string) (*openapi3.T, error) {
	t.Helper()
	var doc map[string]any
	text := `{"swagger": "2.0", "info": {"title": "t", "version": "1", "license": {"name": "Apache-2.0"}, "contact": {}},
		"securityDefinitions": {"BearerAuth": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "A token."}},
		"definitions": {` + definitions + `}, "paths": {` + paths + `}}`
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	return convert(doc)
}

const problemDefinition = `"api.problem": {"type": "object"}`

func mustConvert(t *testing.T, definitions, paths string) *openapi3.T {
	t.Helper()
	if definitions != "" {
		definitions = ", " + definitions
	}
	doc, err := convertText(t, problemDefinition+definitions, paths)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// wantJSON compares v, written as JSON, with the JSON text want.
func wantJSON(t *testing.T, v any, want string) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b, a); diff != "" {
		t.Errorf("mismatch (-want, +got):\n%s", diff)
	}
}

func TestSchemas(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ old, want string }{
		"Plain":       {`{"type": "string"}`, `{"type": "string"}`},
		"Nullable":    {`{"type": "string", "x-nullable": true}`, `{"type": ["string", "null"]}`},
		"NotNullable": {`{"type": "string", "x-nullable": false}`, `{"type": "string"}`},
		"NullableEnum": {
			`{"type": "string", "enum": ["a"], "x-nullable": true}`,
			`{"type": ["string", "null"], "enum": ["a", null]}`,
		},
		"NullableAnything": {`{"x-nullable": true}`, `{}`},
		"Reference":        {`{"$ref": "#/definitions/api.problem"}`, `{"$ref": "#/components/schemas/Problem"}`},
		"DescribedRef": {
			`{"description": "d", "allOf": [{"$ref": "#/definitions/api.problem"}]}`,
			`{"description": "d", "allOf": [{"$ref": "#/components/schemas/Problem"}]}`,
		},
		"NullableReference": {
			`{"description": "d", "allOf": [{"$ref": "#/definitions/api.problem"}], "x-nullable": true}`,
			`{"description": "d", "anyOf": [{"$ref": "#/components/schemas/Problem"}, {"type": "null"}]}`,
		},
		"NullableMixture": {
			`{"allOf": [{"$ref": "#/definitions/api.problem"}, {"type": "object"}], "x-nullable": true}`,
			`{"anyOf": [{"allOf": [{"$ref": "#/components/schemas/Problem"}, {"type": "object"}]}, {"type": "null"}]}`,
		},
		"NullableItems": {
			`{"type": "array", "items": {"type": "integer", "x-nullable": true}}`,
			`{"type": "array", "items": {"type": ["integer", "null"]}}`,
		},
		"Pattern": {`{"type": "string", "x-pattern": "^a$"}`, `{"type": "string", "pattern": "^a$"}`},
		"Example": {`{"type": "integer", "example": 0}`, `{"type": "integer", "examples": [0]}`},
		"ExclusiveBounds": {
			`{"type": "number", "minimum": 0, "exclusiveMinimum": true, "maximum": 9, "exclusiveMaximum": true}`,
			`{"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 9}`,
		},
		"InclusiveBounds": {`{"type": "number", "minimum": 0, "maximum": 9}`, `{"type": "number", "minimum": 0, "maximum": 9}`},
		"Extensions":      {`{"type": "string", "enum": ["a"], "x-enum-varnames": ["A"]}`, `{"type": "string", "enum": ["a"]}`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc := mustConvert(t, `"api.holder": {"type": "object", "properties": {"value": `+c.old+`}}`, "")
			wantJSON(t, doc.Components.Schemas["Holder"].Value.Properties["value"], c.want)
		})
	}
}

func TestExamplesOfWhatIsNotThereAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		e    examples
		want string
	}{
		"Schema":    {examples{Schemas: map[string][]any{"None": {1}}}, "no schema None"},
		"Operation": {examples{Operations: map[string]map[string]map[string]any{"none": {"200": {"a": 1}}}}, "no answer 200 of none"},
		"Status":    {examples{Operations: map[string]map[string]map[string]any{"list": {"201": {"a": 1}}}}, "no answer 201 of list"},
		"Request":   {examples{Requests: map[string]map[string]any{"none": {"a": 1}}}, "no request of none"},
		"Body":      {examples{Requests: map[string]map[string]any{"list": {"a": 1}}}, "no request of list"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc := mustConvert(t, "", `"/things": {"get": {"operationId": "list", "responses": {"200": {"description": "d"}}}}`)
			if err := c.e.addTo(doc); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one about %q", err, c.want)
			}
		})
	}
}

func TestExamplesHaveToBeReadable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if e, err := readExamples(dir); err != nil || e == nil {
		t.Errorf("without examples: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, examplesFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readExamples(dir); err == nil {
		t.Error("broken examples passed")
	}
}

func TestSchemaNames(t *testing.T) {
	t.Parallel()
	for goName, want := range map[string]string{
		"api.mapping": "Mapping", "Mapping": "Mapping", "api.list-api_mapping": "MappingList", "api.list-Mapping": "MappingList",
		"api.pair-string-api_éclair": "StringÉclairPair", "": "",
	} {
		if got := schemaName(goName); got != want {
			t.Errorf("%q became %q, want %q", goName, got, want)
		}
	}
}

func TestDocument(t *testing.T) {
	t.Parallel()
	doc := mustConvert(t, "", `"/things": {"get": {"responses": {"200": {"description": "d"}}}},
		"/healthz": {"get": {"responses": {"200": {"description": "d"}}}}`)

	if doc.OpenAPI != "3.1.0" {
		t.Errorf("version %s", doc.OpenAPI)
	}
	wantJSON(t, doc.Info, `{"title": "t", "version": "1", "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}}`)
	doc.Info.Contact = &openapi3.Contact{Name: "us"}
	if err := describe(doc); err != nil || doc.Info.Contact == nil {
		t.Errorf("the contact is lost, or %v", err)
	}
	wantJSON(t, doc.Servers, `[{"url": "/api/v1"}]`)
	wantJSON(t, doc.Paths.Value("/healthz").Servers, `[{"url": "/"}]`)
	if own := doc.Paths.Value("/things").Servers; own != nil {
		t.Errorf("/things has a server of its own: %v", own)
	}
	wantJSON(t, doc.Components.SecuritySchemes, `{"BearerAuth": {"type": "http", "scheme": "bearer", "description": "A token."}}`)
}

func TestConvertRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ definitions, paths, want string }{
		"SameName":  {problemDefinition + `, "other.problem": {}`, "", "both be published as Problem"},
		"NoProblem": {`"api.other": {}`, "", "no schema Problem"},
		"RefToNowhere": {
			problemDefinition,
			`"/a": {"get": {"responses": {"200": {"description": "d", "schema": {"$ref": "#/definitions/no"}}}}}`,
			"#/components/schemas/No",
		},
		"NotASwaggerPath": {problemDefinition, `"/a": 1`, "Swagger 2.0"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := convertText(t, c.definitions, c.paths)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one about %q", err, c.want)
			}
		})
	}
}

func TestStepsRefuseAnUndescribedDocument(t *testing.T) {
	t.Parallel()
	doc := &openapi3.T{Components: &openapi3.Components{}}
	if err := describe(doc); err == nil {
		t.Error("a document without a title passed")
	}
	if err := declareSecurity(doc); err == nil {
		t.Error("a document without a security scheme passed")
	}
}
