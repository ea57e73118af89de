package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAnswers(t *testing.T) {
	t.Parallel()
	doc := mustConvert(t, `"api.body": {"type": "object", "properties": {
			"in": {"$ref": "#/definitions/api.inner"},
			"any": {"type": "object", "additionalProperties": {"type": "string"}}}},
		"api.inner": {"type": "object"}, "api.thing": {"type": "object"}`,
		`"/open": {"get": {"responses": {"200": {"description": "d", "schema": {"$ref": "#/definitions/api.thing"}}}}},
		"/things": {"put": {
			"consumes": ["application/json"], "produces": ["text/plain", "application/json"], "security": [{"BearerAuth": []}], "x-note": 1,
			"parameters": [
				{"in": "body", "name": "body", "required": true, "schema": {"$ref": "#/definitions/api.body"}},
				{"in": "header", "name": "X-Label", "type": "string", "x-note": 1}],
			"responses": {
				"201": {"description": "d", "schema": {"$ref": "#/definitions/api.thing"}, "headers": {"Location": {"type": "string"}}},
				"204": {"description": "d"},
				"422": {"description": "own words", "schema": {"$ref": "#/definitions/api.problem"}}}}}`)
	post, open := doc.Paths.Value("/things").Put, doc.Paths.Value("/open").Get

	t.Run("CommonOnes", func(t *testing.T) {
		t.Parallel()
		want := []string{"201", "204", "400", "401", "406", "408", "412", "413", "414", "415", "422", "429", "431", "500", "503"}
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(post.Responses.Map()))); diff != "" {
			t.Error(diff)
		}
		wantOpen := []string{"200", "414", "422", "431", "500"}
		if diff := cmp.Diff(wantOpen, slices.Sorted(maps.Keys(open.Responses.Map()))); diff != "" {
			t.Error(diff)
		}
		wantJSON(t, post.Responses.Value("401"), `{"$ref": "#/components/responses/Unauthenticated"}`)
		wantJSON(t, doc.Components.Responses["Unavailable"], `{"description": "`+"`unavailable`"+`: the request cannot be served at the moment.",
			"headers": {"RateLimit": {"$ref": "#/components/headers/RateLimit"}, "RateLimit-Policy": {"$ref": "#/components/headers/RateLimit-Policy"}, "X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}, "Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}}},
			"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}`)
	})

	t.Run("MediaTypes", func(t *testing.T) {
		t.Parallel()
		wantJSON(t, post.Responses.Value("201"), `{"description": "d",
			"headers": {"Location": {"schema": {"type": "string"}},
				"RateLimit": {"$ref": "#/components/headers/RateLimit"}, "RateLimit-Policy": {"$ref": "#/components/headers/RateLimit-Policy"}, "X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
			"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}`)
		wantJSON(t, post.Responses.Value("204"), `{"description": "d", "headers": {"RateLimit": {"$ref": "#/components/headers/RateLimit"}, "RateLimit-Policy": {"$ref": "#/components/headers/RateLimit-Policy"}, "X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}}`)
		wantJSON(t, post.Responses.Value("422"), `{"description": "own words", "headers": {"RateLimit": {"$ref": "#/components/headers/RateLimit"}, "RateLimit-Policy": {"$ref": "#/components/headers/RateLimit-Policy"}, "X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
			"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}`)
	})

	t.Run("RequestBodiesAreClosed", func(t *testing.T) {
		t.Parallel()
		wantJSON(t, post.RequestBody, `{"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Body"}}}}`)
		wantJSON(t, doc.Components.Schemas["Body"], `{"type": "object", "additionalProperties": false, "properties": {
			"in": {"$ref": "#/components/schemas/Inner"}, "any": {"type": "object", "additionalProperties": {"type": "string"}}}}`)
		wantJSON(t, doc.Components.Schemas["Inner"], `{"type": "object", "additionalProperties": false}`)
		wantJSON(t, doc.Components.Schemas["Thing"], `{"type": "object"}`)
	})

	t.Run("Security", func(t *testing.T) {
		t.Parallel()
		wantJSON(t, post.Security, `[{"BearerAuth": []}]`)
		wantJSON(t, open.Security, `[]`)
	})

	t.Run("NoExtensions", func(t *testing.T) {
		t.Parallel()
		wantJSON(t, post.Parameters, `[{"in": "header", "name": "X-Label", "schema": {"type": "string"}},
			{"$ref": "#/components/parameters/IfMatch"}]`)
		if len(post.Extensions) > 0 {
			t.Errorf("left: %v", post.Extensions)
		}
	})
}

func TestEveryPOSTWithATokenTakesAnIdempotencyKey(t *testing.T) {
	t.Parallel()
	doc := mustConvert(t, `"api.thing": {"type": "object"}`,
		`"/open": {"post": {"responses": {"200": {"description": "d"}}}},
		"/things": {"post": {"security": [{"BearerAuth": []}], "responses": {
			"201": {"description": "d"}, "422": {"description": "own words", "schema": {"$ref": "#/definitions/api.problem"}}}}}`)
	post, open := doc.Paths.Value("/things").Post, doc.Paths.Value("/open").Post
	if len(open.Parameters) > 0 || open.Responses.Value("409") != nil {
		t.Error("a route without a token takes a key")
	}
	wantJSON(t, post.Parameters, `[{"$ref": "#/components/parameters/IdempotencyKey"}]`)
	for code, want := range map[string]string{
		"400": "`idempotency-key-invalid`", "409": "`idempotency-key-in-use`", "422": "own words `idempotency-key-reused`", "413": "`payload-too-large`",
	} {
		if answer := post.Responses.Value(code); answer == nil || !strings.HasPrefix(*answer.Value.Description, want) {
			t.Errorf("%s: %+v", code, answer)
		}
	}
	if post.Responses.Value("201").Value.Headers["Idempotency-Replayed"] == nil || post.Responses.Value("409").Value.Headers["Retry-After"] == nil {
		t.Error("the headers are not described")
	}
}

func TestSingleResourcesHaveEntityTags(t *testing.T) {
	t.Parallel()
	doc := mustConvert(t, `"api.sync": {"type": "object"}, "api.list-api_sync": {"type": "object"}`,
		`"/syncs": {"get": {"security": [{"BearerAuth": []}], "responses": {"200": {"description": "d", "schema": {"$ref": "#/definitions/api.list-api_sync"}}}}},
		"/syncs/{id}": {"get": {"produces": ["application/json"], "security": [{"BearerAuth": []}], "responses": {
			"200": {"description": "d", "schema": {"$ref": "#/definitions/api.sync"}}}}},
		"/syncs/{id}/cancel": {"post": {"security": [{"BearerAuth": []}], "responses": {"200": {"description": "d"}}}}`)
	list, one, cancel := doc.Paths.Value("/syncs").Get, doc.Paths.Value("/syncs/{id}").Get, doc.Paths.Value("/syncs/{id}/cancel").Post
	if len(list.Parameters) > 0 || list.Responses.Value("304") != nil {
		t.Error("a list has a tag")
	}
	wantJSON(t, one.Parameters, `[{"$ref": "#/components/parameters/IfNoneMatch"}]`)
	if one.Responses.Value("304") == nil || one.Responses.Value("200").Value.Headers["ETag"] == nil || cancel.Responses.Value("412") == nil {
		t.Error("the answers are not described")
	}
}
