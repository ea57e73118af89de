// Command openapigen writes the OpenAPI document of the API: it reads the annotations beside the handlers, which describe
// the operations in the words of Swagger 2.0, and turns them into OpenAPI 3.1.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "openapigen:", err)
		os.Exit(1)
	}
}

// run generates the document from the package given by -api and writes it to the file given by -out.
func run(args []string, usage io.Writer) error {
	flags := flag.NewFlagSet("openapigen", flag.ContinueOnError)
	flags.SetOutput(usage)
	api := flags.String("api", "../api", "directory of the annotated package")
	out := flags.String("out", "openapi.json", "file to write")
	if err := flags.Parse(args); err != nil {
		return err
	}
	document, err := generate(*api)
	if err != nil {
		return err
	}
	return os.WriteFile(*out, document, 0o644) //nolint:gosec // a source file, read by everyone
}
