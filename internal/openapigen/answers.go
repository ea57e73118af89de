package main

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/getkin/kin-openapi/openapi3"
)

const (
	jsonMediaType    = "application/json"
	streamMediaType  = "text/event-stream"
	problemMediaType = "application/problem+json"
	// problemSchema is how every failure is answered.
	problemSchema = "Problem"
	// unauthenticated is the answer that is given to whoever has no token.
	unauthenticated = "Unauthenticated"
)

// setMediaTypes puts failures under the media type of problems, and everything else under that of JSON, but for streams.
func setMediaTypes(doc *openapi3.T) error {
	for _, op := range operations(doc) {
		if op.RequestBody != nil {
			useMediaType(op.RequestBody.Value.Content, jsonMediaType)
		}
		for code, answer := range op.Responses.Map() {
			mediaType := jsonMediaType
			if answer.Value.Content[streamMediaType] != nil {
				mediaType = streamMediaType
			}
			if status, err := strconv.Atoi(code); err != nil || status >= http.StatusBadRequest {
				mediaType = problemMediaType
			}
			useMediaType(answer.Value.Content, mediaType)
		}
	}
	return nil
}

// useMediaType leaves one entry in content, which has the same schema under each of the names that it came with.
func useMediaType(content openapi3.Content, mediaType string) {
	var media *openapi3.MediaType
	for _, media = range content {
		break
	}
	clear(content)
	if media != nil {
		content[mediaType] = media
	}
}

// commonAnswer is a failure that many operations share.
type commonAnswer struct {
	status      int
	name        string
	description string
	// header is sent along with the answer; none when it is empty.
	header string
	about  *openapi3.Header
	// own tells that each operation has the answer for itself, because its example is made of the operation's body.
	own bool
	// applies tells which operations can answer so.
	applies func(*openapi3.Operation) bool
}

// commonAnswers are the failures that come from the surface which all operations share, so that no handler has to name them.
func commonAnswers() []commonAnswer { return append(refusals(), laterAnswers()...) }

// refusals are the common failures that are for the client to mend.
func refusals() []commonAnswer {
	return []commonAnswer{
		{
			status: http.StatusBadRequest, name: "InvalidKeyOrBody", applies: takesKey,
			description: "`idempotency-key-invalid`: the Idempotency-Key is not 1 to 255 visible ASCII characters, or there is more than one. " +
				"`malformed-body`: the body is not one JSON value.",
		},
		{
			status: http.StatusBadRequest, name: "MalformedBody", applies: hasBody,
			description: "`malformed-body`: the body is not one JSON value.",
		},
		{
			status: http.StatusUnauthorized, name: unauthenticated, applies: needsToken,
			description: "`unauthenticated`: there is no token, or it is unknown, expired or revoked.",
			header:      "WWW-Authenticate", about: header("How to authenticate: Bearer", openapi3.NewStringSchema()),
		},
		{
			status: http.StatusNotAcceptable, name: "NotAcceptable", applies: needsToken,
			description: "`not-acceptable`: the Accept header admits no JSON.",
		},
		{
			status: http.StatusRequestEntityTooLarge, name: "PayloadTooLarge", applies: hasBodyOrKey,
			description: "`payload-too-large`: the body is larger than 1 MiB.",
		},
		{
			status: http.StatusRequestTimeout, name: "RequestTimeout", applies: hasBodyOrKey,
			description: "`request-timeout`: the body did not arrive within 30 seconds.",
		},
		{
			status: http.StatusRequestHeaderFieldsTooLarge, name: "HeadersTooLarge", applies: always,
			description: "`headers-too-large`: the headers are larger than 32 KiB.",
		},
		{
			status: http.StatusRequestURITooLong, name: "URITooLong", applies: always,
			description: "`uri-too-long`: the address is longer than 8 KiB.",
		},
		{
			status: http.StatusUnsupportedMediaType, name: "UnsupportedMediaType", applies: hasBody,
			description: "`unsupported-media-type`: the body is not sent as `application/json` in UTF-8.",
		},
		{
			status: http.StatusUnprocessableEntity, name: "ValidationFailed", own: true, applies: hasBody,
			description: "`validation-failed`: the request has invalid or unknown values, all of them in `errors`.",
		},
		{
			status: http.StatusUnprocessableEntity, name: "InvalidParameters", applies: always,
			description: "`validation-failed`: the request has invalid or unknown query parameters, or a body although it takes none; all " +
				"faults are in `errors`.",
		},
	}
}

