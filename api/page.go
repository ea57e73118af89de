package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/orgbridge/orgbridge/internal/page"
)

const (
	// cursorSum is how many bytes of the checksum a cursor carries.
	cursorSum = 16
	maxCursor = 4 << 10
)

// makeCursor writes a position as an opaque text. The checksum covers what the cursor is good for, so that one that was cut, changed
// or taken to another list, account or filter is noticed. It keeps honest clients from mistakes and is no secret: what a list shows
// is decided by the account of the token alone.
func makeCursor(p page.Position, binding string) string {
	position := binary.AppendUvarint(nil, uint64(len(p.Key)))
	position = append(position, p.Key...)
	position = append(position, p.ID...)
	return base64.RawURLEncoding.EncodeToString(append(sumCursor(position, binding), position...))
}

// openCursor reads the position of a cursor that was made for the same binding.
func openCursor(cursor, binding string) (page.Position, bool) {
	none := page.Position{}
	if len(cursor) > maxCursor || strings.ContainsAny(cursor, "\r\n") { // the decoder skips line ends
		return none, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) < cursorSum {
		return none, false
	}
	position := raw[cursorSum:]
	if string(sumCursor(position, binding)) != string(raw[:cursorSum]) {
		return none, false
	}
	length, n := binary.Uvarint(position)
	rest := string(position[max(0, n):])
	if n <= 0 || length > maxCursor || int(length) > len(rest) {
		return none, false
	}
	if !utf8.ValidString(rest) || strings.ContainsRune(rest, 0) {
		return none, false
	}
	return page.Position{Key: rest[:length], ID: rest[length:]}, true
}

func sumCursor(position []byte, binding string) []byte {
	h := sha256.New()
	h.Write([]byte("orgbridge cursor 1\n" + binding + "\n"))
	h.Write(position)
	return h.Sum(nil)[:cursorSum]
}

// A forged cursor may hold any position. These say which ones a list can begin after.
func atID(p page.Position) bool       { return isID(p.ID) && utf8.ValidString(p.Key) }
func atITGlueID(p page.Position) bool { return only(p.ID, '0', '9') && utf8.ValidString(p.Key) }
func atNumber(p page.Position) bool   { return only(p.Key, '0', '9') && len(p.Key) < 10 }
func atSequence(p page.Position) bool { return only(p.Key, '0', '9') && len(p.Key) < 19 }

// list is one page of a list.
type list[T any] struct {
	Items []T `json:"items" validate:"required"`
	// Pass as `cursor` to get the next page; null on the last page.
	NextCursor *string `json:"nextCursor" validate:"required" extensions:"x-nullable"`
	// Number of all rows; present only with `count=true`.
	Total *int `json:"total,omitempty" minimum:"0" example:"123"`
}

// total counts a list when the client asks for it.
func total(wanted bool, count func() (int, error)) (*int, error) {
	if !wanted {
		return nil, nil //nolint:nilnil // no total is no error
	}
	n, err := count()
	return &n, err
}
