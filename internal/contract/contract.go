// Package contract compares requests and their answers with the OpenAPI document, for the tests of several packages.
package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// Contract is a document, and a router over a copy of it in which answers may hold nothing that is not described: clients have to bear
// with new fields, tests have not.
type Contract struct {
	Published *openapi3.T
	strict    *openapi3.T
	router    routers.Router
}

// Answer is what came back for a request.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Load reads a document.
func Load(document []byte) (*Contract, error) {
	published, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, err
	}
	strict, err := closeSchemas(document)
	if err != nil {
		return nil, err
	}
	router, err := gorillamux.NewRouter(strict)
	return &Contract{Published: published, strict: strict, router: router}, err
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

// Check tells how an exchange differs from the document; nil when it does not: the document describes the answer, and allows the request
// if it was served. The request is one as a server gets it; its body is read.
func (c *Contract) Check(sent *http.Request, a Answer) error {
	r := asDocumented(sent)
	route, params, err := c.router.FindRoute(r)
	if errors.Is(err, routers.ErrPathNotFound) || errors.Is(err, routers.ErrMethodNotAllowed) {
		return c.CheckUndescribed(sent, a)
	}
	if err != nil {
		return err
	}
	if a.Status >= http.StatusBadRequest && route.PathItem.Servers != nil && route.Operation.Responses.Status(a.Status) == nil {
		return c.CheckUndescribed(sent, a) // the document tells of a load balancer's calls only what a load balancer needs
	}
	input := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, RejectWhenRequestBodyNotSpecified: true},
	}
	if a.Status < http.StatusBadRequest {
		if err := openapi3filter.ValidateRequest(r.Context(), input); err != nil {
			return fmt.Errorf("served, although the document does not allow it: %w", err)
		}
	}
	return c.checkAnswer(input, sent.Method, a)
}

// asDocumented is the request in the form in which the document knows it: HEAD, which is answered like GET, is a GET, and parameters
// with an empty value, which mean the same as none, are left out.
func asDocumented(sent *http.Request) *http.Request {
	r := sent.Clone(sent.Context())
	if r.Method == http.MethodHead {
		r.Method = http.MethodGet
	}
	query := r.URL.Query()
	maps.DeleteFunc(query, func(_ string, values []string) bool { return strings.Join(values, "") == "" })
	r.URL.RawQuery = query.Encode()
	return r
}

// checkAnswer compares the answer with what the operation describes.
func (c *Contract) checkAnswer(input *openapi3filter.RequestValidationInput, method string, a Answer) error {
	described := input.Route.Operation.Responses.Status(a.Status)
	if described == nil {
		return fmt.Errorf("status %d is not described", a.Status)
	}
	bodiless := method == http.MethodHead || len(described.Value.Content) == 0
	if described.Value.Content[streamMediaType] != nil && !bodiless {
		return c.checkStream(input.Route.Operation.OperationID, a)
	}
	if bodiless && a.Body != "" && method != http.MethodHead { // it is the server that leaves it out
		return errors.New("no body is described")
	}
	return openapi3filter.ValidateResponse(input.Request.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: a.Status, Header: a.Header, Body: io.NopCloser(strings.NewReader(a.Body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: bodiless},
	})
}

// CheckUndescribed is Check for answers that no operation describes. It allows three kinds of them: the documentation itself, what OPTIONS
// tells about any address, and problems.
func (c *Contract) CheckUndescribed(r *http.Request, a Answer) error {
	switch {
	case r.URL.Path == "/openapi.json", strings.HasPrefix(r.URL.Path, "/swagger"):
		return nil
	case r.Method == http.MethodOptions && a.Status == http.StatusNoContent && a.Body == "":
		return nil
	case a.Status < http.StatusBadRequest || a.Header.Get("Content-Type") != "application/problem+json":
		return errors.New("there is no such operation")
	case r.Method == http.MethodHead && a.Body == "":
		return nil
	}
	var body any
	if err := json.Unmarshal([]byte(a.Body), &body); err != nil {
		return err
	}
	return c.strict.Components.Schemas["Problem"].Value.VisitJSON(body, openapi3.EnableJSONSchema2020())
}
