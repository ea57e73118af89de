package oidc_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/orgbridge/orgbridge/internal/oidc/oidctest"
)

// keysOfAllKinds has one key for each algorithm that is taken.
func keysOfAllKinds(t *testing.T) (keys []oidctest.Key) {
	t.Helper()
	rsa := oidctest.RSAKey(t, "")
	for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512} {
		keys = append(keys, oidctest.Key{ID: string(alg), Algorithm: alg, Private: rsa.Private})
	}
	for alg, curve := range map[jose.SignatureAlgorithm]elliptic.Curve{
		jose.ES256: elliptic.P256(), jose.ES384: elliptic.P384(), jose.ES512: elliptic.P521(),
	} {
		private, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, oidctest.Key{ID: string(alg), Algorithm: alg, Private: private})
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return append(keys, oidctest.Key{ID: "EdDSA", Algorithm: jose.EdDSA, Private: private})
}
