package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/orgbridge/orgbridge/internal/config"
)

func migrateCommand() command {
	return command{
		name:      "migrate",
		summary:   "Bring the database up to date",
		details:   "The server does this at its start as well. Any number of nodes may do it at the same time.",
		examples:  []string{"orgbridge migrate --database-url postgres://orgbridge@db/orgbridge"},
		variables: []config.Variable{config.DatabaseURL, config.LogLevel, config.LogFormat},
		prepare: func(*flag.FlagSet) action {
			return func(ctx context.Context, in invocation) error {
				db, err := openDatabase(ctx, in.config, newLogger(in))
				if err != nil {
					return err
				}
				if err := db.Close(); err != nil {
					return err
				}
				_, err = fmt.Fprintln(in.stdout, "The database is up to date.")
				return err
			}
		},
	}
}
