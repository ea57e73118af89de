package store_test

import (
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/idempotency"
	"github.com/orgbridge/orgbridge/internal/organization"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

func keyed(key, body string) idempotency.Request {
	return idempotency.NewRequest(key, []byte("POST"), []byte("/x"), []byte(body))
}

// lapse has all leases run out.
func lapse(t *testing.T, s *store.Store) {
	t.Helper()
	storetest.Exec(t, s, "UPDATE idempotency_keys SET lease_until = '2000-01-01 00:00:00+00:00' WHERE lease_until IS NOT NULL")
}

func claimed(t *testing.T, s *store.Store, account, key, body string) *idempotency.Claim {
	t.Helper()
	claim, err := s.ClaimKey(t.Context(), account, keyed(key, body))
	ok(t, err)
	return claim
}

func newOrganization(t *testing.T, account, domain string) organization.Organization {
	t.Helper()
	return organization.Organization{
		ID: storetest.ID(t), AccountID: account, Name: "Contoso", Domain: domain, EmailPlatform: "google_workspace",
		CreatedAt: storetest.Now(), UpdatedAt: storetest.Now(),
	}
}

func TestAKeyIsAnsweredOnceAndTheSameForEver(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		account, other := storetest.Account(t, s), storetest.Account(t, s)
		first := claimed(t, s, account, "k", "body")
		if first.Answer != nil || len(first.Effects) > 0 {
			t.Fatalf("%+v", first)
		}
		_, err := s.ClaimKey(t.Context(), account, keyed("k", "body"))
		wantCode(t, err, errs.IdempotencyKeyInUse)
		_, err = s.ClaimKey(t.Context(), account, keyed("k", "other body"))
		wantCode(t, err, errs.IdempotencyKeyReused)
		claimed(t, s, account, "K", "body")
		claimed(t, s, other, "k", "another account's body")

		answer := idempotency.Answer{Status: 201, Header: map[string]string{"Location": "/x"}, Body: []byte("{}\x00\xff")}
		ok(t, s.AnswerKey(t.Context(), first, answer))
		same(t, *claimed(t, s, account, "k", "body").Answer, answer)
		wantCode(t, s.AnswerKey(t.Context(), first, idempotency.Answer{Status: 500}), errs.IdempotencyKeyInUse)
		wantCode(t, s.RenewKey(t.Context(), first), errs.IdempotencyKeyInUse)
		ok(t, s.ReleaseKey(t.Context(), first))
		same(t, *claimed(t, s, account, "k", "body").Answer, answer)
		_, err = s.ClaimKey(t.Context(), account, keyed("k", "other body"))
		wantCode(t, err, errs.IdempotencyKeyReused)
	})
}

func TestAReleasedKeyIsFreeForAnything(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		account := storetest.Account(t, s)
		ok(t, s.ReleaseKey(t.Context(), claimed(t, s, account, "k", "body")))
		claimed(t, s, account, "k", "other body")
	})
}

func TestAnAbandonedKeyIsTakenOverAndTheLateAttemptDoesNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		account := storetest.Account(t, s)
		late := claimed(t, s, account, "k", "body")
		lapse(t, s)
		ok(t, s.RenewKey(t.Context(), late)) // it lives after all
		_, err := s.ClaimKey(t.Context(), account, keyed("k", "body"))
		wantCode(t, err, errs.IdempotencyKeyInUse)
		lapse(t, s)
		_, err = s.ClaimKey(t.Context(), account, keyed("k", "other body"))
		wantCode(t, err, errs.IdempotencyKeyReused)
		next := claimed(t, s, account, "k", "body")

		ctx := idempotency.With(t.Context(), late)
		wantCode(t, s.CreateOrganization(ctx, account, newOrganization(t, account, "late.com"), event.Actor{}), errs.IdempotencyKeyInUse)
		wantCode(t, s.AnswerKey(t.Context(), late, idempotency.Answer{Status: 201}), errs.IdempotencyKeyInUse)
		wantCode(t, s.RenewKey(t.Context(), late), errs.IdempotencyKeyInUse)
		ok(t, s.ReleaseKey(t.Context(), late))
		if n := storetest.Value[int](t, s, "SELECT count(*) FROM organizations"); n != 0 {
			t.Errorf("%d organizations", n)
		}
		ctx = idempotency.With(t.Context(), next)
		ok(t, s.CreateOrganization(ctx, account, newOrganization(t, account, "next.com"), event.Actor{}))
	})
}

func TestEffectsAreKnownToTheNextAttempt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		account := storetest.Account(t, s)
		first := claimed(t, s, account, "k", "body")
		ctx := idempotency.With(t.Context(), first)
		a, b := newOrganization(t, account, "a.com"), newOrganization(t, account, "b.com")
		ok(t, s.CreateOrganization(ctx, account, a, event.Actor{}))
		wantCode(t, s.CreateOrganization(ctx, account, newOrganization(t, account, "a.com"), event.Actor{}), errs.DomainTaken)
		ok(t, s.CreateOrganization(ctx, account, b, event.Actor{}))
		ok(t, s.ReleaseKey(t.Context(), first)) // what has been done is not forgotten
		_, err := s.ClaimKey(t.Context(), account, keyed("k", "other body"))
		wantCode(t, err, errs.IdempotencyKeyReused)
		same(t, claimed(t, s, account, "k", "body").Effects, []idempotency.Effect{
			{Type: event.OrganizationCreated, OrganizationID: a.ID}, {Type: event.OrganizationCreated, OrganizationID: b.ID},
		})
	})
}

func TestKeysAreForgottenAfterTheirTime(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		account := storetest.Account(t, s)
		ok(t, s.AnswerKey(t.Context(), claimed(t, s, account, "old", "body"), idempotency.Answer{Status: 200}))
		storetest.Exec(t, s, "UPDATE idempotency_keys SET expires_at = '2000-01-01 00:00:00+00:00'")
		if again := claimed(t, s, account, "old", "other body"); again.Answer != nil {
			t.Error("answered although expired")
		}
		storetest.Exec(t, s, "UPDATE idempotency_keys SET expires_at = '2000-01-01 00:00:00+00:00'")
		claimed(t, s, account, "new", "body")
		ok(t, s.ForgetKeys(t.Context()))
		if n := storetest.Value[int](t, s, "SELECT count(*) FROM idempotency_keys"); n != 1 {
			t.Errorf("%d keys", n)
		}
	})
}

func TestNeitherKeyNorRequestIsStored(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		account := storetest.Account(t, s)
		r, again := keyed("ITG.SECRET", "body"), keyed("ITG.SECRET", "body")
		if string(r.Fingerprint()) == string(again.Fingerprint()) || !again.Is(r.Fingerprint()) || again.Is(nil) || strings.Contains(r.KeyHash, "SECRET") {
			t.Error("the fingerprint is not salted, or does not recognize its request")
		}
		if keyed("k", "a").Is(keyed("k", "b").Fingerprint()) || idempotency.NewRequest("k", []byte("ab")).Is(idempotency.NewRequest("k", []byte("a"), []byte("b")).Fingerprint()) {
			t.Error("different requests are taken for one")
		}
		_, err := s.ClaimKey(t.Context(), account, r)
		ok(t, err)
		if n := storetest.Value[int](t, s, "SELECT count(*) FROM idempotency_keys WHERE key_hash LIKE '%SECRET%'"); n != 0 {
			t.Error("the key is stored")
		}
	})
}
