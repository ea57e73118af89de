package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/orgbridge/orgbridge/internal/config"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/seal"
	"github.com/orgbridge/orgbridge/internal/store"
)

// resealRounds is how often the stored keys are gone through: a server may seal a key with the old one until it sees the new one.
const resealRounds = 5

func keysRotateCommand() command {
	return command{
		name:    "keys rotate",
		summary: "Replace the keyset's key, and seal the stored IT Glue keys with the new one",
		details: "Servers go on running: they read the file again when they meet a key that they do not know. When it is interrupted, call it\n" +
			"again. The old key is removed once nothing is sealed with it; backups of the database from before need a copy of the\n" +
			"keyset from before.\n\n" +
			"Servers with copies of the file, or with its contents in the environment, have to know the new key before it is used: add it\n" +
			"with --add-only, give the file to all of them, rotate, and give them the file once more.",
		examples:  []string{"orgbridge keys rotate", "orgbridge keys rotate --add-only"},
		variables: []config.Variable{config.DatabaseURL, config.Keyset, config.LogLevel, config.LogFormat},
		prepare: func(fs *flag.FlagSet) action {
			addOnly := fs.Bool("add-only", false, "add a new key and do not use it yet")
			return func(ctx context.Context, in invocation) error { return rotateKeys(ctx, in, *addOnly) }
		},
	}
}

func rotateKeys(ctx context.Context, in invocation, addOnly bool) (err error) {
	file, _, err := in.config.KeysetFile()
	if err != nil {
		return err
	}
	rotation, err := seal.BeginRotation(file)
	if err != nil {
		return fmt.Errorf("%s%s: %w", config.Prefix, config.Keyset, err)
	}
	defer rotation.End()
	added, err := rotation.Add()
	if err != nil {
		return err
	}
	if added {
		fmt.Fprintln(in.stdout, "Added a key.")
	} else {
		fmt.Fprintln(in.stdout, "There is a key from an earlier call.")
	}
	if addOnly {
		return nil
	}
	db, err := openDatabase(ctx, in.config, newLogger(in))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return useNewest(ctx, in.stdout, db, rotation, file)
}

// useNewest has everything sealed with the key that was added last, and removes the others.
func useNewest(ctx context.Context, stdout io.Writer, db *store.Store, rotation *seal.Rotation, file string) error {
	if err := rotation.Promote(); err != nil {
		return err
	}
	keyset, err := seal.Load(file)
	if err != nil {
		return err
	}
	for range resealRounds {
		done, err := integration.Reseal(ctx, db, keyset, rotation.Primary())
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "Sealed %d IT Glue keys anew.\n", done.Keys)
		if len(done.Unreadable) > 0 {
			return fmt.Errorf("%d stored IT Glue keys cannot be opened with this keyset, which keeps its old keys; the accounts are %s",
				len(done.Unreadable), strings.Join(done.Unreadable, ", "))
		}
		old := rotation.Old()
		uses, err := db.RetireSealingKeys(ctx, old)
		if err != nil {
			return err
		}
		if uses == 0 {
			fmt.Fprintf(stdout, "Removed %d old keys.\n", len(old))
			return rotation.Remove()
		}
	}
	return errors.New("servers go on sealing with the old key: have they another copy of the keyset? Both keys stay in it")
}
