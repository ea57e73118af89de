package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
)

const (
	// basePath is where the versioned API begins.
	basePath = "/api/v1"
	// bearerScheme is the name under which operations ask for a token: `@Security BearerAuth`.
	bearerScheme = "BearerAuth"
)

// describe sets the version of the document and tidies what it says about itself.
func describe(doc *openapi3.T) error {
	doc.OpenAPI = "3.1.0"
	if doc.Info == nil || doc.Info.Title == "" || doc.Info.Version == "" {
		return fmt.Errorf("%s has to say @title and @version", mainFile)
	}
	if contact := doc.Info.Contact; contact != nil && contact.Name == "" {
		doc.Info.Contact = nil
	}
	if license := doc.Info.License; license != nil {
		license.Identifier = license.Name // annotated by its SPDX name
		license.URL = ""
	}
	return nil
}

// setServers puts all paths below the base path, where annotations mean them to be, except those that are looked for at the root.
func setServers(doc *openapi3.T) error {
	doc.Servers = openapi3.Servers{{URL: basePath}}
	for _, path := range rootPaths() {
		if item := doc.Paths.Value(path); item != nil {
			item.Servers = openapi3.Servers{{URL: "/"}}
		}
	}
	return nil
}

// rootPaths lie beside the base path. Annotations cannot say so: Swagger 2.0 has one base path for all.
func rootPaths() []string { return []string{"/healthz", "/readyz"} }

// declareSecurity turns the token in the Authorization header into what OpenAPI 3 calls it, and has every operation say
// whether it wants one.
func declareSecurity(doc *openapi3.T) error {
	scheme := doc.Components.SecuritySchemes[bearerScheme]
	if scheme == nil || scheme.Value == nil {
		return errors.New("there is no @securityDefinitions.apikey " + bearerScheme)
	}
	scheme.Value = &openapi3.SecurityScheme{Type: "http", Scheme: "bearer", Description: scheme.Value.Description}
	for _, op := range operations(doc) {
		if op.Security == nil {
			op.Security = openapi3.NewSecurityRequirements()
		}
	}
	return nil
}

// operations returns all operations of the document, in the order of path and method.
func operations(doc *openapi3.T) []*openapi3.Operation {
	var all []*openapi3.Operation
	items := doc.Paths.Map()
	for _, path := range slices.Sorted(maps.Keys(items)) {
		byMethod := items[path].Operations()
		for _, method := range slices.Sorted(maps.Keys(byMethod)) {
			all = append(all, byMethod[method])
		}
	}
	return all
}

// dropExtensions removes the x- fields that were notes from one step to another.
func dropExtensions(doc *openapi3.T) error {
	doc.Extensions = nil
	for _, op := range operations(doc) {
		maps.DeleteFunc(op.Extensions, func(name string, _ any) bool { return name != rolesExtension })
		for _, param := range op.Parameters {
			param.Value.Extensions = nil
		}
		if op.RequestBody != nil {
			op.RequestBody.Value.Extensions = nil
		}
	}
	return doc.WalkSchemas(func(_ string, schema *openapi3.SchemaRef) error {
		schema.Extensions = nil
		schema.Value.Extensions = nil
		return nil
	})
}
