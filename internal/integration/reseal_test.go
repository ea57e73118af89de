package integration_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/faulttest"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/seal"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// killed is a store whose process is killed when it seals the second key anew, after or before that is done.
type killed struct {
	*store.Store

	after bool
	done  int
}

var errKilled = errors.New("killed")

func (k *killed) ReplaceSealedKey(ctx context.Context, in integration.Integration, sealed []byte) error {
	k.done++
	if k.done > 1 && !k.after {
		return errKilled
	}
	if err := k.Store.ReplaceSealedKey(ctx, in, sealed); err != nil || !k.after {
		return err
	}
	return errKilled
}

// vault is a number of accounts whose keys a running server has sealed.
type vault struct {
	t      *testing.T
	store  *store.Store
	file   string
	server *seal.Keyset
	keys   map[string]string // by account
}

func newVault(t *testing.T, s *store.Store, accounts int) *vault {
	t.Helper()
	v := &vault{t: t, store: s, file: filepath.Join(t.TempDir(), "keyset.json"), keys: map[string]string{}}
	v.ok(seal.Create(v.file))
	server, err := seal.Load(v.file)
	v.ok(err)
	v.server = server
	for range accounts {
		in := v.sealed()
		v.ok(v.connect(in))
	}
	return v
}

func (v *vault) ok(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

// sealed is an integration whose key the server has sealed and not stored yet.
func (v *vault) sealed() integration.Integration {
	v.t.Helper()
	in := integration.Integration{
		AccountID: storetest.Account(v.t, v.store), ID: storetest.ID(v.t), Region: itglue.RegionUS, ConnectedAt: storetest.Now(),
		AutoMap: integration.Off, APIKeyHint: "wxyz",
	}
	key := "ITG." + in.ID
	var err error
	in.SealedKey, err = v.server.Seal(key, faulttest.KeyOwner(in.AccountID, in.ID))
	v.ok(err)
	v.keys[in.AccountID] = key
	return in
}

func (v *vault) connect(in integration.Integration) error {
	return v.store.Connect(v.t.Context(), in.AccountID, in, integration.InitialSync{ID: storetest.ID(v.t)})
}

// opens demands that the server can open every stored key.
func (v *vault) opens() {
	v.t.Helper()
	all, err := v.store.SealedOtherwise(v.t.Context(), []byte("-----"), "", len(v.keys)+1)
	v.ok(err)
	for i := range all {
		key, err := v.server.Open(all[i].SealedKey, faulttest.KeyOwner(all[i].AccountID, all[i].ID))
		if err != nil || key != v.keys[all[i].AccountID] {
			v.t.Fatalf("a key is lost: %v", err)
		}
	}
}

func TestF50RotationKilledAtEveryRowLosesNoKey(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		rows := faulttest.Rounds(30, 1000)
		v := newVault(t, s, rows)
		late := v.sealed() // with the old key, and stored when the new one is in force
		kills := 0
		for finished := false; !finished; kills++ {
			r, err := seal.BeginRotation(v.file)
			v.ok(err)
			if _, err := seal.BeginRotation(v.file); err == nil {
				t.Fatal("two rotations at the same time")
			}
			added, err := r.Add()
			v.ok(err)
			if added != (kills == 0) {
				t.Fatalf("after %d kills a key was added: %t", kills, added)
			}
			v.ok(r.Promote())
			keyset, err := seal.Load(v.file)
			v.ok(err)
			_, err = integration.Reseal(t.Context(), &killed{Store: s, after: kills%2 == 0}, keyset, r.Primary(), nil)
			if err != nil && !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			finished = err == nil
			v.opens()
			uses, err := s.RetireSealingKeys(t.Context(), r.Old())
			v.ok(err)
			if finished != (uses == 0) {
				t.Fatalf("finished: %t, and %d rows still use the old key", finished, uses)
			}
			r.End()
		}
		if kills <= rows/2 {
			t.Fatalf("%d kills", kills)
		}
		if err := v.connect(late); !errs.Is(err, errs.Unavailable) {
			t.Fatalf("a key sealed with a retired one was stored: %v", err)
		}
		r, err := seal.BeginRotation(v.file)
		v.ok(err)
		v.ok(r.Remove())
		r.End()
		v.opens()
		v.ok(v.connect(v.sealed()))
		v.opens()
	})
}

func TestF50KeyStoredDuringARotationIsSealedAnewToo(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		v := newVault(t, s, 3)
		late := v.sealed()
		r, err := seal.BeginRotation(v.file)
		v.ok(err)
		defer r.End()
		_, err = r.Add()
		v.ok(err)
		v.ok(r.Promote())
		keyset, err := seal.Load(v.file)
		v.ok(err)
		_, err = integration.Reseal(t.Context(), s, keyset, r.Primary(), nil)
		v.ok(err)
		v.ok(v.connect(late))
		uses, err := s.RetireSealingKeys(t.Context(), r.Old())
		v.ok(err)
		if uses != 1 {
			t.Fatalf("%d rows use the old key", uses)
		}
		var told [][2]int
		done, err := integration.Reseal(t.Context(), s, keyset, r.Primary(), func(done, total int) { told = append(told, [2]int{done, total}) })
		v.ok(err)
		if want := [][2]int{{0, 1}, {1, 1}}; !slices.Equal(told, want) {
			t.Errorf("progress %v, want %v", told, want)
		}
		if done.Keys != 1 || len(done.Unreadable) != 0 {
			t.Fatalf("%+v", done)
		}
		uses, err = s.RetireSealingKeys(t.Context(), r.Old())
		v.ok(err)
		if uses != 0 {
			t.Fatalf("%d rows use the old key", uses)
		}
		v.ok(r.Remove())
		v.opens()
	})
}

func TestRotationRefusesAKeysetThatIsNoFile(t *testing.T) {
	t.Parallel()
	for _, ref := range []string{"env:e30=", filepath.Join(t.TempDir(), "none.json")} {
		if _, err := seal.BeginRotation(ref); err == nil {
			t.Errorf("%s was accepted", ref)
		}
	}
}
