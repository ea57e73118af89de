package account

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"hash/crc32"
	"strings"
)

// A secret is the prefix, which secret scanners can look for, 160 random bits and a checksum, so that a mistyped or cut token is
// refused without a look into the database.
const (
	secretPrefix = "orgb_"
	secretBytes  = 20
	secretLength = len(secretPrefix) + 39 // 24 bytes in base32 without padding
	hintLength   = len(secretPrefix) + 4
)

func secretEncoding() *base32.Encoding {
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
}

func newSecret() string {
	random := make([]byte, secretBytes, secretBytes+crc32.Size)
	_, _ = rand.Read(random) // never fails: it ends the process instead
	return secretPrefix + secretEncoding().EncodeToString(binary.BigEndian.AppendUint32(random, crc32.ChecksumIEEE(random)))
}

func wellFormed(secret string) bool {
	encoded, ok := strings.CutPrefix(secret, secretPrefix)
	if !ok || len(secret) != secretLength {
		return false
	}
	raw, err := secretEncoding().DecodeString(encoded)
	if err != nil || len(raw) != secretBytes+crc32.Size || secretEncoding().EncodeToString(raw) != encoded {
		return false // the last character has bits to spare, which decoding ignores
	}
	return binary.BigEndian.Uint32(raw[secretBytes:]) == crc32.ChecksumIEEE(raw[:secretBytes])
}

func hashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// matches tells whether the hash is the token's, in a time that does not depend on how much of it is.
func (t Token) matches(hash []byte) bool { return subtle.ConstantTimeCompare(t.SecretHash, hash) == 1 }

func hint(secret string) string { return secret[:hintLength] }
