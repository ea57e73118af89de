package api

import (
	"regexp"
	"time"

	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/errs"
)

type createTokenRequest struct {
	// What the token is for. Kept as it is. Not all blank.
	Name string `json:"name" validate:"required,max=255" minLength:"1" example:"Nightly report"`
	// - `viewer` reads.
	// - `admin` reads and writes.
	Role string `json:"role" validate:"required,oneof=viewer admin" example:"viewer"`
	// When the token ceases to open anything: a time in the future. Never, when it is left out.
	ExpiresAt *string `json:"expiresAt" format:"date-time" example:"2027-01-31T00:00:00Z"`
} //	@name	CreateToken

// instantPattern is how RFC 3339 writes a time. The parser also takes hours of one digit, commas and offsets of days.
var instantPattern = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

func (r createTokenRequest) token(accountID string) account.NewToken {
	n := account.NewToken{AccountID: accountID, Name: r.Name, Role: account.Role(r.Role)}
	if at, ok := r.expiry(); ok {
		n.ExpiresAt = &at
	}
	return n
}

// expiry is the time that was sent; false when there was none, or it is no time.
func (r createTokenRequest) expiry() (at time.Time, ok bool) {
	if r.ExpiresAt == nil {
		return at, false
	}
	at, err := time.Parse(time.RFC3339, *r.ExpiresAt)
	return at, err == nil && instantPattern.MatchString(*r.ExpiresAt)
}

// faults lets bind tell what the token itself refuses along with the rest, but for an expiry in the past: that is for its clock to say.
func (r createTokenRequest) faults() []errs.Field {
	found := r.token("").Check(time.Time{})
	if _, ok := r.expiry(); !ok && r.ExpiresAt != nil {
		found = append(found, errs.Field{Pointer: "/expiresAt", Code: faultInvalid, Detail: "This must be a time such as 2027-01-31T00:00:00Z."})
	}
	return found
}

type tokenDTO struct {
	ID string `json:"id" validate:"required" format:"uuid" example:"0198c5d0-5a4e-7c3b-9d2e-6f1a2b3c4d5f"`
	// What the token is for, in the words of whoever made it.
	Name string `json:"name" validate:"required" example:"Nightly report"`
	Role string `json:"role" validate:"required" enums:"viewer,admin" example:"viewer"`
	// First characters of the secret.
	Hint      string    `json:"hint" validate:"required" example:"orgb_c5jr"`
	CreatedAt time.Time `json:"createdAt" validate:"required" format:"date-time" example:"2026-01-31T09:30:00Z"`
	// Null for a token that does not expire.
	ExpiresAt *time.Time `json:"expiresAt" validate:"required" format:"date-time" extensions:"x-nullable" example:"2027-01-31T00:00:00Z"`
	// To the minute: a token that is in use is noted once a minute. Null for one that was never used.
	LastUsedAt *time.Time `json:"lastUsedAt" validate:"required" format:"date-time" extensions:"x-nullable" example:"2026-02-01T08:15:00Z"`
} //	@name	Token

type newTokenDTO struct {
	tokenDTO

	// What to send as `Authorization: Bearer SECRET`. Shown this once.
	Secret string `json:"secret" validate:"required" format:"password" example:"orgb_c5jr4kq2v7n3x6m5b2w7t4y3z6a5d2f7g4h3jq5a"`
} //	@name	NewToken

func toToken(t account.Token) tokenDTO {
	return tokenDTO{
		ID: t.ID, Name: t.Name, Role: string(t.Role), Hint: t.Hint, CreatedAt: t.CreatedAt.UTC(),
		ExpiresAt: utc(t.ExpiresAt), LastUsedAt: utc(t.LastUsedAt),
	}
}

func toTokens(all []account.Token) []tokenDTO {
	out := make([]tokenDTO, 0, len(all))
	for i := range all {
		out = append(out, toToken(all[i]))
	}
	return out
}
