package main

import (
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
)

// patternExtension holds what annotations of fields have no word for.
const patternExtension = "x-pattern"

// modernizeSchemas writes what OpenAPI 3.0 has fields of its own for in the way of JSON Schema, which 3.1 follows.
func modernizeSchemas(doc *openapi3.T) error {
	return doc.WalkSchemas(func(_ string, schema *openapi3.SchemaRef) error {
		modernizeSchema(schema.Value)
		return nil
	})
}

func modernizeSchema(schema *openapi3.Schema) {
	if schema.Nullable {
		schema.Nullable = false
		allowNull(schema)
	}
	if pattern, ok := schema.Extensions[patternExtension].(string); ok {
		schema.Pattern = pattern
	}
	makeExclusive(&schema.ExclusiveMin, &schema.Min)
	makeExclusive(&schema.ExclusiveMax, &schema.Max)
	if schema.Example != nil {
		schema.Examples = []any{schema.Example}
		schema.Example = nil
	}
}

// allowNull lets a schema accept null too. A reference stands in an allOf of one, to make room for its description; a
// schema without a type accepts null already.
func allowNull(schema *openapi3.Schema) {
	if len(schema.AllOf) > 0 {
		value := schema.AllOf[0]
		if len(schema.AllOf) > 1 {
			value = openapi3.NewSchemaRef("", &openapi3.Schema{AllOf: schema.AllOf})
		}
		null := openapi3.NewSchemaRef("", &openapi3.Schema{Type: &openapi3.Types{openapi3.TypeNull}})
		schema.AnyOf, schema.AllOf = openapi3.SchemaRefs{value, null}, nil
	}
	if schema.Type != nil {
		types := append(slices.Clone(*schema.Type), openapi3.TypeNull)
		schema.Type = &types
	}
	if len(schema.Enum) > 0 {
		schema.Enum = append(slices.Clone(schema.Enum), nil)
	}
}

// makeExclusive turns a flag beside a bound into a bound that is exclusive by itself.
func makeExclusive(flag *openapi3.ExclusiveBound, bound **float64) {
	if flag.Bool != nil && *flag.Bool {
		flag.Value, *bound = *bound, nil
	}
	flag.Bool = nil
}

// closeRequestBodies has the schemas of request bodies refuse unknown fields, as the API does.
func closeRequestBodies(doc *openapi3.T) error {
	for _, op := range operations(doc) {
		if op.RequestBody == nil {
			continue
		}
		for _, media := range op.RequestBody.Value.Content {
			if err := media.Schema.WalkSubtree(refuseUnknown); err != nil {
				return err
			}
		}
	}
	return nil
}

func refuseUnknown(_ string, schema *openapi3.SchemaRef) error {
	s := schema.Value
	if s.Type.Is(openapi3.TypeObject) && s.AdditionalProperties.Schema == nil {
		s.AdditionalProperties = openapi3.AdditionalProperties{Has: new(false)}
	}
	return nil
}
