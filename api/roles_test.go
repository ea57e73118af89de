package api_test

import (
	"fmt"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/orgbridge/orgbridge/api"
)

// The document says of each operation which roles may use it, as the route table does.
func TestAPI5DocumentSaysWhichRolesMayUseAnOperation(t *testing.T) {
	t.Parallel()
	doc := mustLoadContract(t).Published
	for _, r := range api.Routes() {
		op := operationAt(doc, r.Method, r.Path)
		if op == nil || op.Security == nil {
			t.Errorf("%s %s: the document does not say whether it needs a token", r.Method, r.Path)
			continue
		}
		roles, _ := op.Extensions["x-roles"].([]any)
		if diff := cmp.Diff(fmt.Sprint(r.Roles), fmt.Sprint(roles)); diff != "" || (len(*op.Security) == 0) != r.Public {
			t.Errorf("%s %s: route and document differ in who may use it, see @Security BearerAuth[ROLE] (-route, +document):\n%s", r.Method, r.Path, diff)
		}
	}
}

func operationAt(doc *openapi3.T, method, path string) *openapi3.Operation {
	for documented, item := range doc.Paths.Map() {
		prefix := api.Base
		if len(item.Servers) > 0 {
			prefix = ""
		}
		if prefix+documented == templatePath(path) {
			return item.GetOperation(method)
		}
	}
	return nil
}
