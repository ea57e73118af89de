// Package names says what a name is: when two are equal, how they are ordered and searched, and which cannot be kept.
package names

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// MaxLength is the longest name of an organization, in code points.
const MaxLength = 255

// Normal returns the form in which names are compared: Unicode NFC. Case and spaces count.
func Normal(name string) string { return norm.NFC.String(name) }

// Equal tells whether two names match: equal code point by code point after NFC.
func Equal(a, b string) bool { return a == b || Normal(a) == Normal(b) }

// Folded returns the form in which names are searched and ordered: NFC, case folded, runs of white space made one space, cut to
// [MaxLength] code points. Names with the same folded form are not equal, but a person may have meant the same.
func Folded(name string) string {
	s := Normal(cases.Fold().String(Normal(name)))
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
	s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	n := 0
	for i := range s {
		if n == MaxLength {
			return s[:i]
		}
		n++
	}
	return s
}

// Problem is why a name cannot be an organization's.
type Problem string

// The problems; the empty one means that the name is fine.
const (
	Fine     Problem = ""
	Blank    Problem = "name-blank"
	TooLong  Problem = "name-too-long"
	NotLegal Problem = "name-not-legal"
)

// isSeen tells whether a character leaves something to see: white space, controls, characters that only direct others, fillers and the
// empty braille pattern do not.
func isSeen(r rune) bool {
	return r != '\u2800' && !unicode.IsSpace(r) &&
		!unicode.In(r, unicode.Cc, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}

// Check says whether an organization may have the name: something of it is to be seen, at most [MaxLength] code points, valid UTF-8
// without NUL. A replacement character (U+FFFD) is refused as well: JSON decoding puts it where a lone surrogate stood, so the true name
// is unknown.
func Check(name string) Problem {
	switch {
	case !utf8.ValidString(name) || strings.ContainsAny(name, "\x00\uFFFD"):
		return NotLegal
	case !strings.ContainsFunc(name, isSeen):
		return Blank
	case utf8.RuneCountInString(name) > MaxLength:
		return TooLong
	default:
		return Fine
	}
}
