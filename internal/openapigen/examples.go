package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/getkin/kin-openapi/openapi3"
)

const (
	// examplesFile lies beside the annotations, which can give examples of single values only. A package may have none.
	examplesFile = "examples.json"
	exampleID    = "0198c5d0-5a4e-7c3b-9d2e-6f1a2b3c4d5e"
	problemTypes = "urn:orgbridge:problem:"
)

// examples are those of whole values.
type examples struct {
	// Schemas holds the examples of a schema, by its name.
	Schemas map[string][]any `json:"schemas"`
	// Requests holds the examples of bodies of requests, by operationId and name.
	Requests map[string]map[string]any `json:"requests"`
	// Operations holds the examples of successful answers, by operationId, status and name.
	Operations map[string]map[string]map[string]any `json:"operations"`
	// Problems holds the title, the detail and what else a failure has of its own, by its code. An answer has the examples of the codes
	// that its description names in backquotes.
	Problems map[string]map[string]any `json:"problems"`
}

func readExamples(dir string) (*examples, error) {
	text, err := os.ReadFile(filepath.Join(dir, examplesFile)) //nolint:gosec // a source file of the package that is read
	if errors.Is(err, fs.ErrNotExist) {
		return &examples{}, nil
	}
	if err != nil {
		return nil, err
	}
	e := &examples{}
	if err := json.Unmarshal(text, e); err != nil {
		return nil, fmt.Errorf("read %s: %w", examplesFile, err)
	}
	return e, nil
}

// addTo adds the examples to a document. An example of what the document does not have is an error.
func (e *examples) addTo(doc *openapi3.T) error {
	for _, name := range slices.Sorted(maps.Keys(e.Schemas)) {
		schema := doc.Components.Schemas[name]
		if schema == nil {
			return fmt.Errorf("%s: there is no schema %s", examplesFile, name)
		}
		schema.Value.Examples = e.Schemas[name]
	}
	if err := e.addBodies(doc); err != nil {
		return err
	}
	e.addProblems(doc)
	return composeExamples(doc)
}

func (e *examples) addBodies(doc *openapi3.T) error {
	byID := map[string]*openapi3.Operation{}
	for _, op := range operations(doc) {
		byID[op.OperationID] = op
	}
	for _, id := range slices.Sorted(maps.Keys(e.Requests)) {
		if op := byID[id]; op == nil || op.RequestBody == nil {
			return fmt.Errorf("%s: there is no request of %s", examplesFile, id)
		}
		byID[id].RequestBody.Value.Content[jsonMediaType].Examples = named(e.Requests[id])
	}
	for _, id := range slices.Sorted(maps.Keys(e.Operations)) {
		for status, values := range e.Operations[id] {
			media := mediaOf(byID[id], status)
			if media == nil {
				return fmt.Errorf("%s: there is no answer %s of %s", examplesFile, status, id)
			}
			media.Examples = named(values)
		}
	}
	return nil
}

func named(values map[string]any) openapi3.Examples {
	all := make(openapi3.Examples, len(values))
	for name, value := range values {
		all[name] = &openapi3.ExampleRef{Value: openapi3.NewExample(value)}
	}
	return all
}

func mediaOf(op *openapi3.Operation, status string) *openapi3.MediaType {
	if op == nil || op.Responses.Value(status) == nil {
		return nil
	}
	content := op.Responses.Value(status).Value.Content
	if content[streamMediaType] != nil {
		return content[streamMediaType]
	}
	return content[jsonMediaType]
}

var (
	pathParameter = regexp.MustCompile(`{\w+}`)
	quotedWord    = regexp.MustCompile("`([a-z-]+)`")
)

func (e *examples) addProblems(doc *openapi3.T) {
	for _, common := range commonAnswers() {
		if !common.own {
			e.addProblem(doc.Components.Responses[common.name].Value, common.status, basePath+"/organizations", nil)
		}
	}
	for path, item := range doc.Paths.Map() {
		instance := pathParameter.ReplaceAllString(path, exampleID)
		if item.Servers == nil {
			instance = basePath + instance
		}
		for _, op := range item.Operations() {
			for code, answer := range op.Responses.Map() {
				if status, err := strconv.Atoi(code); err == nil && answer.Ref == "" {
					e.addProblem(answer.Value, status, instance, op.RequestBody)
				}
			}
		}
	}
}

// addProblem gives a failure one example for each code that its description names. The faults of a request whose body has required
// fields are those of an empty object.
func (e *examples) addProblem(answer *openapi3.Response, status int, instance string, body *openapi3.RequestBodyRef) {
	media := answer.Content[problemMediaType]
	if media == nil {
		return
	}
	for _, word := range quotedWord.FindAllStringSubmatch(*answer.Description, -1) {
		code := word[1]
		if e.Problems[code] == nil {
			continue
		}
		value := map[string]any{
			"type": problemTypes + code, "status": status, "code": code, "instance": instance, "requestId": exampleID,
		}
		maps.Copy(value, e.Problems[code])
		if faults := missingFields(body); value["errors"] != nil && len(faults) > 0 {
			value["errors"] = faults
		}
		if media.Examples == nil {
			media.Examples = openapi3.Examples{}
		}
		media.Examples[code] = &openapi3.ExampleRef{Value: openapi3.NewExample(value)}
	}
}

func missingFields(body *openapi3.RequestBodyRef) (faults []any) {
	if body == nil {
		return nil
	}
	for _, name := range body.Value.Content[jsonMediaType].Schema.Value.Required {
		faults = append(faults, map[string]any{"pointer": "/" + name, "code": "required", "detail": "This field is required."})
	}
	return faults
}
