package main

import (
	"testing"

	"golang.org/x/tools/go/analysis/analysistest"
)

func TestAPI8StatementsMadeOfVariablesAreFound(t *testing.T) {
	t.Parallel()
	analysistest.Run(t, analysistest.TestData(), analyzer(), "a", "b")
}
