package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
)

// generate returns the OpenAPI document of the annotated package in dir, ready to be written: the same annotations give the
// same bytes.
func generate(dir string) ([]byte, error) {
	swagger, err := parse(dir)
	if err != nil {
		return nil, err
	}
	doc, err := convert(swagger)
	if err != nil {
		return nil, err
	}
	e, err := readExamples(dir)
	if err != nil {
		return nil, err
	}
	if err := e.addTo(doc); err != nil {
		return nil, err
	}
	return render(doc)
}

// convert turns a Swagger 2.0 document into the OpenAPI 3.1 document that is published.
func convert(swagger map[string]any) (*openapi3.T, error) {
	if err := renameSchemas(swagger); err != nil {
		return nil, err
	}
	text, err := json.Marshal(swagger)
	if err != nil {
		return nil, err
	}
	var old openapi2.T
	if err := json.Unmarshal(text, &old); err != nil {
		return nil, fmt.Errorf("read the Swagger 2.0 document: %w", err)
	}
	doc, err := openapi2conv.ToV3(&old)
	if err != nil {
		return nil, fmt.Errorf("convert to OpenAPI 3.0: %w", err)
	}
	return doc, modernize(doc)
}

// modernize makes an OpenAPI 3.0 document, as the converter leaves it, one of OpenAPI 3.1 that says all that the API does.
func modernize(doc *openapi3.T) error {
	steps := []func(*openapi3.T) error{
		describe, setServers, declareSecurity, nameRoles, setMediaTypes, noteKeys, addCommonAnswers, addEntityTags, addIdempotency,
		addCommonHeaders, closeRequestBodies, modernizeSchemas, dropExtensions,
	}
	for _, step := range steps {
		if err := step(doc); err != nil {
			return err
		}
	}
	return nil
}

// render writes the document with sorted keys and two spaces of indentation.
func render(doc *openapi3.T) ([]byte, error) {
	compact, err := doc.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var sorted any
	if err := json.Unmarshal(compact, &sorted); err != nil {
		return nil, err
	}

	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(sorted); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
