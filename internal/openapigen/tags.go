package main

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// taggedSchemas are the single resources that have entity tags.
func taggedSchemas() []string {
	return []string{"Integration", "Organization", "Mapping", "Sync", "Token", "NewToken", "Account"}
}

// addEntityTags describes the entity tags of single resources, and what requests can ask of them, so that no handler has to.
func addEntityTags(doc *openapi3.T) error {
	schema := doc.Components.Schemas[problemSchema]
	if doc.Components.Parameters == nil {
		doc.Components.Parameters = openapi3.ParametersMap{}
	}
	etag := header("Strong entity tag of the resource, for `If-Match` and `If-None-Match`: another one when anything of it is another",
		openapi3.NewStringSchema())
	doc.Components.Parameters["IfNoneMatch"] = &openapi3.ParameterRef{Value: tagParameter("If-None-Match",
		"Entity tags of what you have already: the answer is 304 when it is still so.")}
	doc.Components.Parameters["IfMatch"] = &openapi3.ParameterRef{Value: tagParameter("If-Match",
		"Entity tags, from the `ETag` of an answer: the request is done only if the resource is still as one of them says; else the "+
			"answer is 412 and nothing is done. `*` is any. Weak tags, and what is no tag, never match.")}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			tagged := addTagHeader(op, etag)
			switch {
			case method == http.MethodGet && tagged:
				refer(doc, op, "IfNoneMatch")
				unchanged := openapi3.NewResponse().WithDescription("It is as `If-None-Match` says")
				setHeader(unchanged, "ETag", etag)
				op.Responses.Set(strconv.Itoa(http.StatusNotModified), &openapi3.ResponseRef{Value: unchanged})
			case method != http.MethodGet && needsToken(op) && !makes(op, method, path):
				refer(doc, op, "IfMatch")
				addProblemTo(op, schema, http.StatusPreconditionFailed,
					"`precondition-failed`: it is no longer as `If-Match` says; nothing was done.")
			}
		}
	}
	return nil
}

// makes tells whether an operation makes something, so that there is nothing yet that it could depend on.
func makes(op *openapi3.Operation, method, path string) bool {
	return method == http.MethodPost && (!strings.Contains(path, "{") || op.Responses.Status(http.StatusCreated) != nil)
}

func tagParameter(name, description string) *openapi3.Parameter {
	p := openapi3.NewHeaderParameter(name).WithSchema(openapi3.NewStringSchema())
	p.Description = description
	return p
}

func refer(doc *openapi3.T, op *openapi3.Operation, parameter string) {
	op.Parameters = append(op.Parameters, &openapi3.ParameterRef{
		Ref: "#/components/parameters/" + parameter, Value: doc.Components.Parameters[parameter].Value,
	})
}

// addTagHeader describes the tag of the operation's successes, and tells whether one of them has any.
func addTagHeader(op *openapi3.Operation, etag *openapi3.Header) (tagged bool) {
	for _, answer := range op.Responses.Map() {
		media := answer.Value.Content[jsonMediaType]
		if media == nil || media.Schema == nil {
			continue
		}
		if name := strings.TrimPrefix(media.Schema.Ref, "#/components/schemas/"); slices.Contains(taggedSchemas(), name) {
			setHeader(answer.Value, "ETag", etag)
			tagged = true
		}
	}
	return tagged
}
