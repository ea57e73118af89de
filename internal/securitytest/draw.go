package securitytest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"pgregory.net/rapid"
)

// chance is true in so many of a hundred cases.
func chance(rt *rapid.T, percent int) bool { return rapid.IntRange(0, 99).Draw(rt, "chance") < percent }

func pick[T any](rt *rapid.T, from ...T) T { return rapid.SampledFrom(from).Draw(rt, "pick") }

// draw makes a request: a good one, one with something wrong in it, or one that is wrong all over.
func (f *Fuzzer) draw(rt *rapid.T) request {
	var on Staged
	from := f.operations
	if len(f.Staged) > 0 && chance(rt, 5) {
		on, from = rapid.SampledFrom(f.Staged).Draw(rt, "staged"), f.onSyncs
	}
	op := rapid.SampledFrom(from).Draw(rt, "operation")
	d := drawing{Fuzzer: f, rt: rt, wrong: pick(rt, 0, 0, 0, 10, 10, 60), on: on}
	r := request{op: op, method: op.method, header: http.Header{}, fine: d.wrong == 0}
	if op.method == http.MethodGet && chance(rt, 10) {
		r.method = http.MethodHead
	}
	if d.spoil() && chance(rt, 20) {
		r.method = pick(rt, "GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "PROPFIND", "get")
	}
	r.target = d.path(op) + d.query(op)
	d.headers(op, r.header)
	switch {
	case op.RequestBody != nil:
		r.body = d.body(op.RequestBody.Value.Content["application/json"].Schema.Value)
		r.header.Set("Content-Type", "application/json")
		if d.spoil() {
			r.header.Set("Content-Type", pick(rt, "", "text/plain", "application/xml", "application/json; charset=utf-16", "application/x-www-form-urlencoded"))
		}
	case d.spoil():
		r.body = d.rubbish()
	}
	return r
}

// drawing is how one request is made: wrong is the chance of each part of it to be wrong.
type drawing struct {
	*Fuzzer

	rt    *rapid.T
	wrong int
	on    Staged
}

func (d drawing) spoil() bool { return d.wrong > 0 && chance(d.rt, d.wrong) }

func (d drawing) path(op operation) string {
	path := op.path
	for _, p := range op.Parameters {
		if p.Value.In != openapi3.ParameterInPath {
			continue
		}
		value := d.text(p.Value.Name, p.Value.Schema.Value)
		if d.spoil() {
			value = d.oddText()
		}
		path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", url.PathEscape(value))
	}
	if d.spoil() && chance(d.rt, 20) {
		path = pick(d.rt, path+"/", "/"+path, strings.ToUpper(path), strings.Replace(path, "/", "/./", 2), path+"%00", path+"/..", path+";a=b", path+"//")
	}
	return path
}

func (d drawing) query(op operation) string {
	var pairs []string
	add := func(name, value string) { pairs = append(pairs, url.QueryEscape(name)+"="+url.QueryEscape(value)) }
	for _, p := range op.Parameters {
		if p.Value.In != openapi3.ParameterInQuery || chance(d.rt, 60) {
			continue
		}
		value := fmt.Sprint(d.value(p.Value.Name, p.Value.Schema.Value, 0))
		if d.spoil() {
			value = d.oddText()
		}
		add(p.Value.Name, value)
		if d.spoil() && chance(d.rt, 20) {
			add(p.Value.Name, value)
		}
	}
	if d.spoil() {
		add(pick(d.rt, "page", "fields", "id", "accountId", "LIMIT", "filter[name]", "", "search"), d.oddText())
	}
	if d.spoil() && chance(d.rt, 30) {
		pairs = append(pairs, pick(d.rt, "%zz", "%ff=%00", "limit=%", "&&", "a=b;c=d", "=", "?", "search=%C3%28", "limit[]=1"))
	}
	if len(pairs) == 0 {
		return ""
	}
	return "?" + strings.Join(pairs, "&")
}

func (d drawing) headers(op operation, h http.Header) {
	token := cmp.Or(d.on.Token, d.Tokens[0])
	if strings.HasPrefix(op.path, "/api/v1/accounts") {
		token = d.Operator
	}
	if d.wrong > 0 && chance(d.rt, 10) {
		token = rapid.SampledFrom(d.Tokens).Draw(d.rt, "token")
	}
	if token != "" {
		h.Set("Authorization", "Bearer "+token)
	}
	if d.spoil() && chance(d.rt, 10) {
		h.Set("Authorization", fit("Bearer "+d.oddText()))
	}
	for _, p := range op.Parameters {
		if p.Value.In == openapi3.ParameterInHeader && chance(d.rt, 20) {
			h.Set(p.Value.Name, d.header(p.Value.Name))
		}
	}
	if d.spoil() {
		name := pick(d.rt, "Accept", "X-Request-Id", "Idempotency-Key", "If-Match", "If-None-Match", "Range", "Origin", "Content-Encoding",
			"X-HTTP-Method-Override", "X-Forwarded-For", "Accept-Language", "Cookie", "X-Filler")
		h.Set(name, pick(d.rt, fit(d.oddText()), "text/html", "bytes=0-1", "gzip", "*", "DELETE", strings.Repeat("a", 33<<10)))
	}
}

func (d drawing) header(name string) string {
	if name == "Last-Event-ID" {
		return pick(d.rt, "0", "1", "7", strings.Repeat("A", 24), "999999999")
	}
	if name == "Idempotency-Key" {
		return fmt.Sprint("key-", rapid.IntRange(0, 500).Draw(d.rt, "key"))
	}
	tags := append(slices.Clone(d.known["If-Match"]), `"stale"`, "*", `W/"weak"`)
	if len(tags) > 8 {
		tags = tags[len(tags)-8:]
	}
	return rapid.SampledFrom(tags).Draw(d.rt, "tag")
}

// body is a body as the schema has it, or not quite.
func (d drawing) body(s *openapi3.Schema) string {
	if d.spoil() && chance(d.rt, 30) {
		return d.rubbish()
	}
	text, err := json.Marshal(d.value("", s, 0))
	if err != nil {
		panic(err)
	}
	body := string(text)
	if d.spoil() && chance(d.rt, 30) && body != "" {
		at := rapid.IntRange(0, len(body)-1).Draw(d.rt, "at")
		body = pick(d.rt, body[:at], body[:at]+body[at+1:], body[:at]+"\x00"+body[at:], body[:at]+"\xff"+body[at:], body[:at]+`"`+body[at:], body+body)
	}
	return body
}

// value is one of the schema, or something else.
func (d drawing) value(name string, s *openapi3.Schema, depth int) any {
	if d.spoil() && depth > 0 {
		return d.odd()
	}
	switch {
	case len(s.Enum) > 0:
		return rapid.SampledFrom(s.Enum).Draw(d.rt, name)
	case s.Type.Is("object"):
		return d.object(s, depth)
	case s.Type.Is("array"):
		items := make([]any, rapid.IntRange(1, 3).Draw(d.rt, name))
		for i := range items {
			items[i] = d.value(name, s.Items.Value, depth+1)
		}
		return items
	case s.Type.Is("boolean"):
		return name != "confirm" && rapid.Bool().Draw(d.rt, name) || chance(d.rt, 20)
	case s.Type.Is("integer"):
		low, high := 0, 1000
		if s.Min != nil {
			low = int(*s.Min)
		}
		if s.Max != nil {
			high = int(*s.Max)
		}
		return rapid.IntRange(low, high).Draw(d.rt, name)
	default:
		return d.text(name, s)
	}
}

func (d drawing) object(s *openapi3.Schema, depth int) any {
	out := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if !slices.Contains(s.Required, name) && chance(d.rt, 50) || d.spoil() {
			continue
		}
		out[name] = d.value(name, s.Properties[name].Value, depth+1)
	}
	if d.spoil() {
		out[pick(d.rt, "id", "accountId", "role", "Name", "__proto__", "", "a/b~c", strings.Repeat("k", 100), "a.b", "\x00")] = d.odd()
	}
	return out
}

