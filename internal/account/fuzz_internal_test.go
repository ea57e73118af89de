package account

import (
	"encoding/base32"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"
)

// FuzzWellFormed takes apart what is said to be a token, in another way than the code does, and makes tokens of any random bytes.
func FuzzWellFormed(f *testing.F) {
	f.Add("", make([]byte, 20), 7, byte('b'))
	f.Add(newSecret(), []byte("01234567890123456789"), 43, byte('7'))
	f.Add(secretPrefix+strings.Repeat("a", 39), []byte("xxxxxxxxxxxxxxxxxxxx"), 0, byte('O'))
	f.Fuzz(func(t *testing.T, secret string, random []byte, at int, with byte) {
		if wellFormed(secret) {
			raw, err := base32.StdEncoding.DecodeString(strings.ToUpper(strings.TrimPrefix(secret, "orgb_")) + "=")
			if err != nil || len(raw) != 24 || strings.ToLower(secret) != secret || crc32.ChecksumIEEE(raw[:20]) != binary.BigEndian.Uint32(raw[20:]) {
				t.Fatalf("%q was taken for a token: %v", secret, err)
			}
		}
		if len(random) < 20 {
			return
		}
		random = binary.BigEndian.AppendUint32(random[:20:20], crc32.ChecksumIEEE(random[:20]))
		token := []byte("orgb_" + strings.ToLower(strings.TrimRight(base32.StdEncoding.EncodeToString(random), "=")))
		if !wellFormed(string(token)) {
			t.Fatalf("%q was not taken for a token", token)
		}
		at = int(uint(at) % uint(len(token)))
		if token[at] != with {
			token[at] = with
			if wellFormed(string(token)) {
				t.Fatalf("%q was taken for a token, although a character was changed", token)
			}
		}
	})
}
