package securitytest_test

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/orgbridge/orgbridge/docs"
	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/faulttest"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// never are the properties that no client sets: columns, and what frameworks like to take along.
func never() []string {
	return []string{
		"id", "accountId", "account_id", "tenantId", "role", "Role", "roles", "isAdmin", "epoch", "createdAt", "created_at", "updatedAt", "deletedAt",
		"version", "etag", "itGlueId", "it_glue_id", "sealedKey", "sealed_key", "apiKeyHash", "api_key_hash", "secretHash", "hash", "status", "state",
		"requestedBy", "attention", "nextRunAt", "mappings", "lastSync", "activeSync", "__proto__", "constructor", "$ref", "", "NAME", "ApiKey", "APIKEY",
	}
}

// writes are the operations with a body, by "METHOD path", with the schema of the body.
func writes(doc *openapi3.T) map[string]*openapi3.Schema {
	found := map[string]*openapi3.Schema{}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			if operation.RequestBody == nil {
				continue
			}
			if media := operation.RequestBody.Value.Content.Get("application/json"); media != nil {
				found[method+" "+path] = media.Schema.Value
			}
		}
	}
	return found
}

// bodies are bodies with the property where the schema has none of this name, each under the pointer to it.
func bodies(schema *openapi3.Schema, property string) map[string]any {
	found := map[string]any{}
	known := openapi3.Schemas{}
	maps.Copy(known, schema.Properties)
	for _, part := range schema.AllOf {
		maps.Copy(known, part.Value.Properties)
	}
	if known[property] == nil {
		found["/"+property] = map[string]any{property: "1"}
	}
	for name, inner := range known {
		list := inner.Value.Items
		if list != nil {
			inner = list
		}
		if len(inner.Value.Properties) == 0 {
			continue
		}
		for pointer, body := range bodies(inner.Value, property) {
			if list != nil {
				pointer, body = "/0"+pointer, []any{body}
			}
			found["/"+name+pointer] = map[string]any{name: body}
		}
	}
	return found
}

var parameter = regexp.MustCompile(`\{[^}]+\}`)

func TestAPI3PropertiesThatClientsDoNotSetAreRefusedByName(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData(docs.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	site := e2e.NewSite(t, storetest.SQLiteURL(t)).With("ORGBRIDGE_REQUESTS_PER_MINUTE=0")
	c := site.Serve().Client(site.NewAccount())
	c.Ended(c.Connect().ID)
	organization := c.AddOrganization("Contoso", "contoso.com")
	before := e2e.Call[any](c, http.MethodGet, "/organizations/"+organization, nil, http.StatusOK)
	tried := 0
	for operation, schema := range writes(doc) {
		method, path, _ := strings.Cut(operation, " ")
		path = parameter.ReplaceAllString(strings.TrimPrefix(path, "/api/v1"), organization)
		for _, property := range never() {
			for pointer, body := range bodies(schema, property) {
				tried++
				status, text := c.Do(method, path, body)
				if status == http.StatusForbidden && strings.Contains(operation, "/accounts") {
					continue // for operators
				}
				if status != http.StatusUnprocessableEntity || !strings.Contains(string(text), fmt.Sprintf("%q", pointer)) {
					t.Errorf("%s with %s: %d %s", operation, pointer, status, text)
				}
			}
		}
	}
	if after := e2e.Call[any](c, http.MethodGet, "/organizations/"+organization, nil, http.StatusOK); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the organization was changed from %v to %v", before, after)
	}
	if tried < 200 {
		t.Errorf("only %d bodies", tried)
	}
	faulttest.Figuref(t, "properties that clients do not set, offered and taken", "%d, 0", tried)
}

// secretName matches properties that could hold secrets; a new token is shown once, and of a key the last four characters.
var secretName = regexp.MustCompile(`(?i)key$|sealed|hash|password|secret|keyset|fingerprint|ciphertext`)

func TestAPI3NoAnswerHasAPropertyForASecret(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData(docs.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	var look func(where string, schema *openapi3.SchemaRef, depth int)
	look = func(where string, schema *openapi3.SchemaRef, depth int) {
		if schema == nil || schema.Value == nil || depth > 10 {
			return
		}
		for name, property := range schema.Value.Properties {
			seen++
			newToken := strings.HasPrefix(where, "POST") && strings.Contains(where, "/tokens")
			if secretName.MatchString(name) && !newToken {
				t.Errorf("%s answers with the property %s", where, name)
			}
			look(where, property, depth+1)
		}
		look(where, schema.Value.Items, depth+1)
		for _, part := range slices.Concat(schema.Value.AllOf, schema.Value.OneOf, schema.Value.AnyOf) {
			look(where, part, depth+1)
		}
	}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			for _, response := range operation.Responses.Map() {
				for _, media := range response.Value.Content {
					look(method+" "+path, media.Schema, 0)
				}
			}
		}
	}
	if seen < 200 {
		t.Errorf("only %d properties were seen", seen)
	}
}