// laterAnswers are the common failures that say nothing of the request: it may succeed later.
func laterAnswers() []commonAnswer {
	return []commonAnswer{
		{
			status: http.StatusTooManyRequests, name: "QuotaExceeded", applies: needsToken,
			description: "`quota-exceeded`: the token has made too many requests, or the client's address has shown too many bad tokens.",
			header:      "Retry-After", about: header("Seconds to wait", openapi3.NewIntegerSchema()),
		},
		{
			status: http.StatusInternalServerError, name: "Internal", applies: always,
			description: "`internal`: something went wrong; the operator finds it in the log by `requestId`.",
		},
		{
			status: http.StatusServiceUnavailable, name: "Unavailable", applies: needsToken,
			description: "`unavailable`: the request cannot be served at the moment.",
			header:      "Retry-After", about: header("Seconds to wait", openapi3.NewIntegerSchema()),
		},
	}
}

func header(description string, schema *openapi3.Schema) *openapi3.Header {
	return &openapi3.Header{Parameter: openapi3.Parameter{Description: description, Schema: schema.NewRef()}}
}

func always(*openapi3.Operation) bool { return true }

func hasBody(op *openapi3.Operation) bool { return op.RequestBody != nil }

func needsToken(op *openapi3.Operation) bool { return op.Security != nil && len(*op.Security) > 0 }

// addCommonAnswers adds the common failures to all operations that do not describe them in words of their own. Of two with the same
// status, the first that applies is taken.
func addCommonAnswers(doc *openapi3.T) error {
	schema := doc.Components.Schemas[problemSchema]
	if schema == nil {
		return errors.New("there is no schema " + problemSchema)
	}
	doc.Components.Responses = openapi3.ResponseBodies{}
	for _, common := range commonAnswers() {
		shared := &openapi3.ResponseRef{Ref: "#/components/responses/" + common.name, Value: common.response(schema.Value)}
		if !common.own {
			doc.Components.Responses[common.name] = &openapi3.ResponseRef{Value: shared.Value}
		}
		for _, op := range operations(doc) {
			if !common.applies(op) || op.Responses.Status(common.status) != nil {
				continue
			}
			answer := shared
			if common.own {
				answer = &openapi3.ResponseRef{Value: common.response(schema.Value)}
			}
			op.Responses.Set(strconv.Itoa(common.status), answer)
		}
	}
	return nil
}

// response is the answer as a component of the document.
func (a commonAnswer) response(problem *openapi3.Schema) *openapi3.Response {
	ref := &openapi3.SchemaRef{Ref: "#/components/schemas/" + problemSchema, Value: problem}
	content := openapi3.Content{problemMediaType: openapi3.NewMediaType().WithSchemaRef(ref)}
	response := openapi3.NewResponse().WithDescription(a.description).WithContent(content)
	if a.header != "" {
		response.Headers = openapi3.Headers{a.header: &openapi3.HeaderRef{Value: a.about}}
	}
	return response
}

// commonHeader is one that answers of all operations carry.
type commonHeader struct {
	name        string
	description string
	// withToken tells that it is only on answers to whoever has shown a good token.
	withToken bool
}

func commonHeaders() []commonHeader {
	return []commonHeader{
		{
			name: "X-Request-Id", description: "Id of the request, to be named in questions to the operator; the client's own if it sent one",
		},
		{
			name: "RateLimit", withToken: true,
			description: "What is left of the token's quota: `r` requests, and all of it again in `t` seconds; such as `\"default\";r=5999;t=1`. " +
				"Not sent where there is no limit. Each node counts for itself.",
		},
		{
			name: "RateLimit-Policy", withToken: true,
			description: "The token's quota: `q` requests in `w` seconds, such as `\"default\";q=6000;w=60`. Not sent where there is no limit.",
		},
	}
}

// addCommonHeaders declares them, once for all answers.
func addCommonHeaders(doc *openapi3.T) error {
	doc.Components.Headers = openapi3.Headers{}
	for _, common := range commonHeaders() {
		about := header(common.description, openapi3.NewStringSchema())
		doc.Components.Headers[common.name] = &openapi3.HeaderRef{Value: about}
		ref := &openapi3.HeaderRef{Ref: "#/components/headers/" + common.name, Value: about}
		for name, answer := range doc.Components.Responses {
			if !common.withToken || name != unauthenticated {
				referHeader(answer.Value, common.name, ref)
			}
		}
		for _, op := range operations(doc) {
			for _, answer := range op.Responses.Map() {
				if answer.Ref == "" && (!common.withToken || needsToken(op)) {
					referHeader(answer.Value, common.name, ref)
				}
			}
		}
	}
	return nil
}

func referHeader(answer *openapi3.Response, name string, ref *openapi3.HeaderRef) {
	if answer.Headers == nil {
		answer.Headers = openapi3.Headers{}
	}
	answer.Headers[name] = ref
}
