package account

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/orgbridge/orgbridge/internal/errs"
)

const (
	maxNameLength = 255
	// touchEvery bounds how often a token in use writes its last use.
	touchEvery = time.Minute
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
func (s *Service) CreateAccount(ctx context.Context, name string) (Account, error) {
	if err := checkName(name); err != nil {
		return Account{}, err
	}
	a := Account{ID: newID(), Name: name, CreatedAt: s.now()}
	if err := s.store.CreateAccount(ctx, a); err != nil {
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
// [errs.ValidationFailed] for a bad name, role or expiry and [errs.NotFound] for an unknown account.
func (s *Service) CreateToken(ctx context.Context, n NewToken) (Token, string, error) {
	if err := s.checkToken(ctx, n); err != nil {
		return Token{}, "", err
	}
	secret := newSecret()
	t := Token{
		ID: newID(), AccountID: n.AccountID, Role: n.Role, Name: n.Name, Hint: hint(secret), SecretHash: hashSecret(secret),
		CreatedAt: s.now(), ExpiresAt: n.ExpiresAt,
	}
	if err := s.store.CreateToken(ctx, t); err != nil {
		return Token{}, "", err
	}
	return t, secret, nil
}

func (s *Service) checkToken(ctx context.Context, n NewToken) error {
	if err := checkName(n.Name); err != nil {
		return err
	}
	if !n.Role.Valid() {
		return errs.Invalid(errs.Field{Pointer: "/role", Code: "not-one-of", Detail: "must be viewer, admin or operator"})
	}
	if n.ExpiresAt != nil && !n.ExpiresAt.After(s.now()) {
		return errs.Invalid(errs.Field{Pointer: "/expiresAt", Code: "invalid", Detail: "must be in the future"})
	}
	if (n.Role == Operator) != (n.AccountID == "") {
		return errs.Invalid(errs.Field{Pointer: "/accountId", Code: "invalid", Detail: "operators have no account, other roles need one"})
	}
	if n.AccountID == "" {
		return nil
	}
	_, err := s.store.Account(ctx, n.AccountID)
	return err
}

// Authenticate tells who holds the secret. Unknown, expired and revoked tokens get the same [errs.Unauthenticated].
func (s *Service) Authenticate(ctx context.Context, secret string) (Principal, error) {
	refused := errs.New(errs.Unauthenticated, "A valid token is needed.")
	if !wellFormed(secret) {
		return Principal{}, refused
	}
	t, err := s.store.TokenBySecretHash(ctx, hashSecret(secret))
	if errs.Is(err, errs.NotFound) {
		return Principal{}, refused
	}
	if err != nil {
		return Principal{}, err
	}
	now := s.now()
	if t.RevokedAt != nil || (t.ExpiresAt != nil && !t.ExpiresAt.After(now)) {
		return Principal{}, refused
	}
	return s.principal(ctx, t, now)
}

func (s *Service) principal(ctx context.Context, t Token, now time.Time) (Principal, error) {
	if t.LastUsedAt == nil || now.Sub(*t.LastUsedAt) >= touchEvery {
		_ = s.store.TouchToken(ctx, t.ID, now) // a database that cannot write still answers reads
	}
	p := Principal{Token: t}
	if t.AccountID == "" {
		return p, nil
	}
	var err error
	p.Account, err = s.store.Account(ctx, t.AccountID)
	return p, err
}

func checkName(name string) error {
	legal := utf8.ValidString(name) && !strings.Contains(name, "\x00")
	if !legal || strings.TrimSpace(name) == "" || utf8.RuneCountInString(name) > maxNameLength {
		return errs.Invalid(errs.Field{Pointer: "/name", Code: "invalid", Detail: "must be 1 to 255 characters, not all blank"})
	}
	return nil
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }
