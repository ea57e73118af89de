package main

import (
	"encoding/json"
	"fmt"

	"github.com/swaggo/swag"
)

const (
	// mainFile holds the annotations about the document as a whole.
	mainFile = "doc.go"
	// ourModule keeps the reader out of libraries: their types are not part of the API.
	ourModule = "github.com/orgbridge/orgbridge"
)

// parse reads the annotations of the package in dir and returns them as a Swagger 2.0 document of plain JSON values.
func parse(dir string) (map[string]any, error) {
	parser := swag.New(
		swag.SetDebugger(silence{}),
		swag.SetStrict(true),
		swag.SetParseDependency(int(swag.ParseModels)),
		swag.ParseUsingGoList(true),
		swag.SetPackagePrefix(ourModule),
	)
	if err := parser.ParseAPI(dir, mainFile, 1); err != nil {
		return nil, fmt.Errorf("read the annotations in %s: %w", dir, err)
	}
	text, err := json.Marshal(parser.GetSwagger())
	if err != nil {
		return nil, err
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	return doc, nil
}

// silence is where the reader's progress reports go.
type silence struct{}

// Printf implements swag.Debugger.
func (silence) Printf(string, ...any) {}
