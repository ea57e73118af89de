package oidc

import (
	"context"
	"crypto"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"

	"github.com/orgbridge/orgbridge/internal/errs"
)

const (
	// fetchPause is the least time between two looks at the provider's keys. A key that is not known is looked for after the pause, so
	// that a new one is found and made-up ones make no storm.
	fetchPause = 2 * time.Second
	// retryPause is how long a provider that failed is left alone.
	retryPause = 5 * time.Second
	// maxAge is how long keys are used without another look: one that the provider has withdrawn is good for no longer.
	maxAge = 5 * time.Minute
	// maxStale is how long they are used while the provider is out of reach.
	maxStale = 24 * time.Hour

	minRSABits = 2048
)

// snapshot is what is known of the provider's keys.
type snapshot struct {
	keys []jose.JSONWebKey
	// readAt is when the reading of the keys began; zero when they never were read.
	readAt time.Time
	// triedAt is when the last attempt to read them ended, and failure how.
	triedAt time.Time
	failure error
}

// step is what to do about a JWT.
type step int

const (
	use     step = iota // its key is known
	fetch               // look for the keys, and decide again
	behind              // use the key that is known, and look for the keys without waiting
	refuse              // the provider has no such key
	despair             // the provider cannot be asked
)

// decide is what to do at a time about a JWT that came before it, and whose key is known or not.
func (s snapshot) decide(known bool, cameAt, now time.Time) step {
	age := now.Sub(s.readAt)
	resting := s.failure != nil && now.Sub(s.triedAt) < retryPause
	useless := s.readAt.IsZero() || age > maxStale
	switch {
	case (useless || !known) && resting:
		return despair
	case useless:
		return fetch
	case known && (age <= maxAge || resting):
		return use
	case known && s.failure != nil:
		return behind
	case !known && !s.readAt.Before(cameAt):
		return refuse
	default:
		return fetch
	}
}

// keyRing holds the provider's keys. It reads them when they are needed, once for all who wait.
type keyRing struct {
	issuer string
	client *http.Client
	now    func() time.Time
	logger *slog.Logger
	pause  time.Duration
	flight singleflight.Group

	mu     sync.Mutex
	latest snapshot
}

func newKeyRing(issuer string, now func() time.Time, logger *slog.Logger) *keyRing {
	return &keyRing{issuer: issuer, client: newClient(), now: now, logger: logger, pause: fetchPause}
}

// find returns the provider's keys that a JWT with the header may be signed with, usually one. It answers [errs.Unauthenticated] when
// there is none, and [errs.Unavailable] when the provider cannot be asked.
func (r *keyRing) find(ctx context.Context, h header) ([]crypto.PublicKey, error) {
	cameAt := r.now()
	for {
		s := r.snapshot()
		keys, known := s.matching(h)
		switch s.decide(known, cameAt, r.now()) {
		case behind:
			r.renewBehind() //nolint:contextcheck // it is for others too
			return keys, nil
		case use:
			return keys, nil
		case refuse:
			return nil, refused("signed with a key that the issuer does not have")
		case despair:
			return nil, errs.New(errs.Unavailable, "The identity provider cannot be reached.").After(retryPause).Because(s.failure)
		case fetch:
			if err := r.renew(ctx); err != nil {
				return nil, err
			}
		}
	}
}

// matching are the keys with the header's id that go with its algorithm, and whether there is any key with that id.
func (s snapshot) matching(h header) (keys []crypto.PublicKey, known bool) {
	for i := range s.keys {
		key := &s.keys[i]
		if key.KeyID != h.keyID {
			continue
		}
		known = true
		if key.Algorithm == "" || key.Algorithm == h.algorithm {
			keys = append(keys, key.Key)
		}
	}
	return keys, known
}

func (r *keyRing) snapshot() snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.latest
}

// renew waits for the keys to be read, together with all others who do. How that ended is in the snapshot; the error is the context's.
func (r *keyRing) renew(ctx context.Context) error {
	select {
	case <-r.renewBehind(): //nolint:contextcheck // it is for others too, who may wait longer
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *keyRing) renewBehind() <-chan singleflight.Result {
	return r.flight.DoChan("keys", func() (any, error) {
		before := r.snapshot()
		if wait := r.pause - r.now().Sub(before.triedAt); wait > 0 {
			<-time.After(wait)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*fetchTimeout)
		defer cancel()
		after := before
		after.readAt = r.now()
		after.keys, after.failure = r.read(ctx)
		after.triedAt = r.now()
		if after.failure != nil {
			after.keys, after.readAt = before.keys, before.readAt
		}
		r.tell(ctx, before, after)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.latest = after
		return nil, nil // the result is the snapshot
	})
}

// tell logs failures, and the first success after a start or a failure.
func (r *keyRing) tell(ctx context.Context, before, after snapshot) {
	switch {
	case after.failure != nil:
		r.logger.WarnContext(ctx, "the identity provider's keys cannot be read", "issuer", r.issuer, "error", after.failure)
	case before.readAt.IsZero() || before.failure != nil:
		r.logger.InfoContext(ctx, "read the identity provider's keys", "issuer", r.issuer, "keys", len(after.keys))
	}
}

// read asks the provider where its keys are, and reads them.
func (r *keyRing) read(ctx context.Context) ([]jose.JSONWebKey, error) {
	provider, err := gooidc.NewProvider(gooidc.ClientContext(ctx, r.client), r.issuer)
	if err != nil {
		return nil, abridged(err)
	}
	var place struct {
		URL string `json:"jwks_uri"` //nolint:tagliatelle // the standard's name
	}
	if err := provider.Claims(&place); err != nil {
		return nil, abridged(err)
	}
	if err := private(place.URL); err != nil {
		return nil, fmt.Errorf("jwks_uri: %w", err)
	}
	text, err := r.get(ctx, place.URL)
	if err != nil {
		return nil, err
	}
	return usableKeys(text)
}

func (r *keyRing) get(ctx context.Context, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the keys are answered with status %d", response.StatusCode)
	}
	return io.ReadAll(response.Body)
}

// usableKeys reads a key set and leaves out what no JWT can be checked with: keys of kinds that are not known, for encryption, without
// an id, secret, or weak. It fails when nothing is left, because then it would forget good keys for nothing.
func usableKeys(text []byte) (keys []jose.JSONWebKey, err error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errors.New("the keys are not a JSON Web Key Set")
	}
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) == nil && usable(key) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no key to check a signature with")
	}
	return keys, nil
}

func usable(key jose.JSONWebKey) bool {
	public, isRSA := key.Key.(*rsa.PublicKey)
	return key.Valid() && key.IsPublic() && key.KeyID != "" && (key.Use == "" || key.Use == "sig") &&
		(!isRSA || public.N.BitLen() >= minRSABits)
}

// abridged is an error that may repeat a whole answer of the provider, short enough for the log.
func abridged(err error) error {
	const most = 200
	if text := err.Error(); len(text) > most {
		return errors.New(text[:most] + "…")
	}
	return err
}