// text is a good text for a field or parameter of that name.
func (d drawing) text(name string, s *openapi3.Schema) string {
	if name == "syncId" && d.on.SyncID != "" {
		return d.on.SyncID
	}
	kind := map[string]string{"itglueOrganizationId": "itglueId", "itglueOrganization": "itglueId"}[name]
	if kind == "" {
		kind = name
	}
	if known := d.known[kind]; len(known) > 0 && chance(d.rt, 90) {
		return rapid.SampledFrom(known).Draw(d.rt, name)
	}
	switch {
	case name == "apiKey":
		return pick(d.rt, d.Secret, d.Secret, "ITG.wrong")
	case name == "domain":
		return Unique("d") + pick(d.rt, ".example.com", ".de", ".bücher.at", ".co.uk")
	case name == "timeZone":
		return pick(d.rt, "UTC", "America/New_York", "Asia/Kathmandu")
	case name == "time":
		return pick(d.rt, "00:00", "23:59", "12:30")
	case kind == "itglueId":
		return pick(d.rt, "1", "424242", "18446744073709551615")
	case name == "cursor":
		return ""
	case s.Format == "uuid":
		return "0198c5d0-0000-7000-8000-0000000000ff"
	case s.Format == "date-time":
		return later()
	default:
		return pick(d.rt, "Contoso", "Fabrikam "+Unique("n"), "Ünïcode", "a", "=1+1", "👩‍👩‍👧", "%", "' OR 1=1 --", "e\u0301", strings.Repeat("𝕬", 200))
	}
}

