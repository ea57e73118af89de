// Package docs holds the OpenAPI document of the API, which is generated from the annotations beside the handlers. Run
// `go generate ./docs` after a change to them.
package docs

import _ "embed"

//go:generate go run ../internal/openapigen -api ../api -out openapi.json

//go:embed openapi.json
var openapi string

// OpenAPI returns the document as JSON.
func OpenAPI() []byte { return []byte(openapi) }
