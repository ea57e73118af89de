package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/config"
	"github.com/orgbridge/orgbridge/internal/event"
)

func (p program) accountCreate() *cobra.Command {
	return printsData(p.command(&cobra.Command{
		Use:     "create NAME",
		Short:   "Create an account and print its id",
		Example: "  orgbridge account create \"My company\"\n  orgbridge account create \"My company\" --json",
	}, withAccounts(createAccount), config.DatabaseURL, config.LogLevel, config.LogFormat), "id, name and createdAt")
}

func createAccount(ctx context.Context, accounts *account.Service, in invocation) error {
	a, err := accounts.CreateAccount(ctx, in.operands[0], event.Actor{})
	if err != nil {
		return err
	}
	return errors.Join(
		in.say("%s\n", a.ID),
		in.answer(struct {
			ID        string    `json:"id"`
			Name      string    `json:"name"`
			CreatedAt time.Time `json:"createdAt"`
		}{a.ID, a.Name, a.CreatedAt}),
	)
}

// withAccounts runs f on the accounts of the configured database.
func withAccounts(f func(ctx context.Context, accounts *account.Service, in invocation) error) action {
	return func(ctx context.Context, in invocation) (err error) {
		db, err := openDatabase(ctx, in.config, newLogger(in))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		return f(ctx, account.NewService(db, now), in)
	}
}
