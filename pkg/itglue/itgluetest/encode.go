package itgluetest

import (
	"encoding/json"
	"strconv"
	"time"
)

// quickNotesInLists is how many characters of the quick notes a list shows.
const quickNotesInLists = 250

// Pages of 1,000 organizations are the common case, so resource objects are
// appended rather than marshalled.

// organizationRows encodes a page into one buffer that its rows share.
func organizationRows(records []*record) []row {
	var (
		rows = make([]row, len(records))
		buf  = make([]byte, 0, 900*len(records))
	)

	for i, r := range records {
		start := len(buf)
		buf = appendOrganization(buf, r, r.Name, false)
		rows[i] = row{id: r.ID, rest: buf[start:len(buf):len(buf)]}
	}

	return rows
}

func organizationRow(r *record) row {
	return row{id: r.ID, rest: appendOrganization(make([]byte, 0, 900), r, r.Name, false)}
}

// appendOrganization writes the rest of the resource object after its id.
func appendOrganization(buf []byte, r *record, name string, whole bool) []byte {
	notes := r.QuickNotes
	if !whole {
		notes = firstCharacters(notes, quickNotesInLists)
	}

	buf = append(buf, `,"type":"organizations","attributes":{"psa-integration":`...)
	buf = appendNullable(buf, r.PSAIntegration)
	buf = append(buf, `,"name":`...)
	buf = appendString(buf, name)
	buf = append(buf, `,"alert":`...)
	buf = appendNullable(buf, r.Alert)
	buf = append(buf, `,"description":`...)
	buf = appendNullable(buf, r.Description)
	buf = append(buf, `,"organization-type-id":`...)
	buf = appendNullableInt(buf, r.TypeID)
	buf = append(buf, `,"organization-type-name":`...)
	buf = appendNullable(buf, r.TypeName)
	buf = append(buf, `,"organization-status-id":`...)
	buf = appendNullableInt(buf, r.StatusID)
	buf = append(buf, `,"organization-status-name":`...)
	buf = appendNullable(buf, r.StatusName)
	buf = append(buf, `,"my-glue-account-id":`...)
	buf = appendNullableInt(buf, r.MyGlueAccountID)
	buf = append(buf, `,"my-glue-account-status":null,"primary":`...)
	buf = strconv.AppendBool(buf, r.Primary)
	buf = append(buf, `,"logo":"","quick-notes":`...)
	buf = appendNullable(buf, notes)
	buf = append(buf, `,"short-name":`...)
	buf = appendNullable(buf, r.ShortName)
	buf = append(buf, `,"created-at":`...)
	buf = appendTime(buf, r.CreatedAt)
	buf = append(buf, `,"updated-at":`...)
	buf = appendTime(buf, r.UpdatedAt)
	buf = append(buf, `,"parent-id":`...)
	buf = appendNullable(buf, r.ParentID)
	buf = append(buf, `,"ancestor-ids":`...)
	buf = appendAncestors(buf, r.ParentID)

	// Attributes that are in no documentation: IT Glue adds some unannounced.
	return append(buf, `,"restricted":false,"itg-revision":{"major":1,"tags":["a"]}},"relationships":{}}`...)
}

func appendAncestors(buf []byte, parentID string) []byte {
	if parentID == "" {
		return append(buf, "null"...)
	}

	return appendString(buf, "["+parentID+"]")
}

func domainRow(d domain) row {
	buf := append(make([]byte, 0, 500), `,"type":"domains","attributes":{"organization-id":`...)
	buf = append(buf, d.owner.ID...)
	buf = append(buf, `,"organization-name":`...)
	buf = appendString(buf, d.owner.Name)
	buf = append(buf, `,"resource-url":`...)
	buf = appendString(buf, "https://tenant.itglue.com/"+d.owner.ID+"/domains/"+strconv.FormatUint(d.id, 10))
	buf = append(buf, `,"name":`...)
	buf = appendString(buf, d.name)
	buf = append(buf, `,"screenshot":"","registrar-name":null,"notes":null,"expires-on":null,"updated-at":`...)
	buf = appendTime(buf, d.createdAt)

	return row{id: strconv.FormatUint(d.id, 10), rest: append(buf, `}}`...)}
}

func (l *lookup) row(entry lookupEntry) row {
	buf := append([]byte(nil), `,"type":"`+l.resourceType+`","attributes":{"name":`...)
	buf = appendString(buf, entry.name)
	buf = append(buf, `,"synced":false,"created-at":`...)
	buf = appendTime(buf, entry.createdAt)
	buf = append(buf, `,"updated-at":`...)
	buf = appendTime(buf, entry.updatedAt)

	return row{id: itoa(entry.id), rest: append(buf, `}}`...)}
}

func appendNullable(buf []byte, text string) []byte {
	if text == "" {
		return append(buf, "null"...)
	}

	return appendString(buf, text)
}

func appendNullableInt(buf []byte, n int) []byte {
	if n == 0 {
		return append(buf, "null"...)
	}

	return strconv.AppendInt(buf, int64(n), 10)
}

func appendTime(buf []byte, at time.Time) []byte {
	buf = append(buf, '"')
	buf = at.UTC().AppendFormat(buf, "2006-01-02T15:04:05.000Z")

	return append(buf, '"')
}

// appendString writes a JSON string. Broken UTF-8 goes out as it is: IT Glue
// may hold names that no program can have meant.
func appendString(buf []byte, text string) []byte {
	buf = append(buf, '"')

	start := 0

	for i := range len(text) {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' {
			continue
		}

		buf = append(buf, text[start:i]...)
		buf = appendEscaped(buf, c)
		start = i + 1
	}

	buf = append(buf, text[start:]...)

	return append(buf, '"')
}

func appendEscaped(buf []byte, c byte) []byte {
	const digits = "0123456789abcdef"

	if c == '"' || c == '\\' {
		return append(buf, '\\', c)
	}

	return append(buf, '\\', 'u', '0', '0', digits[c>>4], digits[c&0xf])
}

func firstCharacters(text string, n int) string {
	for i := range text {
		if n == 0 {
			return text[:i]
		}

		n--
	}

	return text
}

// document wraps a resource object into a show answer.
func documentAnswer(status int, r row, rawID bool) answer {
	body := appendRow([]byte(`{"data":`), r, rawID && json.Valid([]byte(r.id)))

	return apiAnswer(status, append(body, '}'))
}
