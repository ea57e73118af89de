package integration_test

import (
	"bytes"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/faulttest"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/seal"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

func (b *bundle) sealedKey(t *testing.T) []byte {
	t.Helper()
	in, err := b.store.Integration(t.Context(), b.accountID)
	if err != nil {
		t.Fatal(err)
	}
	return in.SealedKey
}

func newKeyset(t *testing.T) *seal.Keyset {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyset.json")
	if err := seal.Create(path); err != nil {
		t.Fatal(err)
	}
	keyset, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return keyset
}

func TestAPI8KeysetOfAnotherDatabaseSealsNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		t.Helper()
		b.connected(t, 1)
		sealed := b.sealedKey(t)
		right := b.service.Config
		wrong := right
		wrong.Keyset = newKeyset(t)
		b.service = integration.NewService(wrong)
		b.eu.AddKey(newKey)

		if _, err := b.service.Change(t.Context(), b.accountID, integration.Change{APIKey: new(newKey)}, b.by); !errs.Is(err, errs.Unavailable) {
			t.Errorf("a new key: %v", err)
		}
		other := storetest.Account(t, b.store)
		if _, err := b.service.Connect(t.Context(), other, b.by, apiKey, "eu"); !errs.Is(err, errs.Unavailable) {
			t.Errorf("another account: %v", err)
		}
		if !bytes.Equal(sealed, b.sealedKey(t)) {
			t.Error("the stored key was overwritten")
		}
		b.service = integration.NewService(right)
		if _, err := b.service.Connect(t.Context(), other, b.by, apiKey, "eu"); err != nil {
			t.Errorf("with the right keyset: %v", err)
		}
		b.worksWith(t, 3)
	})
}

func TestExamineCountsKeysByWhatSealedThem(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		check := func(keyset *seal.Keyset, want integration.Examined) {
			t.Helper()
			if found, err := integration.Examine(t.Context(), s, keyset); err != nil || found != want {
				t.Errorf("found %+v instead of %+v, %v", found, want, err)
			}
		}
		check(newKeyset(t), integration.Examined{})
		v := newVault(t, s, 5)
		check(v.server, integration.Examined{Readable: 5})
		check(newKeyset(t), integration.Examined{Unreadable: 5, Foreign: true})

		rotation, err := seal.BeginRotation(v.file)
		v.ok(err)
		defer rotation.End()
		_, err = rotation.Add()
		v.ok(err)
		v.ok(rotation.Promote())
		v.ok(v.connect(v.sealed()))
		check(v.server, integration.Examined{Readable: 6}) // sealed with two keys

		storetest.Exec(t, s, "UPDATE integrations SET sealed_key = $1 WHERE account_id = (SELECT CAST(min(CAST(account_id AS text)) AS "+idType(s)+") FROM integrations)",
			append([]byte{1, 2, 3, 4, 5}, "of a third key"...))
		check(v.server, integration.Examined{Readable: 5, Unreadable: 1})
	})
}

func idType(s *store.Store) string {
	if s.SQLite() != nil {
		return "text"
	}
	return "uuid"
}

func TestDiscardGivesUpOnlyWhatCannotBeOpened(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		t.Helper()
		b.connected(t, 1)
		s, good := b.store, b.service.Keyset
		in, err := s.Integration(t.Context(), b.accountID)
		if err != nil {
			t.Fatal(err)
		}
		lost, err := newKeyset(t).Seal(apiKey, faulttest.KeyOwner(b.accountID, in.ID))
		if err != nil {
			t.Fatal(err)
		}
		discard := func(confirmed bool, want ...string) {
			t.Helper()
			if accounts, err := integration.Discard(t.Context(), s, good, confirmed); err != nil || !slices.Equal(accounts, want) {
				t.Errorf("discarded those of %v instead of %v, %v", accounts, want, err)
			}
		}
		discard(true)
		b.worksWith(t, 3)

		storetest.Exec(t, s, "UPDATE integrations SET sealed_key = $1", lost)
		_, err = b.service.Change(t.Context(), b.accountID, integration.Change{APIKey: new(apiKey)}, b.by)
		if !errs.Is(err, errs.Unavailable) {
			t.Errorf("a new key before: %v", err)
		}
		discard(false, b.accountID)
		if !bytes.Equal(b.sealedKey(t), lost) {
			t.Error("given up without being confirmed")
		}
		discard(true, b.accountID)
		discard(true)
		if in, err = s.Integration(t.Context(), b.accountID); err != nil || len(in.SealedKey) > 0 || in.Attention == nil || in.Attention.Code != integration.CredentialsRejected {
			t.Errorf("integration %+v, %v", in, err)
		}
		if _, _, err := b.service.Client(t.Context(), b.accountID); !errs.Is(err, errs.ITGlueKeyRejected) {
			t.Errorf("without a key: %v", err)
		}
		events, err := s.Events(t.Context(), b.accountID, event.Filter{Type: event.CredentialsRejected, Limit: 10})
		if err != nil || len(events.Items) != 1 {
			t.Errorf("events %+v, %v", events, err)
		}
		if found, err := integration.Examine(t.Context(), s, good); err != nil || found != (integration.Examined{}) {
			t.Errorf("found %+v, %v", found, err)
		}

		if _, err := b.service.Change(t.Context(), b.accountID, integration.Change{APIKey: new(apiKey)}, b.by); err != nil {
			t.Fatal(err)
		}
		b.worksWith(t, 3)
		if in, err = s.Integration(t.Context(), b.accountID); err != nil || in.Attention != nil {
			t.Errorf("attention %+v, %v", in.Attention, err)
		}
	})
}

func TestRotationLeavesKeysAloneThatWereGivenUp(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		v := newVault(t, s, 2)
		storetest.Exec(t, s, "UPDATE integrations SET sealed_key = $1 WHERE account_id = $2", []byte{}, slices.Sorted(maps.Keys(v.keys))[0])
		done, err := integration.Reseal(t.Context(), s, v.server, []byte{1, 0, 0, 0, 0}, nil)
		if err != nil || done.Keys != 1 || len(done.Unreadable) != 0 {
			t.Errorf("%+v, %v", done, err)
		}
	})
}
