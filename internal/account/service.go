package account

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/names"
)

const (
	// touchEvery bounds how often a token in use writes its last use.
	touchEvery = time.Minute
	// lastYear is the last one that a time can be told in.
	lastYear = 9999
)

// Service creates accounts and tokens and tells who a token's holder is.
type Service struct {
	store Store
	now   func() time.Time
}

// NewService returns a service on the store; now is the clock.
func NewService(store Store, now func() time.Time) *Service {
	return &Service{store: store, now: now}
}

// CreateAccount creates an account. It answers [errs.ValidationFailed] for a name that is blank or longer than 255 code points.
func (s *Service) CreateAccount(ctx context.Context, name string, by event.Actor) (Account, error) {
	if faults := CheckName(name); len(faults) > 0 {
		return Account{}, errs.Invalid(faults...)
	}
	a := Account{ID: newID(), Name: name, CreatedAt: s.now()}
	if err := s.store.CreateAccount(ctx, a, by); err != nil {
		return Account{}, err
	}
	return a, nil
}

// NewToken is a token to be created. AccountID is empty for operators and only for them; ExpiresAt nil means never.
type NewToken struct {
	AccountID string
	Role      Role
	Name      string
	ExpiresAt *time.Time
}

// CreateToken creates a token and returns it with its secret, which is shown this once: only its hash is stored. It answers
// [errs.ValidationFailed] for a bad name, role or expiry, [errs.NotFound] for an unknown account and [errs.TooManyTokens] when the account
// has [MaxTokens] already.
func (s *Service) CreateToken(ctx context.Context, n NewToken, by event.Actor) (Token, string, error) {
	if err := s.checkToken(n); err != nil {
		return Token{}, "", err
	}
	secret := newSecret()
	t := Token{
		ID: newID(), AccountID: n.AccountID, Role: n.Role, Name: n.Name, Hint: hint(secret), SecretHash: hashSecret(secret),
		CreatedAt: s.now(),
	}
	if n.ExpiresAt != nil {
		t.ExpiresAt = new(n.ExpiresAt.UTC().Truncate(time.Microsecond)) // as it is kept
	}
	if err := s.store.CreateToken(ctx, t, by); err != nil {
		return Token{}, "", err
	}
	return t, secret, nil
}

// checkToken tells all that is wrong with a token at once.
func (s *Service) checkToken(n NewToken) error {
	faults := n.Check(s.now())
	if (n.Role == Operator) != (n.AccountID == "") {
		faults = append(faults, errs.Field{Pointer: "/accountId", Code: "invalid", Detail: "operators have no account, other roles need one"})
	}
	if len(faults) > 0 {
		return errs.Invalid(faults...)
	}
	return nil
}

// Check tells what is wrong with the name, the role and the expiry.
func (n NewToken) Check(now time.Time) (faults []errs.Field) {
	faults = CheckName(n.Name)
	if !n.Role.Valid() {
		faults = append(faults, errs.Field{Pointer: "/role", Code: "not-one-of", Detail: "must be viewer, admin or operator"})
	}
	if n.ExpiresAt != nil && (!n.ExpiresAt.After(now) || n.ExpiresAt.UTC().Year() > lastYear) {
		faults = append(faults, errs.Field{Pointer: "/expiresAt", Code: "invalid", Detail: "must be in the future, before the year 10000"})
	}
	return faults
}

// Authenticate tells who holds the secret. Unknown, expired and revoked tokens get the same [errs.Unauthenticated].
func (s *Service) Authenticate(ctx context.Context, secret string) (Principal, error) {
	refused := errs.New(errs.Unauthenticated, "A valid token is needed.")
	if !wellFormed(secret) {
		return Principal{}, refused
	}
	hash := hashSecret(secret)
	t, err := s.store.TokenBySecretHash(ctx, hash)
	if errs.Is(err, errs.NotFound) {
		return Principal{}, refused
	}
	if err != nil {
		return Principal{}, err
	}
	now := s.now()
	if !t.matches(hash) || !t.opens(now) {
		return Principal{}, refused
	}
	return s.principal(ctx, t, now)
}

// opens tells whether the token is neither revoked nor expired.
func (t Token) opens(now time.Time) bool {
	return t.RevokedAt == nil && (t.ExpiresAt == nil || t.ExpiresAt.After(now))
}

func (s *Service) principal(ctx context.Context, t Token, now time.Time) (Principal, error) {
	if t.LastUsedAt == nil || now.Sub(*t.LastUsedAt) >= touchEvery {
		_ = s.store.TouchToken(ctx, t.ID, now, touchEvery) // a database that cannot write still answers reads
	}
	p := Principal{Token: t}
	if t.AccountID == "" {
		return p, nil
	}
	var err error
	p.Account, err = s.store.Account(ctx, t.AccountID)
	return p, err
}

// CheckName tells what is wrong with the name of an account or a token.
func CheckName(name string) []errs.Field {
	if names.Check(name) == names.Fine {
		return nil
	}
	return []errs.Field{{Pointer: "/name", Code: "invalid", Detail: "must be 1 to 255 characters, not all blank"}}
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }
