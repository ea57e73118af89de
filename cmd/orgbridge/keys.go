package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/orgbridge/orgbridge/internal/seal"
)

func keysCreateCommand() command {
	return command{
		name:    "keys create",
		summary: "Make a new keyset, which seals the stored IT Glue keys",
		details: "The file is readable by its owner alone and is never overwritten. Keep a copy apart from the database: without the\n" +
			"keyset no stored IT Glue key can be opened again, and with both anyone can.",
		examples: []string{"orgbridge keys create --out orgbridge.keyset.json"},
		prepare: func(fs *flag.FlagSet) action {
			out := fs.String("out", "", "`FILE` to write; required")
			return func(_ context.Context, in invocation) error {
				if *out == "" {
					return usageError{errors.New("--out FILE is required")}
				}
				if err := seal.Create(*out); err != nil {
					return err
				}
				_, err := fmt.Fprintf(in.stdout, "Made the keyset %s. Keep a copy apart from the database.\n", *out)
				return err
			}
		},
	}
}
