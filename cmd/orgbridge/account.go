package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/config"
	"github.com/orgbridge/orgbridge/internal/event"
)

func accountCreateCommand() command {
	return command{
		name:      "account create",
		operands:  []string{"NAME"},
		summary:   "Create an account and print its id",
		examples:  []string{`orgbridge account create "My company"`},
		variables: []config.Variable{config.DatabaseURL, config.LogLevel, config.LogFormat},
		prepare: func(*flag.FlagSet) action {
			return withAccounts(func(ctx context.Context, accounts *account.Service, in invocation) (string, error) {
				a, err := accounts.CreateAccount(ctx, in.operands[0], event.Actor{})
				return a.ID, err
			})
		},
	}
}

// withAccounts runs f on the accounts of the configured database and prints what it returns, alone on its line.
func withAccounts(f func(ctx context.Context, accounts *account.Service, in invocation) (string, error)) action {
	return func(ctx context.Context, in invocation) (err error) {
		db, err := openDatabase(ctx, in.config, newLogger(in))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		result, err := f(ctx, account.NewService(db, now), in)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(in.stdout, result)
		return err
	}
}
