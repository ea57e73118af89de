package itgluetest

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

const (
	mediaTypeAPI  = "application/vnd.api+json"
	mediaTypeJSON = "application/json"
	mediaTypeHTML = "text/html; charset=utf-8"

	maxRequestBytes = 10 << 20
)

// exchange is one request on its way to an answer.
type exchange struct {
	server *Server
	r      *http.Request
	path   string // without the base path
	within bool   // whether the path was inside the base path
	base   string // scheme, host and base path
	query  url.Values
	key    string
	faults []Fault
}

// answer is what goes back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func apiAnswer(status int, body []byte) answer {
	return answer{status: status, header: http.Header{"Content-Type": {mediaTypeAPI}}, body: body}
}

// gatewayAnswer is of the shape that the gateway in front of IT Glue uses.
func gatewayAnswer(status int, message string) answer {
	body := marshal(map[string]string{"message": message})

	return answer{status: status, header: http.Header{"Content-Type": {mediaTypeJSON}}, body: body}
}

// marshal is for what can always be encoded.
func marshal(value any) []byte {
	encoded, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}

	return encoded
}

// apiError is one entry of the application's error answers. IT Glue writes the
// status as a number, where JSON:API wants a string.
type apiError struct {
	Status any          `json:"status"`
	Title  string       `json:"title"`
	Detail string       `json:"detail,omitempty"`
	Source *errorSource `json:"source,omitempty"`
}

type errorSource struct {
	Pointer string `json:"pointer"`
}

func (x *exchange) fail(status int, detail string) answer {
	return x.failures(status, apiError{Status: status, Title: http.StatusText(status), Detail: detail})
}

func (x *exchange) failures(status int, failures ...apiError) answer {
	if x.has(FaultStatusAsString) {
		for i := range failures {
			failures[i].Status = itoa(status)
		}
	}

	return apiAnswer(status, marshal(map[string][]apiError{"errors": failures}))
}

func (x *exchange) notFound() answer { return x.fail(http.StatusNotFound, "Record not found") }

// answer works through the layers of IT Glue: gateway, then application.
func (x *exchange) answer() answer {
	if replaced, ok := x.replacement(); ok {
		return replaced
	}

	switch {
	case !x.within:
		return x.notFound()
	case !x.server.keys.valid(x.key):
		return gatewayAnswer(http.StatusForbidden, "Forbidden")
	case x.server.keys.overLimit(x.key, x.server.now()):
		return gatewayAnswer(http.StatusTooManyRequests, "Too Many Requests")
	case x.hasBody() && !acceptedMediaType(x.r.Header.Get("Content-Type")):
		return x.fail(http.StatusUnsupportedMediaType, "Content-Type must be "+mediaTypeAPI)
	}

	return x.route()
}

func (x *exchange) hasBody() bool { return x.r.ContentLength != 0 }

func acceptedMediaType(contentType string) bool {
	mediaType, _, err := mime.ParseMediaType(contentType)

	return err == nil && mediaType == mediaTypeAPI
}

func (x *exchange) readBody() []byte {
	body, err := io.ReadAll(io.LimitReader(x.r.Body, maxRequestBytes))
	if err != nil {
		return nil
	}

	return body
}

// route finds the resource by the segments of the path.
func (x *exchange) route() answer {
	segments := strings.Split(strings.Trim(x.path, "/"), "/")
	method := x.r.Method

	if method == http.MethodHead {
		method = http.MethodGet
	}

	switch segments[0] {
	case "organizations":
		return x.routeOrganizations(method, segments[1:])
	case "domains":
		if method == http.MethodGet && len(segments) == 1 {
			return x.indexDomains()
		}
	case "organization_types":
		return x.routeLookup(method, segments[1:], x.server.store.types)
	case "organization_statuses":
		return x.routeLookup(method, segments[1:], x.server.store.statuses)
	case "regions":
		if method == http.MethodGet && len(segments) == 1 {
			return x.indexRegions()
		}
	}

	return x.notFound()
}

func (x *exchange) routeOrganizations(method string, rest []string) answer {
	if len(rest) == 0 {
		switch method {
		case http.MethodGet:
			return x.indexOrganizations()
		case http.MethodPost:
			return x.createOrganization()
		case http.MethodPatch:
			return x.updateOrganizations()
		case http.MethodDelete:
			return x.destroyOrganizations()
		}

		return x.notFound()
	}

	found, ok := x.visible(rest[0])

	switch {
	case !ok:
		return x.notFound()
	case method == http.MethodGet && len(rest) == 1:
		return x.showOrganization(found)
	case method == http.MethodPatch && len(rest) == 1:
		return x.updateOrganization(found)
	case method == http.MethodGet && len(rest) == 3 && rest[1] == "relationships" && rest[2] == "domains":
		return x.indexDomainsOf(found)
	}

	return x.notFound()
}

// visible finds the organization that the path names, unless it is hidden
// from the key.
func (x *exchange) visible(text string) (*record, bool) {
	id, ok := parseID(text)
	if !ok || x.server.keys.hidden(x.key)[id] {
		return nil, false
	}

	return x.server.store.find(id)
}
