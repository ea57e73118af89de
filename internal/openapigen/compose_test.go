package main

import (
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// convertThing converts a document with one operation that takes and answers a thing of the given schema, and adds the examples.
func convertThing(t *testing.T, thing string, e examples) (*openapi3.T, error) {
	t.Helper()
	doc := mustConvert(t, `"api.thing": `+thing+`, "api.part": {"type": "object", "properties": {"on": {"type": "boolean", "example": true}}}`,
		`"/things": {"put": {"operationId": "putThing",
			"parameters": [{"in": "body", "name": "body", "required": true, "schema": {"$ref": "#/definitions/api.thing"}}],
			"responses": {"200": {"description": "d", "schema": {"$ref": "#/definitions/api.thing"}}, "204": {"description": "d"}}}}`)
	return doc, e.addTo(doc)
}

func TestWhatHasNoExampleGetsOneMadeOfItsFields(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ thing, want string }{
		"Fields":      {`{"type": "object", "properties": {"a": {"type": "string", "example": "x"}, "b": {"type": "integer", "example": 0}}}`, `{"a": "x", "b": 0}`},
		"Own":         {`{"type": "object", "example": {"a": 1}, "properties": {"a": {"type": "integer", "example": 2}}}`, `{"a": 1}`},
		"Reference":   {`{"type": "object", "properties": {"a": {"$ref": "#/definitions/api.part"}}}`, `{"a": {"on": true}}`},
		"Described":   {`{"type": "object", "properties": {"a": {"description": "d", "allOf": [{"$ref": "#/definitions/api.part"}]}}}`, `{"a": {"on": true}}`},
		"MayBeNull":   {`{"type": "object", "properties": {"a": {"x-nullable": true, "allOf": [{"$ref": "#/definitions/api.part"}]}}}`, `{"a": {"on": true}}`},
		"Null":        {`{"type": "object", "properties": {"a": {"type": "string", "x-nullable": true}}}`, `{"a": null}`},
		"List":        {`{"type": "array", "items": {"$ref": "#/definitions/api.part"}}`, `[{"on": true}]`},
		"Enumeration": {`{"type": "string", "enum": ["x", "y"]}`, `"x"`},
		"AnyFields":   {`{"type": "object", "additionalProperties": {"type": "string"}}`, `{}`},
		"ListOfWords": {`{"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}, "example": ["x", "y"]}}}`, `{"a": ["x", "y"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc, err := convertThing(t, c.thing, examples{})
			if err != nil {
				t.Fatal(err)
			}
			op := doc.Paths.Value("/things").Put
			want := `{"example": {"value": ` + c.want + `}}`
			wantJSON(t, op.RequestBody.Value.Content[jsonMediaType].Examples, want)
			wantJSON(t, mediaOf(op, "200").Examples, want)
		})
	}
}

func TestAFieldWithoutAnExampleIsRefused(t *testing.T) {
	t.Parallel()
	_, err := convertThing(t, `{"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}}`, examples{})
	if err == nil || !strings.Contains(err.Error(), "no example of putThing.a[]") {
		t.Error(err)
	}
}

func TestWrittenExamplesAreKept(t *testing.T) {
	t.Parallel()
	doc, err := convertThing(t, `{"type": "object"}`, examples{
		Schemas:  map[string][]any{"Thing": {1, 2}},
		Requests: map[string]map[string]any{"putThing": {"small": 3}},
	})
	if err != nil {
		t.Fatal(err)
	}
	op := doc.Paths.Value("/things").Put
	wantJSON(t, op.RequestBody.Value.Content[jsonMediaType].Examples, `{"small": {"value": 3}}`)
	wantJSON(t, mediaOf(op, "200").Examples, `{"example": {"value": 1}, "example 2": {"value": 2}}`)
}

func TestRolesAreNamedWhereToolsAndPeopleLook(t *testing.T) {
	t.Parallel()
	doc := mustConvert(t, "", `"/things": {"get": {"description": "Lists.", "responses": {"200": {"description": "d"}},
			"security": [{"BearerAuth": ["viewer"]}, {"BearerAuth": ["admin"]}], "x-note": 1}},
		"/healthz": {"get": {"responses": {"200": {"description": "d"}}}}`)
	op, open := doc.Paths.Value("/things").Get, doc.Paths.Value("/healthz").Get
	wantJSON(t, op.Security, `[{"BearerAuth": []}]`)
	wantJSON(t, op.Extensions, `{"x-roles": ["viewer", "admin"]}`)
	if op.Description != "Lists.\n\nRoles: `viewer`, `admin`." {
		t.Errorf("%q", op.Description)
	}
	if len(open.Extensions) > 0 || open.Description != "" {
		t.Errorf("%v %q", open.Extensions, open.Description)
	}
}
