package main

import (
	"net/http"
	"strconv"

	"github.com/getkin/kin-openapi/openapi3"
)

// keyNote marks operations that take an Idempotency-Key. Like all notes from one step to another it is not published.
const keyNote = "x-idempotency-key"

// noteKeys notes which operations take an Idempotency-Key: all that are POST and need a token.
func noteKeys(doc *openapi3.T) error {
	for _, item := range doc.Paths.Map() {
		if op := item.Post; op != nil && needsToken(op) {
			if op.Extensions == nil {
				op.Extensions = map[string]any{}
			}
			op.Extensions[keyNote] = true
		}
	}
	return nil
}

func takesKey(op *openapi3.Operation) bool { return op.Extensions[keyNote] == true }

func hasBodyOrKey(op *openapi3.Operation) bool { return hasBody(op) || takesKey(op) }

// keyParameter is the header itself.
func keyParameter() *openapi3.Parameter {
	p := openapi3.NewHeaderParameter("Idempotency-Key").WithSchema(openapi3.NewStringSchema().WithMinLength(1).WithMaxLength(257))
	p.Description = "A text of your own, different for each request that means something new, such as a UUID; bare or in double quotes. " +
		"When an answer was lost, send the request again with the same key, within 24 hours: it is done once, and the first answer " +
		"comes again. An answer with 5xx or 429, or one that finds fault with the form of the request, leaves the key free."
	return p
}

// addIdempotency describes what an Idempotency-Key does, so that no handler has to.
func addIdempotency(doc *openapi3.T) error {
	schema := doc.Components.Schemas[problemSchema]
	replayed := header("`true` on an answer that was given before to the same Idempotency-Key", openapi3.NewStringSchema().WithEnum("true"))
	doc.Components.Parameters["IdempotencyKey"] = &openapi3.ParameterRef{Value: keyParameter()}
	for _, op := range operations(doc) {
		if !takesKey(op) {
			continue
		}
		op.Parameters = append(op.Parameters, &openapi3.ParameterRef{
			Ref: "#/components/parameters/IdempotencyKey", Value: doc.Components.Parameters["IdempotencyKey"].Value,
		})
		addProblemTo(op, schema, http.StatusConflict,
			"`idempotency-key-in-use`: a request with this Idempotency-Key is being served; send it again after `Retry-After`.")
		addProblemTo(op, schema, http.StatusUnprocessableEntity,
			"`idempotency-key-reused`: this Idempotency-Key came with another request.")
		for code, answer := range op.Responses.Map() {
			status, err := strconv.Atoi(code)
			if err != nil || answer.Ref != "" || status >= http.StatusInternalServerError {
				continue
			}
			setHeader(answer.Value, "Idempotency-Replayed", replayed)
			if status == http.StatusConflict {
				setHeader(answer.Value, "Retry-After", header("Seconds to wait", openapi3.NewIntegerSchema()))
			}
		}
	}
	return nil
}

// addProblemTo adds a sentence to the description of a failure that is the operation's own, or the failure with this sentence.
func addProblemTo(op *openapi3.Operation, schema *openapi3.SchemaRef, status int, sentence string) {
	answer := op.Responses.Status(status)
	if answer != nil && answer.Ref == "" {
		answer.Value.Description = new(*answer.Value.Description + " " + sentence)
		return
	}
	if answer != nil {
		sentence = *answer.Value.Description + " " + sentence
	}
	own := commonAnswer{description: sentence}
	op.Responses.Set(strconv.Itoa(status), &openapi3.ResponseRef{Value: own.response(schema.Value)})
}

func setHeader(answer *openapi3.Response, name string, about *openapi3.Header) {
	if answer.Headers == nil {
		answer.Headers = openapi3.Headers{}
	}
	answer.Headers[name] = &openapi3.HeaderRef{Value: about}
}
