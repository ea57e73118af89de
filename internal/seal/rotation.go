package seal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// Rotation replaces the keys of a keyset file, in steps that are each safe to be the last: a key is added, then it becomes the primary
// one, then what was sealed with others is sealed anew, then these are removed. One that was interrupted is finished by the next.
type Rotation struct {
	path   string
	handle *keyset.Handle
	unlock func()
}

// BeginRotation begins or goes on with the rotation of a file. It refuses a keyset that is no file, and a file that another rotation is
// working on.
func BeginRotation(ref string) (*Rotation, error) {
	if strings.HasPrefix(ref, envPrefix) {
		return nil, errors.New("a keyset that is given by its value cannot be rotated in place: write it to a file, rotate that, and give " +
			"the new value to every process")
	}
	path, err := filepath.EvalSymlinks(ref)
	if err != nil {
		return nil, errors.New("the keyset file is not there")
	}
	unlock, err := lock(path)
	if err != nil {
		return nil, err
	}
	r := &Rotation{path: path, unlock: unlock}
	raw, err := read(path)
	if err == nil {
		r.handle, err = parse(raw)
	}
	if err != nil {
		unlock()
		return nil, err
	}
	return r, nil
}

// End lets others rotate.
func (r *Rotation) End() { r.unlock() }

// Add adds a key, which nothing is sealed with yet. It does nothing when there is one, or when an earlier rotation is unfinished.
func (r *Rotation) Add() (added bool, err error) {
	if r.handle.Len() > 1 {
		return false, nil
	}
	return true, r.change(func(m *keyset.Manager) error {
		_, err := m.Add(aead.AES256GCMKeyTemplate())
		return err
	})
}

// Promote has everything sealed with the key that was added last.
func (r *Rotation) Promote() error {
	newest, err := r.handle.Entry(r.handle.Len() - 1)
	if err != nil {
		return fmt.Errorf("read the keyset: %w", err)
	}
	if newest.IsPrimary() {
		return nil
	}
	return r.change(func(m *keyset.Manager) error { return m.SetPrimary(newest.KeyID()) })
}

// Primary is what everything begins with that is sealed with the primary key.
func (r *Rotation) Primary() []byte {
	primary, err := r.handle.Primary()
	if err != nil {
		return nil // Tink reads no keyset without one
	}
	return prefix(primary.KeyID())
}

// Old are the beginnings of what is sealed with the other keys.
func (r *Rotation) Old() (prefixes [][]byte) {
	for _, id := range r.old() {
		prefixes = append(prefixes, prefix(id))
	}
	return prefixes
}

func (r *Rotation) old() (ids []uint32) {
	for i := range r.handle.Len() {
		if entry, err := r.handle.Entry(i); err == nil && !entry.IsPrimary() {
			ids = append(ids, entry.KeyID())
		}
	}
	return ids
}

// Remove removes all keys but the primary one. Nothing may be sealed with them any more.
func (r *Rotation) Remove() error {
	ids := r.old()
	if len(ids) == 0 {
		return nil
	}
	return r.change(func(m *keyset.Manager) error {
		var failed error
		for _, id := range ids {
			failed = errors.Join(failed, m.Delete(id))
		}
		return failed
	})
}

// prefix is how Tink marks what a key has sealed.
func prefix(id uint32) []byte { return binary.BigEndian.AppendUint32([]byte{1}, id) }

// change replaces the file by a changed one, in one step and readable by the same owner.
func (r *Rotation) change(how func(m *keyset.Manager) error) error {
	m := keyset.NewManagerFromHandle(r.handle)
	if err := how(m); err != nil {
		return fmt.Errorf("change the keyset: %w", err)
	}
	handle, err := m.Handle()
	if err != nil {
		return fmt.Errorf("change the keyset: %w", err)
	}
	file, err := os.CreateTemp(filepath.Dir(r.path), ".keyset-*") // 0600
	if err != nil {
		return fmt.Errorf("change the keyset: %w", err)
	}
	defer os.Remove(file.Name())
	if err := errors.Join(keepOwner(r.path, file), write(handle, file)); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := os.Rename(file.Name(), r.path); err != nil {
		return fmt.Errorf("change the keyset: %w", err)
	}
	r.handle = handle
	return syncDir(filepath.Dir(r.path))
}
