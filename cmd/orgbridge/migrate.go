package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/orgbridge/orgbridge/internal/config"
)

func (p program) migrate() *cobra.Command {
	return printsData(p.command(&cobra.Command{
		Use:     "migrate",
		Short:   "Bring the database up to date",
		Long:    "The server does this at its start as well. Any number of nodes may do it at the same time.",
		Example: "  orgbridge migrate --database-url postgres://orgbridge@db/orgbridge",
	}, migrate, config.DatabaseURL, config.LogLevel, config.LogFormat), "applied, which is the number of migrations")
}

func migrate(ctx context.Context, in invocation) error {
	applied := 0
	draw, end := in.progress("Migrating")
	db, err := migrateDatabase(ctx, in.config, newLogger(in), func(done, due int) {
		if done > 0 {
			applied++
		}
		draw(done, due)
	})
	end()
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	return errors.Join(
		in.say("The database is up to date.\n"),
		in.answer(struct {
			Applied int `json:"applied"`
		}{applied}),
	)
}
