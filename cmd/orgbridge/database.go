package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/orgbridge/orgbridge/internal/config"
	"github.com/orgbridge/orgbridge/internal/jobs"
	"github.com/orgbridge/orgbridge/internal/seal"
	"github.com/orgbridge/orgbridge/internal/store"
)

// openDatabase opens the database and brings it up to date. Whoever makes a new SQLite file makes its keyset first.
func openDatabase(ctx context.Context, c config.Config, logger *slog.Logger) (*store.Store, error) {
	return migrateDatabase(ctx, c, logger, nil)
}

// migrateDatabase is openDatabase that tells, if asked to, how many of the due migrations are applied.
func migrateDatabase(
	ctx context.Context, c config.Config, logger *slog.Logger, migrated func(done, due int),
) (*store.Store, error) {
	if err := makeKeyset(c); err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, c.DatabaseURL, store.Options{Logger: logger, Migrated: migrated})
	if err != nil {
		return nil, fmt.Errorf("%s%s: %w", config.Prefix, config.DatabaseURL, err)
	}
	background, err := jobs.New(jobs.Config{Pool: db.PostgresPool(), SQLite: db.SQLite(), Logger: logger})
	if err == nil {
		err = db.Migrate(ctx, background.Migrate)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// makeKeyset makes the keyset of a SQLite database that is not there yet.
func makeKeyset(c config.Config) error {
	file, mayCreate, err := c.KeysetFile()
	if err != nil || !mayCreate || exists(c.SQLiteFile()) || exists(file) {
		return nil //nolint:nilerr // only who needs the keyset has to have one
	}
	// A process that starts at the same time may be quicker; its keyset is there as a whole.
	if err := seal.Create(file); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s%s: make the keyset beside the new database: %w", config.Prefix, config.DatabaseURL, err)
	}
	return nil
}

// loadKeyset refuses to make up for a lost keyset with a new one, which would open none of the keys in the database.
func loadKeyset(c config.Config) (*seal.Keyset, error) {
	file, mayCreate, err := c.KeysetFile()
	if err != nil {
		return nil, err
	}
	if mayCreate && !exists(file) {
		return nil, fmt.Errorf("the database %s is there, but its keyset %s is not: put it back, or, if the database has never been "+
			"connected to IT Glue, make a new one with: orgbridge keys create --out %s", c.SQLiteFile(), file, file)
	}
	keyset, err := seal.Load(file)
	if err != nil {
		return nil, fmt.Errorf("%s%s: %w", config.Prefix, config.Keyset, err)
	}
	return keyset, nil
}

func exists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}
