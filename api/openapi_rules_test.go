package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// What people read and what programs send and get, beyond what linters check: an operation with a rule broken is named with it.
func TestOpenAPIOperationsAreEasyToUse(t *testing.T) {
	t.Parallel()
	doc := mustLoadContract(t).Published
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			for _, fault := range slices.Concat(faultsOfText(op), faultsOfExamples(op), faultsOfHeaders(doc, method, path, op)) {
				t.Errorf("%s %s: %s", method, path, fault)
			}
		}
	}
}

func faultsOfText(op *openapi3.Operation) (faults []string) {
	if op.Description == "" {
		faults = append(faults, "no description")
	}
	for _, p := range op.Parameters {
		if p.Value.Description == "" {
			faults = append(faults, "no description of "+p.Value.Name)
		}
		schema := p.Value.Schema.Value
		if p.Value.In != openapi3.ParameterInPath && schema.Type.Is("integer") && (schema.Min == nil || schema.Max == nil) {
			faults = append(faults, "no limits of "+p.Value.Name)
		}
		if p.Value.In == openapi3.ParameterInPath && schema.Format == "" && schema.MaxLength == nil {
			faults = append(faults, "no form of "+p.Value.Name)
		}
	}
	return faults
}

// faultsOfExamples looks at all examples of bodies, which have to be there and valid.
func faultsOfExamples(op *openapi3.Operation) (faults []string) {
	look := func(what string, content openapi3.Content) {
		for _, media := range content {
			if len(media.Examples) == 0 {
				faults = append(faults, "no example of "+what)
			}
			for name, example := range media.Examples {
				if err := media.Schema.Value.VisitJSON(example.Value.Value, openapi3.EnableFormatValidation()); err != nil {
					faults = append(faults, fmt.Sprintf("the example %q of %s: %v", name, what, err))
				}
			}
		}
	}
	if op.RequestBody != nil {
		look("the request", op.RequestBody.Value.Content)
	}
	for status, answer := range op.Responses.Map() {
		look(status, answer.Value.Content)
	}
	return faults
}

// faultsOfHeaders tells which headers of the contract are not described.
func faultsOfHeaders(doc *openapi3.T, method, path string, op *openapi3.Operation) (faults []string) {
	for status, answer := range op.Responses.Map() {
		for _, header := range wantedHeaders(doc, method, path, status, op) {
			if answer.Value.Headers[header] == nil {
				faults = append(faults, status+" without "+header)
			}
		}
	}
	if method == http.MethodPost && op.Parameters.GetByInAndName("header", "Idempotency-Key") == nil {
		faults = append(faults, "no Idempotency-Key")
	}
	if (method == http.MethodPut || method == http.MethodPatch || method == http.MethodDelete) &&
		op.Parameters.GetByInAndName("header", "If-Match") == nil {
		faults = append(faults, "no If-Match")
	}
	return faults
}

func wantedHeaders(doc *openapi3.T, method, path, status string, op *openapi3.Operation) []string {
	want := []string{"X-Request-Id"}
	if len(*op.Security) > 0 && status != "401" {
		want = append(want, "RateLimit", "RateLimit-Policy")
	}
	switch status {
	case "401":
		want = append(want, "WWW-Authenticate")
	case "429", "503":
		if len(*op.Security) > 0 {
			want = append(want, "Retry-After")
		}
	case "304":
		want = append(want, "ETag")
	case "201", "202":
		want = append(want, "ETag")
		// What cannot be read with the same token has no address.
		if !strings.HasSuffix(path, "/{accountId}/tokens") {
			want = append(want, "Location")
		}
	case "200":
		// Single resources are those with an id as their last part, and the integration.
		single := strings.HasSuffix(path, "}") || path == "/integrations/itglue"
		if method == http.MethodGet && single && doc.Paths.Value(path).Get.Responses.Status(http.StatusNotModified) == nil {
			want = append(want, "304")
		}
	}
	return want
}