// odd is a value of any type.
func (d drawing) odd() any {
	switch rapid.IntRange(0, 9).Draw(d.rt, "odd") {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(d.rt, "boolean")
	case 2:
		return pick[any](d.rt, -1, 0, 1.5, 1e300, 1<<53+1, json.Number("1e400"), json.Number("9223372036854775808"), json.Number("-0"))
	case 3:
		return []any{}
	case 4:
		return map[string]any{"$ne": 1}
	case 5:
		return []any{map[string]any{}, nil, "x"}
	default:
		return d.oddText()
	}
}

func (d drawing) oddText() string {
	switch rapid.IntRange(0, 5).Draw(d.rt, "odd text") {
	case 0:
		return rapid.String().Draw(d.rt, "text")
	case 1:
		return string(rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(d.rt, "bytes"))
	case 2:
		all := slices.Concat(d.known["organizationId"], d.known["syncId"], d.known["cursor"], d.known["itglueId"], []string{"x"})
		return rapid.SampledFrom(all).Draw(d.rt, "of another kind")
	default:
		return pick(d.rt, "", " ", "0", "-1", "1 OR 1=1", "null", "../1", "a\x00b", "\u202e", "\u200b", "\ufffd", strings.Repeat("a", 256), strings.Repeat("a", 9000),
			"xn--a.com", "-a.com", "a..com", "127.0.0.1", "com", "24:00", "Nowhere/City", "true", "9223372036854775808", "01", "١٢", "<script>", "${jndi:x}", "%s%n", "*",
			"\x1b[31m", "a,b", `"a"`, `W/"x"`, "name;drop", "NAME", "201")
	}
}

// rubbish is a body that is no good one.
func (d drawing) rubbish() string {
	switch rapid.IntRange(0, 3).Draw(d.rt, "rubbish") {
	case 0:
		return string(rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(d.rt, "bytes"))
	case 1:
		text, _ := json.Marshal(d.odd()) //nolint:errchkjson // what comes of it is rubbish in any case
		return string(text)
	case 2:
		return rapid.String().Draw(d.rt, "text")
	default:
		return pick(d.rt, "null", "[]", "{}", `"x"`, "{", `{"a":1,"a":2}`, strings.Repeat("[", 5000), `{"a":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+"}",
			strings.Repeat(" ", 1<<20+1), "\xef\xbb\xbf{}", `{"name":"\ud800"}`, "a=b", "<x/>", `{"":{}}`, "1e400", "-0", `{"items":[`+strings.Repeat("{},", 1500)+"{}]}")
	}
}
