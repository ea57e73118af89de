// Package seal keeps secrets at rest: authenticated encryption under a keyset, each ciphertext bound to what it belongs to, so that
// it opens nowhere else.
package seal

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
)

// envPrefix marks a keyset reference that carries the keyset itself, in base64.
const envPrefix = "env:"

// markLength is how much of a sealed value tells with which key it was sealed.
const markLength = 5

// Mark is what everything begins with that is sealed with the same key as this.
func Mark(sealed []byte) []byte { return sealed[:min(markLength, len(sealed))] }

func read(ref string) ([]byte, error) {
	encoded, inline := strings.CutPrefix(ref, envPrefix)
	if !inline {
		raw, err := os.ReadFile(ref) //nolint:gosec // the operator names the file
		if failed, ok := errors.AsType[*fs.PathError](err); ok {
			// The name is left out: it is the keyset itself when somebody forgot the prefix.
			return nil, fmt.Errorf("read the keyset file (a keyset itself needs the prefix %q): %w", envPrefix, failed.Err)
		}
		return raw, err
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("the keyset after env: is not base64")
	}
	return raw, nil
}

// Create writes a new keyset with one AES-256-GCM key to a file that only its owner may read. It refuses to overwrite a file.
func Create(path string) error {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".keyset-*") // 0600
	if err != nil {
		return fmt.Errorf("create the keyset: %w", err)
	}
	defer os.Remove(file.Name())
	if err := write(handle, file); err != nil {
		return errors.Join(err, file.Close())
	}
	// The name appears with the whole keyset behind it, or not at all.
	if err := os.Link(file.Name(), path); err != nil {
		return fmt.Errorf("create the keyset: %w", err)
	}
	return nil
}

func write(handle *keyset.Handle, file *os.File) error {
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(file)); err != nil {
		return fmt.Errorf("write the keyset: %w", err)
	}
	if _, err := io.WriteString(file, "\n"); err != nil {
		return fmt.Errorf("write the keyset: %w", err)
	}
	// A sealed key is lost with its keyset, so the keyset must be on the disk before anything is sealed.
	if err := file.Sync(); err != nil {
		return fmt.Errorf("write the keyset: %w", err)
	}
	return file.Close()
}
