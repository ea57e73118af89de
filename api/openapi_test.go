package api_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/docs"
	"github.com/orgbridge/orgbridge/internal/contract"
)

var loadContract = sync.OnceValues(func() (*contract.Contract, error) { return contract.Load(docs.OpenAPI()) })

func mustLoadContract(t *testing.T) *contract.Contract {
	t.Helper()
	c, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// varying is what differs between exchanges of the same form: ids, numbers, times and tags.
var varying = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9]+|"[0-9A-Za-z_-]{22,}"`)

// documented has the forms of exchanges that were found to be as documented. To look at each of the thousands that a test of races makes
// costs more than the race.
var documented sync.Map

// checkDocumented fails the test when the document does not describe the answer, or when the request was served although the
// document does not allow it.
func checkDocumented(t *testing.T, r request, a answer) {
	t.Helper()
	text := fmt.Sprint(r.method, r.path, r.header, r.body, r.odd, a.status, slices.Sorted(maps.Keys(a.header)), a.header["Content-Type"], a.body)
	if len(text) < 64<<10 { // to find it in megabytes takes longer than to look
		text = varying.ReplaceAllString(text, "0")
	}
	form := sha256.Sum256([]byte(text))
	if _, known := documented.Load(form); known {
		return
	}
	if err := check(mustLoadContract(t), r, a); err != nil {
		t.Errorf("%s %s, answered with %d %s: not as documented: %v", r.method, r.path, a.status, a.body, err)
		return
	}
	documented.Store(form, true)
}

// check tells how an exchange differs from the document; nil when it does not.
func check(c *contract.Contract, r request, a answer) error {
	req := httptest.NewRequestWithContext(context.Background(), r.method, r.path, strings.NewReader(r.body))
	if r.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	maps.Copy(req.Header, r.header)
	got := contract.Answer{Status: a.status, Header: a.header, Body: a.body}
	if r.odd {
		return c.CheckUndescribed(req, got)
	}
	return c.Check(req, got)
}

func TestOpenAPIIsValid(t *testing.T) {
	t.Parallel()
	doc := mustLoadContract(t).Published
	if !doc.IsOpenAPI31OrLater() {
		t.Errorf("version %s", doc.OpenAPI)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

// Each route is described, and each description has its route.
func TestAPI9RoutesAreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	table := api.Routes()
	routes := make([]string, 0, len(table))
	for _, r := range table {
		routes = append(routes, r.Method+" "+templatePath(r.Path))
	}
	slices.Sort(routes)

	doc := mustLoadContract(t).Published
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
	doc := mustLoadContract(t).Published
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
			err := check(c, tc.r, tc.a)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one about %q", err, tc.want)
			}
		})
	}
}
