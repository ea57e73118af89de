package main

import (
	"context"
	"errors"
	"flag"
	"time"

	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/config"
	"github.com/orgbridge/orgbridge/internal/event"
)

func tokenCreateCommand() command {
	return command{
		name:    "token create",
		summary: "Create an API token and print it, this once",
		details: "Viewers read, admins do everything in their account, operators manage accounts and have none of their own.",
		examples: []string{
			"orgbridge token create --account ID --role admin --name first",
			"orgbridge token create --account ID --role viewer --name dashboard --expires 720h",
			"orgbridge token create --role operator --name provisioning",
		},
		variables: []config.Variable{config.DatabaseURL, config.LogLevel, config.LogFormat},
		prepare:   prepareTokenCreate,
	}
}

func prepareTokenCreate(fs *flag.FlagSet) action {
	accountID := fs.String("account", "", "`ID` of the account; not for operators")
	role := fs.String("role", "", "`ROLE`: viewer, admin or operator; required")
	name := fs.String("name", "", "`NAME` to tell the token by; required")
	expires := fs.Duration("expires", 0, "`DURATION` after which the token expires, such as 720h; never when left out")

	create := withAccounts(func(ctx context.Context, accounts *account.Service, _ invocation) (string, error) {
		n := account.NewToken{AccountID: *accountID, Role: account.Role(*role), Name: *name}
		if *expires != 0 {
			at := now().Add(*expires)
			n.ExpiresAt = &at
		}
		_, secret, err := accounts.CreateToken(ctx, n, event.Actor{})
		return secret, err
	})
	return func(ctx context.Context, in invocation) error {
		if err := checkTokenFlags(account.Role(*role), *accountID, *name, *expires); err != nil {
			return usageError{err}
		}
		return create(ctx, in)
	}
}

func checkTokenFlags(role account.Role, accountID, name string, expires time.Duration) error {
	switch {
	case !role.Valid():
		return errors.New("--role must be viewer, admin or operator")
	case role == account.Operator && accountID != "":
		return errors.New("operators have no account: leave out --account")
	case role != account.Operator && accountID == "":
		return errors.New("--account ID is required")
	case name == "":
		return errors.New("--name NAME is required")
	case expires < 0:
		return errors.New("--expires must not be negative")
	default:
		return nil
	}
}

func tokenRevokeCommand() command {
	return command{
		name:     "token revoke",
		operands: []string{"ID"},
		summary:  "Revoke an API token",
		details: "From then on it opens nothing, on any node. GET /api/v1/me tells the id of a token that is at hand; GET /api/v1/tokens\n" +
			"lists those of an account.",
		examples: []string{
			"orgbridge token revoke --account ID 0198c5d0-5a4e-7c3b-9d2e-6f1a2b3c4d5f",
			"orgbridge token revoke 0198c5d0-5a4e-7c3b-9d2e-6f1a2b3c4d5f",
		},
		variables: []config.Variable{config.DatabaseURL, config.LogLevel, config.LogFormat},
		prepare: func(fs *flag.FlagSet) action {
			accountID := fs.String("account", "", "`ID` of the token's account; left out for an operator's")
			return func(ctx context.Context, in invocation) (err error) {
				db, err := openDatabase(ctx, in.config, newLogger(in))
				if err != nil {
					return err
				}
				defer func() { err = errors.Join(err, db.Close()) }()
				if *accountID == "" {
					return db.RevokeOperatorToken(ctx, in.operands[0])
				}
				return db.RevokeToken(ctx, *accountID, in.operands[0], event.Actor{})
			}
		},
	}
}
