package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/google/go-cmp/cmp"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/docs"
)

// contract is the published document, and a router over a copy of it in which answers may hold nothing that is not described:
// clients have to bear with new fields, tests have not.
type contract struct {
	published *openapi3.T
	strict    *openapi3.T
	router    routers.Router
}

var loadContract = sync.OnceValues(func() (*contract, error) {
	published, err := openapi3.NewLoader().LoadFromData(docs.OpenAPI())
	if err != nil {
		return nil, err
	}
	strict, err := closeSchemas(docs.OpenAPI())
	if err != nil {
		return nil, err
	}
	router, err := gorillamux.NewRouter(strict)
	return &contract{published: published, strict: strict, router: router}, err
})

func mustLoadContract(t *testing.T) *contract {
	t.Helper()
	c, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// closeSchemas reads a document and has all its objects refuse the fields that they do not describe.
func closeSchemas(text []byte) (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, err
	}
	err = doc.WalkSchemas(func(_ string, schema *openapi3.SchemaRef) error {
		if more := &schema.Value.AdditionalProperties; len(schema.Value.Properties) > 0 && more.Schema == nil {
			more.Has = new(false)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	closed, err := doc.MarshalJSON()
	if err != nil {
		return nil, err
	}
	return openapi3.NewLoader().LoadFromData(closed)
}

// checkDocumented fails the test when the document does not describe the answer, or when the request was served although the
// document does not allow it.
func checkDocumented(t *testing.T, r request, a answer) {
	t.Helper()
	if err := mustLoadContract(t).check(r, a); err != nil {
		t.Errorf("%s %s, answered with %d %s: not as documented: %v", r.method, r.path, a.status, a.body, err)
	}
}

// check tells how an exchange differs from the document; nil when it does not.
func (c *contract) check(r request, a answer) error {
	req := r.toCheck()
	route, params, err := c.router.FindRoute(req)
	if r.odd || errors.Is(err, routers.ErrPathNotFound) || errors.Is(err, routers.ErrMethodNotAllowed) {
		return c.checkUndocumented(r, a)
	}
	if err != nil {
		return err
	}
	input := &openapi3filter.RequestValidationInput{
		Request: req, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, RejectWhenRequestBodyNotSpecified: true},
	}
	if a.status >= http.StatusBadRequest && route.PathItem.Servers != nil && route.Operation.Responses.Status(a.status) == nil {
		return c.checkUndocumented(r, a) // the document tells of a load balancer's calls only what a load balancer needs
	}
	if a.status < http.StatusBadRequest {
		if err := openapi3filter.ValidateRequest(req.Context(), input); err != nil {
			return err
		}
	}
	return checkResponse(input, r.method, a)
}

// toCheck is the request in the form in which the document knows it: HEAD, which is answered like GET, is a GET, and parameters
// with an empty value, which mean the same as none, are left out.
func (r request) toCheck() *http.Request {
	req := httptest.NewRequestWithContext(context.Background(), r.method, r.path, strings.NewReader(r.body))
	maps.Copy(req.Header, r.header)
	if r.body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.method == http.MethodHead {
		req.Method = http.MethodGet
	}
	query := req.URL.Query()
	maps.DeleteFunc(query, func(_ string, values []string) bool { return strings.Join(values, "") == "" })
	req.URL.RawQuery = query.Encode()
	return req
}

// checkResponse compares the answer with what the operation describes.
func checkResponse(input *openapi3filter.RequestValidationInput, method string, a answer) error {
	described := input.Route.Operation.Responses.Status(a.status)
	if described == nil {
		return fmt.Errorf("status %d is not described", a.status)
	}
	bodiless := method == http.MethodHead || len(described.Value.Content) == 0
	if bodiless && a.body != "" && method != http.MethodHead {
		return errors.New("no body is described")
	}
	return openapi3filter.ValidateResponse(input.Request.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: a.status, Header: a.header, Body: io.NopCloser(strings.NewReader(a.body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: bodiless},
	})
}

// checkUndocumented allows two kinds of answers that no operation describes: the documentation itself, and problems.
func (c *contract) checkUndocumented(r request, a answer) error {
	if r.path == "/openapi.json" || strings.HasPrefix(r.path, "/swagger") {
		return nil
	}
	if a.status < http.StatusBadRequest || a.header.Get("Content-Type") != "application/problem+json" {
		return errors.New("there is no such operation")
	}
	var body any
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		return err
	}
	return c.strict.Components.Schemas["Problem"].Value.VisitJSON(body, openapi3.EnableJSONSchema2020())
}

func TestOpenAPIIsValid(t *testing.T) {
	t.Parallel()
	doc := mustLoadContract(t).published
	if !doc.IsOpenAPI31OrLater() {
		t.Errorf("version %s", doc.OpenAPI)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

// Each route is described, and each description has its route.
func TestOpenAPIAgreesWithTheRoutes(t *testing.T) {
	t.Parallel()
	table := api.Routes()
	routes := make([]string, 0, len(table))
	for _, r := range table {
		routes = append(routes, r.Method+" "+templatePath(r.Path))
	}
	slices.Sort(routes)

	doc := mustLoadContract(t).published
	var described []string
	for path, item := range doc.Paths.Map() {
		prefix := doc.Servers[0].URL
		if len(item.Servers) > 0 {
			prefix = strings.TrimSuffix(item.Servers[0].URL, "/")
		}
		for method := range item.Operations() {
			described = append(described, method+" "+prefix+path)
		}
	}
	slices.Sort(described)
	if diff := cmp.Diff(routes, described); diff != "" {
		t.Errorf("routes and document differ (-routes, +document):\n%s", diff)
	}
}

// templatePath writes a path of the router the way OpenAPI does: "/a/:b" is "/a/{b}".
func templatePath(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if name, ok := strings.CutPrefix(part, ":"); ok {
			parts[i] = "{" + name + "}"
		}
	}
	return strings.Join(parts, "/")
}

func TestOpenAPIOperationsAreDescribedInFull(t *testing.T) {
	t.Parallel()
	doc := mustLoadContract(t).published
	ids := map[string]string{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			where := method + " " + path
			if other, taken := ids[op.OperationID]; taken || op.OperationID == "" {
				t.Errorf("%s: the operationId %q is missing or also that of %s", where, op.OperationID, other)
			}
			ids[op.OperationID] = where
			for _, fault := range faultsOf(doc, op) {
				t.Errorf("%s: %s", where, fault)
			}
		}
	}
}

// faultsOf tells what the description of an operation lacks.
func faultsOf(doc *openapi3.T, op *openapi3.Operation) []string {
	var faults []string
	if op.Summary == "" {
		faults = append(faults, "no summary")
	}
	if len(op.Tags) != 1 || doc.Tags.Get(op.Tags[0]) == nil {
		faults = append(faults, fmt.Sprintf("the tags %v are not one tag that the document describes", op.Tags))
	}
	if op.Security == nil {
		faults = append(faults, "does not say whether it needs a token")
	}
	successes, failures := 0, 0
	for code, answer := range op.Responses.Map() {
		if code < "400" {
			successes++
			continue
		}
		failures++
		media := answer.Value.Content["application/problem+json"]
		if len(answer.Value.Content) != 1 || media == nil || media.Schema.Ref != "#/components/schemas/Problem" {
			faults = append(faults, code+" is not a problem")
			continue
		}
		if len(media.Examples) == 0 {
			faults = append(faults, code+" has no example")
		}
		for name, example := range media.Examples {
			status, title := api.AnswerOf(name)
			value, _ := example.Value.Value.(map[string]any)
			if strconv.Itoa(status) != code || value["title"] != title {
				faults = append(faults, fmt.Sprintf("%s has an example of %s, which is answered with %d %q", code, name, status, title))
			}
		}
	}
	if successes == 0 || failures == 0 {
		faults = append(faults, "describes no success, or no failure")
	}
	return faults
}

// The check above is worth nothing if it lets everything pass.
func TestDocumentCheckFindsFaults(t *testing.T) {
	t.Parallel()
	c := mustLoadContract(t)
	const health = `{"status": "ok", "version": "1"}`
	problem := `{"type": "urn:x", "title": "t", "status": 404, "detail": "d", "instance": "/", "code": "not-found", "requestId": "r"}`
	jsonHeader := http.Header{"Content-Type": {"application/json"}}
	problemHeader := http.Header{"Content-Type": {"application/problem+json"}}
	get := func(path string) request { return request{method: http.MethodGet, path: path} }
	put := func(body string) request {
		return request{method: http.MethodPut, path: "/api/v1/mappings/" + orgID, body: body}
	}
	cases := map[string]struct {
		r    request
		a    answer
		want string // part of the error; none when empty
	}{
		"AsDescribed":         {get("/healthz"), answer{200, jsonHeader, health}, ""},
		"HeadIsLikeGet":       {request{method: http.MethodHead, path: "/healthz"}, answer{200, jsonHeader, ""}, ""},
		"WrongStatus":         {get("/healthz"), answer{201, jsonHeader, health}, "status 201"},
		"WrongHeadStatus":     {request{method: http.MethodHead, path: "/healthz"}, answer{201, jsonHeader, ""}, "status 201"},
		"MissingField":        {get("/healthz"), answer{200, jsonHeader, `{"status": "ok"}`}, "version"},
		"WrongType":           {get("/healthz"), answer{200, jsonHeader, `{"status": "ok", "version": 1}`}, "version"},
		"WrongNull":           {get("/healthz"), answer{200, jsonHeader, `{"status": "ok", "version": null}`}, "version"},
		"NotOfTheEnumeration": {get("/healthz"), answer{200, jsonHeader, `{"status": "no", "version": "1"}`}, "status"},
		"UndescribedField":    {get("/healthz"), answer{200, jsonHeader, `{"status": "ok", "version": "1", "more": 1}`}, "more"},
		"WrongMediaType":      {get("/healthz"), answer{200, http.Header{"Content-Type": {"text/plain"}}, health}, "Content-Type"},
		"ProblemAsJSON":       {get("/readyz"), answer{503, jsonHeader, problem}, "Content-Type"},
		"UnknownPath":         {get("/nowhere"), answer{404, problemHeader, problem}, ""},
		"UnknownMethod":       {request{method: http.MethodPost, path: "/healthz"}, answer{405, problemHeader, problem}, ""},
		"UnknownPathServed":   {get("/nowhere"), answer{200, jsonHeader, `{}`}, "no such operation"},
		"BrokenProblem":       {get("/nowhere"), answer{404, problemHeader, `{"title": "t"}`}, "code"},
		"BrokenRequestServed": {put(`{"itglueOrganizationId": 42}`), answer{200, jsonHeader, `{}`}, "request body"},
		"UnknownFieldServed":  {put(`{"itglueOrganizationId": "42", "more": 1}`), answer{200, jsonHeader, `{}`}, "request body"},
		"UnaskedBodyServed": {
			request{method: http.MethodGet, path: "/healthz", body: `{}`},
			answer{200, jsonHeader, health}, "request body not allowed",
		},
		"BadParameterServed": {get("/api/v1/mappings?limit=1000"), answer{200, jsonHeader, `{"items": [], "nextCursor": null}`}, "limit"},
		"NullWhereAllowed":   {get("/api/v1/mappings"), answer{200, jsonHeader, `{"items": [], "nextCursor": null}`}, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.check(tc.r, tc.a)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one about %q", err, tc.want)
			}
		})
	}
}
