package seal_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/internal/seal"
)

const secret = "ITG.0123456789abcdef"

func newKeyset(t *testing.T) (k *seal.Keyset, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "keyset.json")
	if err := seal.Create(path); err != nil {
		t.Fatal(err)
	}
	k, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return k, path
}

func TestSealedValueOpensForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	k, _ := newKeyset(t)
	sealed, err := k.Seal(secret, "account a")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(sealed), secret) {
		t.Fatal("the secret is readable in the sealed value")
	}
	if opened, err := k.Open(sealed, "account a"); err != nil || opened != secret {
		t.Fatalf("opened %q, %v", opened, err)
	}
	if _, err := k.Open(sealed, "account b"); err == nil {
		t.Fatal("opened for another owner")
	}
	for i := range sealed {
		broken := append([]byte(nil), sealed...)
		broken[i] ^= 1
		if _, err := k.Open(broken, "account a"); err == nil {
			t.Fatalf("opened with byte %d changed", i)
		}
	}
	other, _ := newKeyset(t)
	if _, err := other.Open(sealed, "account a"); err == nil {
		t.Fatal("opened with another keyset")
	}
}

func TestKeysetFile(t *testing.T) {
	t.Parallel()
	_, path := newKeyset(t)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o, want 600", info.Mode().Perm())
	}
	if err := seal.Create(path); err == nil {
		t.Error("an existing keyset was overwritten")
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("files left behind: %v, %v", files, err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Load("env:" + base64.StdEncoding.EncodeToString(raw)); err != nil {
		t.Errorf("env keyset refused: %v", err)
	}
}

func TestUnusableKeysetIsRefusedWithoutTellingItsContents(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(path, []byte(`{"primaryKeyId": 1, "secretpart": "CANARY"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"CANARY", path, filepath.Join(t.TempDir(), "none"), "env:???CANARY", "env:" + base64.StdEncoding.EncodeToString([]byte("CANARY"))} {
		_, err := seal.Load(ref)
		if err == nil {
			t.Errorf("%s was accepted", ref)
		} else if strings.Contains(err.Error(), "CANARY") {
			t.Errorf("the error tells the contents: %v", err)
		}
	}
}
