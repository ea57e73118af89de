package seal

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Keyset seals with its primary key and opens with any of its keys. It follows its file: keys are added to it and removed from it while
// programs run.
type Keyset struct {
	ref string

	mu        sync.Mutex
	raw       []byte
	primitive tink.AEAD
	marks     map[string]bool // those of its keys
}

// Load reads a keyset from a file, or from "env:" followed by the base64 of one. Errors never tell anything of its contents.
func Load(ref string) (*Keyset, error) {
	k := &Keyset{ref: ref}
	if _, err := k.current(); err != nil {
		return nil, err
	}
	return k, nil
}

// current reads the keyset if it has changed.
func (k *Keyset) current() (tink.AEAD, error) {
	raw, err := read(k.ref)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.primitive != nil && bytes.Equal(raw, k.raw) {
		return k.primitive, nil
	}
	handle, err := parse(raw)
	if err != nil {
		return nil, err
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, errors.New("the keyset holds no usable AEAD key")
	}
	k.raw, k.primitive, k.marks = raw, primitive, marks(handle)
	return primitive, nil
}

// known is the keyset as it was read last.
func (k *Keyset) known() tink.AEAD {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.primitive
}

func marks(handle *keyset.Handle) map[string]bool {
	known := make(map[string]bool, handle.Len())
	for i := range handle.Len() {
		if entry, err := handle.Entry(i); err == nil {
			known[string(prefix(entry.KeyID()))] = true
		}
	}
	return known
}

// Knows tells whether the value was sealed with a key of this keyset, by its mark alone: it may be damaged.
func (k *Keyset) Knows(sealed []byte) bool {
	_, _ = k.current() // what cannot be read now is judged by what was read last
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.marks[string(Mark(sealed))]
}

func parse(raw []byte) (*keyset.Handle, error) {
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(raw)))
	if err != nil {
		return nil, errors.New("the keyset is not a readable Tink JSON keyset")
	}
	return handle, nil
}

// Seal encrypts the secret for its owner: [Keyset.Open] needs the same owner. It reads the file again, since what is sealed with a key
// that is not in the file any more is lost, and fails when it cannot.
func (k *Keyset) Seal(secret, owner string) ([]byte, error) {
	primitive, err := k.current()
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	sealed, err := primitive.Encrypt([]byte(secret), []byte(owner))
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return sealed, nil
}

// Open decrypts what was sealed for this owner under a key of this keyset; anything else is an error. What it cannot open may have been
// sealed with a key that was added to the file meanwhile.
func (k *Keyset) Open(sealed []byte, owner string) (string, error) {
	secret, err := k.known().Decrypt(sealed, []byte(owner))
	if err != nil && !strings.HasPrefix(k.ref, envPrefix) {
		if fresh, readErr := k.current(); readErr == nil {
			secret, err = fresh.Decrypt(sealed, []byte(owner))
		}
	}
	if err != nil {
		return "", errors.New("the sealed value cannot be opened: another keyset, another owner, or it was changed")
	}
	return string(secret), nil
}
