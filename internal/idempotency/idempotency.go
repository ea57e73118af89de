// Package idempotency has a request that is sent more than once done once. The key that a client gives its request is claimed before the
// request is served; the claim travels in the context, and what is done under it is noted in the transactions that do it. So a retry
// knows what an earlier attempt has done, even one that was killed before it could answer.
package idempotency

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/orgbridge/orgbridge/internal/event"
)

const (
	// KeptFor is how long a key is remembered.
	KeptFor = 24 * time.Hour
	// Lease is how long a request's owner is taken to be alive without a sign of life.
	Lease = 10 * time.Second
)

// Request is a request with a key, as it is recognized.
type Request struct {
	// KeyHash stands for the key. The key itself may be anything that a client thought of, a secret among them, and is not kept.
	KeyHash string

	digest [sha256.Size]byte
}

// NewRequest returns the request with the key. Requests are the same when all parts of them are, in their order.
func NewRequest(key string, parts ...[]byte) Request {
	sum := sha256.Sum256([]byte(key))
	all := sha256.New()
	for _, part := range parts {
		one := sha256.Sum256(part)
		all.Write(one[:])
	}
	return Request{KeyHash: hex.EncodeToString(sum[:]), digest: [sha256.Size]byte(all.Sum(nil))}
}

// saltSize is that of the salt in front of each fingerprint.
const saltSize = 16

// Fingerprint is what is kept of the request, to know it again. Bodies may hold an API key: the fingerprint is salted, so that nothing
// can be found in it but by trying whole bodies against this one row, and API keys are far too random for that.
func (r Request) Fingerprint() []byte {
	salt := make([]byte, saltSize, saltSize+sha256.Size)
	_, _ = rand.Read(salt) // never fails
	return append(salt, r.seasoned(salt)...)
}

// Is tells whether the fingerprint is of this request.
func (r Request) Is(fingerprint []byte) bool {
	return len(fingerprint) > saltSize && hmac.Equal(fingerprint[saltSize:], r.seasoned(fingerprint[:saltSize]))
}

func (r Request) seasoned(salt []byte) []byte {
	h := hmac.New(sha256.New, salt)
	h.Write(r.digest[:])
	return h.Sum(nil)
}

// Claim is the right of one attempt to serve a request. Nobody else has it until the attempt answers, gives up or is taken for dead; then
// whatever the attempt still tries to do under the claim fails.
type Claim struct {
	// AccountID is empty for operators, who share one set of keys.
	AccountID string
	KeyHash   string
	Owner     string
	// Effects is what earlier attempts have done.
	Effects []Effect
	// Answer is how the request was answered already; nil while it is to be served.
	Answer *Answer
}

// Effect is one fact that a request has brought about, by its ids; those that it is not about are empty.
type Effect struct {
	Type           event.Type `json:"type"`
	SyncID         string     `json:"syncId,omitempty"`
	OrganizationID string     `json:"organizationId,omitempty"`
	ITGlueID       string     `json:"itglueId,omitempty"`
	TokenID        string     `json:"tokenId,omitempty"`
	// AccountID is set for operators only, whose requests are about accounts.
	AccountID string `json:"accountId,omitempty"`
}

// EffectOf is the effect whose fact is recorded.
func EffectOf(fact *event.Event) Effect {
	e := Effect{Type: fact.Type, SyncID: fact.SyncID}
	if fact.Organization != nil {
		e.OrganizationID = fact.Organization.ID
	}
	if fact.ITGlue != nil {
		e.ITGlueID = fact.ITGlue.ID
	}
	e.TokenID, _ = fact.After[event.PropertyTokenID].(string)
	return e
}

// Answer is how a request was answered.
type Answer struct {
	Status int
	Header map[string]string
	Body   []byte
}

type contextKey struct{}

// With returns a context under which all that is done is done for the claim.
func With(ctx context.Context, c *Claim) context.Context {
	return context.WithValue(ctx, contextKey{}, c)
}

// From returns the claim that the context is under, nil for none.
func From(ctx context.Context) *Claim {
	c, _ := ctx.Value(contextKey{}).(*Claim)
	return c
}
