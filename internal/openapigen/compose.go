package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/getkin/kin-openapi/openapi3"
)

// composeExamples gives an example to every request and every success that nobody has written one for: those of its schema, or one that
// is made of the examples of its fields. A field without any is an error.
func composeExamples(doc *openapi3.T) error {
	for _, op := range operations(doc) {
		for _, media := range bodies(op) {
			if len(media.Examples) > 0 {
				continue
			}
			values := media.Schema.Value.Examples
			if len(values) == 0 {
				value, err := compose(media.Schema, op.OperationID)
				if err != nil {
					return err
				}
				values = []any{value}
			}
			media.Examples = named(numbered(values))
		}
	}
	return nil
}

// bodies are those of the request and of the successes, as far as they are JSON.
func bodies(op *openapi3.Operation) []*openapi3.MediaType {
	var all []*openapi3.MediaType
	if op.RequestBody != nil {
		all = append(all, op.RequestBody.Value.Content[jsonMediaType])
	}
	for _, answer := range op.Responses.Map() {
		all = append(all, answer.Value.Content[jsonMediaType])
	}
	return slices.DeleteFunc(all, func(media *openapi3.MediaType) bool { return media == nil || media.Schema == nil })
}

func numbered(values []any) map[string]any {
	all := make(map[string]any, len(values))
	for i, value := range values {
		name := "example"
		if i > 0 {
			name += " " + strconv.Itoa(i+1)
		}
		all[name] = value
	}
	return all
}

// compose makes a value of a schema out of the examples in it. Of an enumeration it takes the first; what may be null is null when
// nothing else is known.
func compose(ref *openapi3.SchemaRef, where string) (any, error) {
	schema := ref.Value
	alternatives := slices.Concat(schema.AllOf, schema.AnyOf, schema.OneOf)
	switch {
	case len(schema.Examples) > 0:
		return schema.Examples[0], nil
	case len(schema.Enum) > 0:
		return schema.Enum[0], nil
	case len(alternatives) > 0: // a reference with a description of its own, or one that may be null
		return compose(alternatives[0], where)
	case schema.Type.Is(openapi3.TypeArray):
		item, err := compose(schema.Items, where+"[]")
		return []any{item}, err
	case schema.Type.Is(openapi3.TypeObject):
		return composeObject(schema, where)
	case schema.Type.Includes(openapi3.TypeNull):
		return nil, nil //nolint:nilnil // null is the example
	default:
		return nil, fmt.Errorf("there is no example of %s", where)
	}
}

func composeObject(schema *openapi3.Schema, where string) (any, error) {
	object := make(map[string]any, len(schema.Properties))
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		value, err := compose(schema.Properties[name], where+"."+name)
		if err != nil {
			return nil, err
		}
		object[name] = value
	}
	return object, nil
}
