package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/orgbridge/orgbridge/internal/config"
	"github.com/orgbridge/orgbridge/internal/integration"
)

func keysDiscardCommand() command {
	return command{
		name:    "keys discard",
		summary: "Give up the stored IT Glue keys that the keyset cannot open",
		details: "For a keyset that is lost for good. The accounts keep their mappings and everything else, and are asked for their keys.\n" +
			"A key that has been given up is gone, also for the right keyset: without --confirm this only counts them.",
		examples:  []string{"orgbridge keys discard", "orgbridge keys discard --confirm"},
		variables: []config.Variable{config.DatabaseURL, config.Keyset, config.LogLevel, config.LogFormat},
		prepare: func(fs *flag.FlagSet) action {
			confirm := fs.Bool("confirm", false, "give them up")
			return func(ctx context.Context, in invocation) error { return discardKeys(ctx, in, *confirm) }
		},
	}
}

func discardKeys(ctx context.Context, in invocation, confirmed bool) (err error) {
	keyset, err := loadKeyset(in.config)
	if err != nil {
		return err
	}
	db, err := openDatabase(ctx, in.config, newLogger(in))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	accounts, err := integration.Discard(ctx, db, keyset, confirmed)
	said := "%d stored IT Glue keys cannot be opened. Nothing was changed.\n"
	if confirmed {
		said = "Gave up %d stored IT Glue keys.\n"
	}
	fmt.Fprintf(in.stdout, said, len(accounts))
	for _, account := range accounts {
		fmt.Fprintln(in.stdout, account)
	}
	return err
}
