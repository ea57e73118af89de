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

func (p program) tokenCreate() *cobra.Command {
	c := &cobra.Command{
		Use:   "create",
		Short: "Create an API token and print it, this once",
		Long:  "Viewers read, admins do everything in their account, operators manage accounts and have none of their own.",
		Example: "  orgbridge token create --account ID --role admin --name first\n" +
			"  orgbridge token create --account ID --role viewer --name dashboard --expires 720h\n" +
			"  orgbridge token create --role operator --name provisioning --json",
	}
	accountID := c.Flags().String("account", "", "`ID` of the account; not for operators")
	role := c.Flags().String("role", "", "`ROLE`: viewer, admin or operator; required")
	name := c.Flags().String("name", "", "`NAME` to tell the token by; required")
	expires := c.Flags().Duration("expires", 0, "`DURATION` after which the token expires, such as 720h; never when left out")
	complete(c, "role", cobra.ShellCompDirectiveNoFileComp, string(account.Viewer), string(account.Admin), string(account.Operator))

	create := withAccounts(func(ctx context.Context, accounts *account.Service, in invocation) error {
		n := account.NewToken{AccountID: *accountID, Role: account.Role(*role), Name: *name}
		if *expires != 0 {
			at := now().Add(*expires)
			n.ExpiresAt = &at
		}
		return createToken(ctx, accounts, in, n)
	})
	act := func(ctx context.Context, in invocation) error {
		if err := checkTokenFlags(account.Role(*role), *accountID, *name, *expires); err != nil {
			return usageError{err}
		}
		return create(ctx, in)
	}
	return printsData(p.command(c, act, config.DatabaseURL, config.LogLevel, config.LogFormat),
		"id, accountId (null for an operator), role, name, secret, createdAt and expiresAt (null for never)")
}

func createToken(ctx context.Context, accounts *account.Service, in invocation, n account.NewToken) error {
	t, secret, err := accounts.CreateToken(ctx, n, event.Actor{})
	if err != nil {
		return err
	}
	var accountID *string
	if t.AccountID != "" {
		accountID = &t.AccountID
	}
	return errors.Join(
		in.say("%s\n", secret),
		in.answer(struct {
			ID        string       `json:"id"`
			AccountID *string      `json:"accountId"`
			Role      account.Role `json:"role"`
			Name      string       `json:"name"`
			Secret    string       `json:"secret"`
			CreatedAt time.Time    `json:"createdAt"`
			ExpiresAt *time.Time   `json:"expiresAt"`
		}{t.ID, accountID, t.Role, t.Name, secret, t.CreatedAt, t.ExpiresAt}),
	)
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

func (p program) tokenRevoke() *cobra.Command {
	c := &cobra.Command{
		Use:   "revoke ID",
		Short: "Revoke an API token",
		Long: "From then on it opens nothing, on any node. GET /api/v1/me tells the id of a token that is at hand; GET /api/v1/tokens\n" +
			"lists those of an account.",
		Example: "  orgbridge token revoke --account ID 0198c5d0-5a4e-7c3b-9d2e-6f1a2b3c4d5f\n" +
			"  orgbridge token revoke 0198c5d0-5a4e-7c3b-9d2e-6f1a2b3c4d5f",
	}
	accountID := c.Flags().String("account", "", "`ID` of the token's account; left out for an operator's")
	act := func(ctx context.Context, in invocation) (err error) {
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
	return p.command(c, act, config.DatabaseURL, config.LogLevel, config.LogFormat)
}
