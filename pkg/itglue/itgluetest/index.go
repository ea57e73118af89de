package itgluetest

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	defaultPageSize = 50
	maxPageSize     = 1000
)

func itoa(n int) string { return strconv.Itoa(n) }

// row is a resource object without its id: everything from after the id to the
// closing brace.
type row struct {
	id   string
	rest []byte
	raw  string // written for the id, if set
}

// index is a page of an index before it is written.
type index struct {
	number, size int
	totalCount   int
	totalPages   int
	next         int // page number, 0 for null
	rows         []row
	rawIDs       bool // ids as JSON numbers
	links        url.Values
}

// paging reads page[number] and page[size]. Too large a size is clamped;
// nonsense is as good as nothing.
func (x *exchange) paging() (number, size int) {
	number, err := strconv.Atoi(x.query.Get("page[number]"))
	if err != nil || number < 1 {
		number = 1
	}

	size, err = strconv.Atoi(x.query.Get("page[size]"))
	if err != nil || size < 1 {
		size = defaultPageSize
	}

	return number, min(size, maxPageSize)
}

// slicePage cuts the page out of all that was found.
func slicePage[T any](found []T, number, size int) []T {
	// number may be as large as an int gets, so it is not multiplied first.
	if number-1 > len(found)/size {
		return nil
	}

	start := min((number-1)*size, len(found))

	return found[start:min(start+size, len(found))]
}

// page builds the index answer for the page of found, encoding only its rows.
func page[T any](x *exchange, found []T, known filterNames, encode func(T) row) answer {
	return pageOf(x, found, known, func(items []T) []row {
		rows := make([]row, len(items))
		for i, item := range items {
			rows[i] = encode(item)
		}

		return rows
	})
}

func pageOf[T any](x *exchange, found []T, known filterNames, encode func([]T) []row) answer {
	number, size := x.paging()

	if x.has(FaultEmptyList) {
		found = nil
	}

	served := x.servedPage(number)
	rows := slicePage(found, served, size)

	built := index{
		number: served, size: size,
		totalCount: len(found), totalPages: (len(found) + size - 1) / size,
		links: x.echo(known),
	}
	if served < built.totalPages {
		built.next = served + 1
	}

	built.rows = encode(rows)
	x.distort(&built)

	return apiAnswer(200, x.encodeIndex(built))
}

// echo returns the parameters that IT Glue repeats in links: those it knows.
func (x *exchange) echo(known filterNames) url.Values {
	echoed := make(url.Values)

	for name, values := range x.query {
		filter := strings.HasPrefix(name, "filter[")
		if filter && x.knows(known, name) || name == "sort" || name == "include" {
			echoed[name] = values
		}
	}

	return echoed
}

func (x *exchange) encodeIndex(built index) []byte {
	buf := make([]byte, 0, 1024+1024*len(built.rows))
	buf = append(buf, `{"data":[`...)

	for i, r := range built.rows {
		if i > 0 {
			buf = append(buf, ',')
		}

		buf = appendRow(buf, r, built.rawIDs)
	}

	buf = append(buf, `],"meta":{"current-page":`...)
	buf = strconv.AppendInt(buf, int64(built.number), 10)
	buf = append(buf, `,"next-page":`...)
	buf = appendPageNumber(buf, built.next)
	buf = append(buf, `,"prev-page":`...)
	buf = appendPageNumber(buf, built.previous())
	buf = append(buf, `,"total-pages":`...)
	buf = strconv.AppendInt(buf, int64(built.totalPages), 10)
	buf = append(buf, `,"total-count":`...)
	buf = strconv.AppendInt(buf, int64(built.totalCount), 10)
	buf = append(buf, `,"filters":{}},"links":`...)
	buf = x.appendLinks(buf, built)

	return append(buf, '}')
}

func (b index) previous() int {
	if b.number > b.totalPages {
		return b.totalPages
	}

	return b.number - 1
}

func appendRow(buf []byte, r row, rawID bool) []byte {
	buf = append(buf, `{"id":`...)

	switch {
	case r.raw != "":
		buf = append(buf, r.raw...)
	case rawID:
		buf = append(buf, r.id...)
	default:
		buf = appendString(buf, r.id)
	}

	return append(buf, r.rest...)
}

func appendPageNumber(buf []byte, number int) []byte {
	if number < 1 {
		return append(buf, "null"...)
	}

	return strconv.AppendInt(buf, int64(number), 10)
}

func (x *exchange) appendLinks(buf []byte, built index) []byte {
	if built.totalPages == 0 {
		return append(buf, "{}"...)
	}

	links := []struct {
		name   string
		number int
	}{
		{"self", built.number},
		{"first", 1},
		{"prev", built.previous()},
		{"next", built.next},
		{"last", built.totalPages},
	}

	buf = append(buf, '{')

	for i, link := range links {
		if i > 0 {
			buf = append(buf, ',')
		}

		buf = appendString(buf, link.name)
		buf = append(buf, ':')

		if link.number < 1 {
			buf = append(buf, "null"...)

			continue
		}

		buf = appendString(buf, x.pageURL(built, link.number))
	}

	return append(buf, '}')
}

func (x *exchange) pageURL(built index, number int) string {
	built.links.Set("page[number]", itoa(number))
	built.links.Set("page[size]", itoa(built.size))

	return x.base + x.path + "?" + built.links.Encode()
}

// filterNames are the filters a resource knows, in underscore spelling and
// without the leading "filter".
type filterNames []string

func (f filterNames) has(parameter string) bool {
	return slices.Contains(f, canonical(strings.TrimPrefix(parameter, "filter")))
}

// knows is known.has, unless filters are to be ignored.
func (x *exchange) knows(known filterNames, parameter string) bool {
	return known.has(parameter) && !x.has(FaultIgnoredFilters)
}

// canonical maps the accepted hyphenated spelling to the documented one.
func canonical(name string) string { return strings.ReplaceAll(name, "-", "_") }

// filters returns the values of the known filters of the query.
func (x *exchange) filters(known filterNames) map[string]string {
	filters := make(map[string]string)

	for parameter, values := range x.query {
		name, ok := strings.CutPrefix(parameter, "filter")
		if ok && strings.HasPrefix(name, "[") && x.knows(known, parameter) {
			filters[canonical(name)] = values[len(values)-1]
		}
	}

	return filters
}
