package oidc

import (
	"encoding/base64"
	"slices"
	"strings"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxToken = 16 << 10
	maxKeyID = 255
)

// algorithms are those whose signature only the provider can make: with a shared secret, whoever checks could sign.
func algorithms() []string {
	return []string{
		gooidc.RS256, gooidc.RS384, gooidc.RS512, gooidc.PS256, gooidc.PS384, gooidc.PS512,
		gooidc.ES256, gooidc.ES384, gooidc.ES512, gooidc.EdDSA,
	}
}

// header is what has to be known of a JWT to check its signature. Keys, and addresses of keys, that it brings along are not looked at.
type header struct {
	algorithm string
	keyID     string
}

// readHeader refuses what is not a JWT, signed in a way that can be trusted, before anything is asked or computed for it.
func readHeader(jwt string) (header, error) {
	if len(jwt) > maxToken {
		return header{}, refused("too long")
	}
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 || slices.ContainsFunc(parts, notBase64URL) {
		return header{}, refused("not three parts in base64url")
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(parts[0])
	if err != nil {
		return header{}, refused("the header is not base64url")
	}
	fields, err := object(text)
	if err != nil {
		return header{}, refused("the header is not an object")
	}
	h := header{algorithm: fields.text("alg"), keyID: fields.text("kid")}
	return h, h.check(fields)
}

func (h header) check(fields claims) error {
	_, critical := fields["crit"]
	switch {
	case !slices.Contains(algorithms(), h.algorithm):
		return refused("the algorithm is not allowed")
	case h.keyID == "" || len(h.keyID) > maxKeyID:
		return refused("no key id, or too long")
	case critical:
		return refused("an extension that must be understood")
	case fields["typ"] != nil && !isTokenType(fields.text("typ")):
		return refused("a JWT for something else") // such as a log-out
	default:
		return nil
	}
}

func isTokenType(kind string) bool {
	return slices.Contains([]string{"jwt", "at+jwt", "application/at+jwt"}, strings.ToLower(kind))
}

func notBase64URL(part string) bool {
	return part == "" || strings.ContainsFunc(part, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// claims are the members of a JSON object, by their exact names.
type claims map[string]jsontext.Value

// object reads a JSON object. Names that are there twice are an error, on each level: readers differ in which one they take.
func object(text []byte) (fields claims, err error) {
	err = json.Unmarshal(text, &fields)
	return fields, err
}

// text is a claim that is a string; empty when it is none.
func (c claims) text(name string) string {
	var value string
	if c[name].Kind() != '"' || json.Unmarshal(c[name], &value) != nil {
		return ""
	}
	return value
}

// texts are the strings of a claim that is a string or a list of strings; none when it is something else.
func (c claims) texts(name string) (values []string) {
	if one := c.text(name); one != "" {
		return []string{one}
	}
	if c[name].Kind() != '[' || json.Unmarshal(c[name], &values) != nil {
		return nil
	}
	return values
}
