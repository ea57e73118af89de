package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orgbridge/orgbridge/internal/config"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/seal"
	"github.com/orgbridge/orgbridge/internal/store"
)

// resealRounds is how often the stored keys are gone through: a server may seal a key with the old one until it sees the new one.
const resealRounds = 5

// rotated is what a rotation did.
type rotated struct {
	Added   bool `json:"added"`   // a key; false when there is one from an earlier call
	Sealed  int  `json:"sealed"`  // stored IT Glue keys
	Removed int  `json:"removed"` // old keys
}

func (p program) keysRotate() *cobra.Command {
	c := &cobra.Command{
		Use:   "rotate",
		Short: "Replace the keyset's key, and seal the stored IT Glue keys with the new one",
		Long: "Servers go on running: they read the file again when they meet a key that they do not know. When it is interrupted, call it\n" +
			"again. The old key is removed once nothing is sealed with it; backups of the database from before need a copy of the\n" +
			"keyset from before.\n\n" +
			"Servers with copies of the file, or with its contents in the environment, have to know the new key before it is used: add it\n" +
			"with --add-only, give the file to all of them, rotate, and give them the file once more.",
		Example: "  orgbridge keys rotate\n  orgbridge keys rotate --add-only",
	}
	addOnly := c.Flags().Bool("add-only", false, "add a new key and do not use it yet")
	return printsData(p.command(c, func(ctx context.Context, in invocation) error {
		done, err := rotateKeys(ctx, in, *addOnly)
		if err != nil {
			return err
		}
		return in.answer(done)
	}, config.DatabaseURL, config.Keyset, config.LogLevel, config.LogFormat),
		"added (true or false), sealed (IT Glue keys) and removed (old keys)")
}

func rotateKeys(ctx context.Context, in invocation, addOnly bool) (done rotated, err error) {
	file, _, err := in.config.KeysetFile()
	if err != nil {
		return done, err
	}
	rotation, err := seal.BeginRotation(file)
	if err != nil {
		return done, fmt.Errorf("%s%s: %w", config.Prefix, config.Keyset, err)
	}
	defer rotation.End()
	if done.Added, err = rotation.Add(); err != nil {
		return done, err
	}
	said := "There is a key from an earlier call.\n"
	if done.Added {
		said = "Added a key.\n"
	}
	_ = in.say("%s", said) // like all that follows: a rotation does not stop because its words cannot be written
	if addOnly {
		return done, nil
	}
	db, err := openDatabase(ctx, in.config, newLogger(in))
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = useNewest(ctx, in, db, rotation, file, &done)
	return done, err
}

// useNewest has everything sealed with the key that was added last, and removes the others.
func useNewest(ctx context.Context, in invocation, db *store.Store, rotation *seal.Rotation, file string, done *rotated) error {
	if err := rotation.Promote(); err != nil {
		return err
	}
	keyset, err := seal.Load(file)
	if err != nil {
		return err
	}
	for range resealRounds {
		if err := reseal(ctx, in, db, keyset, rotation.Primary(), done); err != nil {
			return err
		}
		old := rotation.Old()
		uses, err := db.RetireSealingKeys(ctx, old)
		if err != nil {
			return err
		}
		if uses == 0 {
			done.Removed = len(old)
			_ = in.say("Removed %d old keys.\n", len(old))
			return rotation.Remove()
		}
	}
	return errors.New("servers go on sealing with the old key: have they another copy of the keyset? Both keys stay in it")
}

// reseal goes through the stored keys once.
func reseal(ctx context.Context, in invocation, db *store.Store, keyset *seal.Keyset, primary []byte, done *rotated) error {
	draw, end := in.progress("Sealing IT Glue keys")
	round, err := integration.Reseal(ctx, db, keyset, primary, draw)
	end()
	if err != nil {
		return err
	}
	done.Sealed += round.Keys
	_ = in.say("Sealed %d IT Glue keys anew.\n", round.Keys)
	if len(round.Unreadable) > 0 {
		return fmt.Errorf("%d stored IT Glue keys cannot be opened with this keyset, which keeps its old keys; the accounts are %s",
			len(round.Unreadable), strings.Join(round.Unreadable, ", "))
	}
	return nil
}
