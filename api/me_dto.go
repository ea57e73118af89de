package api

import (
	"time"

	"github.com/orgbridge/orgbridge/internal/account"
)

type meDTO struct {
	// Null for operators.
	Account *accountDTO `json:"account" validate:"required" extensions:"x-nullable"`
	// - `viewer` reads.
	// - `admin` reads and writes.
	// - `operator` manages accounts and has no access to their contents.
	Role string `json:"role" validate:"required" enums:"viewer,admin,operator" example:"admin"`
	// The token of the request; null when it is a JWT of the identity provider.
	Token *callerTokenDTO `json:"token" validate:"required" extensions:"x-nullable"`
	// Who the JWT is about, as the identity provider calls them (`sub`); null when the token is one of orgbridge's own.
	Subject *string `json:"subject" validate:"required" extensions:"x-nullable" example:"248289761001"`
} //	@name	Me

type callerTokenDTO struct {
	ID string `json:"id" validate:"required" format:"uuid" example:"0198c5d0-5a4e-7c3b-9d2e-6f1a2b3c4d5f"`
	// What the token is for, in the words of whoever made it.
	Name string `json:"name" validate:"required" example:"Nightly report"`
	// First characters of the token.
	Hint string `json:"hint" validate:"required" example:"orgb_c5jr"`
	// Null for a token that does not expire.
	ExpiresAt *time.Time `json:"expiresAt" validate:"required" format:"date-time" extensions:"x-nullable" example:"2027-01-31T00:00:00Z"`
} //	@name	CallerToken

func toMe(p account.Principal) meDTO {
	me := meDTO{Role: string(p.Token.Role), Subject: optional(p.Subject)}
	if p.Subject == "" {
		me.Token = &callerTokenDTO{ID: p.Token.ID, Name: p.Token.Name, Hint: p.Token.Hint, ExpiresAt: utc(p.Token.ExpiresAt)}
	}
	if p.Account.ID != "" {
		me.Account = new(toAccount(p.Account))
	}
	return me
}

// utc is a time as it is told: in UTC, null for none.
func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return new(t.UTC())
}
