package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/orgbridge/orgbridge/internal/config"
	"github.com/orgbridge/orgbridge/internal/integration"
)

func (p program) keysDiscard() *cobra.Command {
	c := &cobra.Command{
		Use:   "discard",
		Short: "Give up the stored IT Glue keys that the keyset cannot open",
		Long: "For a keyset that is lost for good. The accounts keep their mappings and everything else, and are asked for their keys.\n" +
			"A key that has been given up is gone, also for the right keyset: without --confirm this only counts them.",
		Example: "  orgbridge keys discard\n  orgbridge keys discard --confirm",
	}
	confirm := c.Flags().Bool("confirm", false, "give them up")
	return printsData(p.command(c, func(ctx context.Context, in invocation) error {
		return discardKeys(ctx, in, *confirm)
	}, config.DatabaseURL, config.Keyset, config.LogLevel, config.LogFormat),
		"discarded (whether they were given up) and the ids of the accounts")
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
	err = errors.Join(err, in.say(said, len(accounts)))
	for _, account := range accounts {
		err = errors.Join(err, in.say("%s\n", account))
	}
	if err != nil {
		return err
	}
	return in.answer(struct {
		Discarded bool     `json:"discarded"`
		Accounts  []string `json:"accounts"`
	}{confirmed, append([]string{}, accounts...)})
}
