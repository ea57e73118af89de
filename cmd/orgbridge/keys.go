package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/orgbridge/orgbridge/internal/seal"
)

func (p program) keysCreate() *cobra.Command {
	c := &cobra.Command{
		Use:   "create",
		Short: "Make a new keyset, which seals the stored IT Glue keys",
		Long: "The file is readable by its owner alone and is never overwritten. Keep a copy apart from the database: without the\n" +
			"keyset no stored IT Glue key can be opened again, and with both anyone can.",
		Example: "  orgbridge keys create --out orgbridge.keyset.json",
	}
	out := c.Flags().String("out", "", "`FILE` to write; required")
	complete(c, "out", cobra.ShellCompDirectiveDefault)
	return printsData(p.command(c, func(_ context.Context, in invocation) error {
		if *out == "" {
			return usageError{errors.New("--out FILE is required")}
		}
		if err := seal.Create(*out); err != nil {
			return err
		}
		return errors.Join(
			in.say("Made the keyset %s. Keep a copy apart from the database.\n", *out),
			in.answer(struct {
				File string `json:"file"`
			}{*out}),
		)
	}), "file")
}
