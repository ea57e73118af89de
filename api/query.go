package api

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/names"
	"github.com/orgbridge/orgbridge/internal/page"
)

const (
	defaultLimit = 50
	maxLimit     = 200
)

// query reads the query parameters of one request. Its methods note faults; err tells all of them, and refuses parameters that no
// method asked for.
type query struct {
	account string
	path    string
	sent    []parameter
	asked   []string
	filters url.Values
	list    []errs.Field
}

type parameter struct{ name, value string }

func newQuery(c echo.Context) *query {
	q := &query{account: accountID(c), path: c.Request().URL.Path, filters: url.Values{}}
	for pair := range strings.SplitSeq(c.Request().URL.RawQuery, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil || !utf8.ValidString(name) {
			q.fault(strings.ToValidUTF8(rawName, "\uFFFD"), faultInvalid, "This name is not encoded as it should be.")
			continue
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil || !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
			q.fault(name, faultInvalid, "This value is not encoded as it should be.")
			q.asked = append(q.asked, name) // one fault is enough
			continue
		}
		q.sent = append(q.sent, parameter{name: name, value: value})
	}
	return q
}

func (q *query) fault(parameter, code, detail string) {
	if len(q.list) < maxFaults {
		q.list = append(q.list, errs.Field{Parameter: parameter, Code: code, Detail: detail})
	}
}

// get returns the value of a parameter and whether it was sent.
func (q *query) get(name string) (string, bool) {
	q.asked = append(q.asked, name)
	for _, p := range q.sent {
		if p.name == name {
			return p.value, true
		}
	}
	return "", false
}

// filter is a parameter that chooses or orders rows: a cursor is good for the same filters only.
func (q *query) filter(name string) (string, bool) {
	value, sent := q.get(name)
	if value != "" {
		q.filters.Set(name, value)
	}
	return value, sent
}

func (q *query) search() string {
	text, _ := q.filter("search")
	if utf8.RuneCountInString(text) > names.MaxLength {
		q.fault("search", faultTooLong, "This must not be longer than 255 characters.")
	}
	return text
}

func (q *query) oneOf(name string, values ...string) string {
	value, sent := q.filter(name)
	if sent && !slices.Contains(values, value) {
		q.fault(name, faultNotOneOf, "This must be one of: "+strings.Join(values, ", ")+".")
	}
	return value
}

// id is an id of ours; empty when the parameter was not sent.
func (q *query) id(name string) string {
	value, sent := q.filter(name)
	if sent && !isID(value) {
		q.fault(name, faultInvalid, "This must be an id.")
	}
	return value
}

// mapped is nil when the parameter was not sent.
func (q *query) mapped() *bool {
	switch q.oneOf("mapped", "true", "false") {
	case "true":
		return new(true)
	case "false":
		return new(false)
	default:
		return nil
	}
}

func (q *query) count() bool { return q.yes("count") }

// yes tells whether a parameter is true. Without it, it is not.
func (q *query) yes(name string) bool {
	value, sent := q.get(name)
	if sent && value != "true" && value != "false" {
		q.fault(name, faultNotOneOf, "This must be one of: true, false.")
	}
	return value == "true"
}

func (q *query) limit() int {
	value, sent := q.get("limit")
	if !sent {
		return defaultLimit
	}
	n, err := strconv.Atoi(value)
	if err != nil || !only(value, '0', '9') || n < 1 || n > maxLimit {
		q.fault("limit", faultOutOfRange, "This must be a whole number from 1 to 200.")
		return defaultLimit
	}
	return n
}

// after is the position that the cursor stands for; nil for the first page. It has to be asked for after the filters.
func (q *query) after(fits func(page.Position) bool) *page.Position {
	value, _ := q.get("cursor")
	if value == "" {
		return nil
	}
	p, ok := openCursor(value, q.binding())
	if !ok || !fits(p) {
		q.fault("cursor", faultInvalid, "This cursor does not belong to this list with these filters.")
		return nil
	}
	return &p
}

// binding is what a cursor is good for.
func (q *query) binding() string {
	return q.account + "\n" + q.path + "\n" + q.filters.Encode()
}

// next is the cursor of the page that follows, nil when there is none.
func (q *query) next(p *page.Position) *string {
	if p == nil {
		return nil
	}
	return new(makeCursor(*p, q.binding()))
}

func (q *query) err() error {
	seen := map[string]bool{}
	for _, p := range q.sent {
		switch {
		case !slices.Contains(q.asked, p.name):
			q.fault(p.name, faultUnknownParam, "There is no such parameter.")
		case seen[p.name]:
			q.fault(p.name, faultRepeated, "This parameter may be given once.")
		}
		seen[p.name] = true
	}
	if len(q.list) == 0 {
		return nil
	}
	return errs.Invalid(q.list...)
}

// withoutQuery is for routes that take no query parameters.
func withoutQuery(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := newQuery(c).err(); err != nil {
			return err
		}
		return next(c)
	}
}

// pathID reads an id of ours from the path. What cannot be an id is answered like an id that does not exist.
func pathID(c echo.Context, name string) (string, error) {
	id := c.Param(name)
	if !isID(id) {
		return "", errs.New(errs.NotFound, "no such id")
	}
	return id, nil
}

// isID tells whether a text is a UUID in the one form in which ids are given out.
func isID(s string) bool {
	id, err := uuid.Parse(s)
	return err == nil && id.String() == s
}
