package securitytest

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"
)

// Canary is a secret that must be nowhere in the clear, however it is written.
type Canary struct {
	Name   string
	folded map[string][]byte // searched for without regard to case
	exact  map[string][]byte
}

// NewCanary looks for a secret, or for the beginning of one whose end is shown.
func NewCanary(name, secret string) Canary {
	lower := strings.ToLower(secret)
	wide := make([]byte, 0, 2*len(lower))
	for _, unit := range utf16.Encode([]rune(lower)) {
		wide = binary.LittleEndian.AppendUint16(wide, unit)
	}
	c := Canary{Name: name, exact: map[string][]byte{}, folded: map[string][]byte{
		"as it is": []byte(lower), "in hexadecimal": []byte(hex.EncodeToString([]byte(secret))), "in UTF-16": wide,
	}}
	for shift := range 3 { // what stands before it shifts the bits
		for alphabet, encoding := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64 of URLs": base64.RawURLEncoding} {
			encoded := encoding.EncodeToString(append(make([]byte, shift), secret...))
			c.exact[fmt.Sprintf("in %s, behind %d bytes", alphabet, shift)] = []byte(encoded[2*shift : len(encoded)-2])
		}
	}
	return c
}

// escapes are those of JSON and of URLs, for ASCII.
var escapes = regexp.MustCompile(`(?:\\u00|%)([0-7][0-9a-f])`)

func unescaped(lower []byte) []byte {
	return escapes.ReplaceAllFunc(lower, func(escape []byte) []byte {
		decoded, err := hex.AppendDecode(nil, escape[len(escape)-2:])
		if err != nil {
			return escape
		}
		return bytes.ToLower(decoded)
	})
}

// In tells in which forms the secret is in the content.
func (c Canary) In(content []byte) (found []string) {
	lower := bytes.ToLower(content)
	plain := unescaped(lower)
	for form, text := range c.folded {
		if bytes.Contains(lower, text) || bytes.Contains(plain, text) {
			found = append(found, form)
		}
	}
	for form, text := range c.exact {
		if bytes.Contains(content, text) {
			found = append(found, form)
		}
	}
	slices.Sort(found)
	return found
}
