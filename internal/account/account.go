// Package account holds accounts (one per MSP, the border that no data crosses) and the tokens that open them.
package account

import (
	"time"

	"github.com/orgbridge/orgbridge/internal/page"
)

// MaxTokens is how many tokens an account has at most, expired ones included and revoked ones not.
const MaxTokens = 1000

// Account is one MSP. Nothing is visible across accounts.
type Account struct {
	ID        string
	Name      string
	CreatedAt time.Time
}

// Role says what a token may do.
type Role string

// Viewer reads, Admin does everything in its account, Operator manages accounts and has no access to their contents.
const (
	Viewer   Role = "viewer"
	Admin    Role = "admin"
	Operator Role = "operator"
)

// Valid tells whether the role is one of the three.
func (r Role) Valid() bool { return r == Viewer || r == Admin || r == Operator }

// Token is a stored API token: its secret is known to its holder only, the store keeps the SHA-256.
type Token struct {
	ID string
	// AccountID is empty for operators, and only for them.
	AccountID string
	Role      Role
	Name      string
	// Hint is the visible start of the secret, to tell tokens apart.
	Hint       string
	SecretHash []byte
	CreatedAt  time.Time
	ExpiresAt  *time.Time
	LastUsedAt *time.Time
	RevokedAt  *time.Time
}

// Filter chooses accounts, or an account's tokens, newest first. After is the last row of the page before.
type Filter struct {
	After *page.Position
	Limit int
}

// Principal is who makes a request: an authenticated token with its account.
type Principal struct {
	// Token has no id and no name when it is not one of ours, but of the identity provider.
	Token   Token
	Account Account // zero for operators
	// Subject is who the token of the identity provider is about; empty for tokens of ours.
	Subject string
}

// Key tells callers apart: one of our tokens from another, and a person from another whatever token the identity provider gave them.
func (p Principal) Key() string {
	if p.Subject == "" {
		return p.Token.ID
	}
	return p.Account.ID + " " + p.Subject
}
