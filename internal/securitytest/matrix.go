package securitytest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/orgbridge/orgbridge/internal/e2e"
)

// attempt is one request of ours.
type attempt struct {
	as     e2e.Client
	method string
	path   string // with the query
	body   any
	header map[string]string
}

func (a attempt) String() string {
	body, _ := json.Marshal(a.body) //nolint:errchkjson // it is for people
	return fmt.Sprintf("%s %s %v %s", a.method, a.path, a.header, body)
}

// nobodys is an id that nobody has.
const nobodys = "01890000-0000-7000-8000-000000000000"

// Call is an operation of a document, with what it takes to ask for it.
type Call struct {
	Method string
	Path   string // with ids that nobody has
	Body   string // a valid one, if it takes any
	// Roles may use it; without any, everybody may.
	Roles []string
}

// Takes tells whether a path is one of this operation, with whatever for its ids.
func (c Call) Takes(path string) bool {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(c.Path), regexp.QuoteMeta(nobodys), "[^/]+") + "$").MatchString(path)
}

// Calls are all operations of the document that a server serves.
func Calls(tb testing.TB, server *e2e.Server) (calls []Call) {
	tb.Helper()
	doc := document(tb, server)
	items := doc.Paths.Map()
	for _, path := range slices.Sorted(maps.Keys(items)) {
		prefix := doc.Servers[0].URL
		if len(items[path].Servers) > 0 {
			prefix = ""
		}
		operations := items[path].Operations()
		for _, method := range slices.Sorted(maps.Keys(operations)) {
			call := Call{Method: method, Path: prefix + template.ReplaceAllString(path, nobodys)}
			roles, _ := operations[method].Extensions["x-roles"].([]any)
			for _, role := range roles {
				call.Roles = append(call.Roles, fmt.Sprint(role))
			}
			if len(roles) == 0 && len(*operations[method].Security) > 0 {
				tb.Errorf("%s %s needs a token and does not say of which role", method, path)
			}
			if schema := bodyOf(operations[method]); schema != nil {
				body, _ := json.Marshal(sample(schema, "")) //nolint:errchkjson // a sample is of plain values
				call.Body = string(body)
			}
			calls = append(calls, call)
		}
	}
	return calls
}

// place is where an operation takes an id.
type place struct {
	operation *openapi3.Operation
	method    string
	path      string // as documented
	in        string // path, query or body
	name      string
}

func (p place) String() string { return fmt.Sprintf("%s %s, %s in %s", p.method, p.path, p.name, p.in) }

// isID tells which parameters and properties are taken to hold ids or text by which something is found.
func isID(name string) bool {
	return strings.HasSuffix(name, "Id") || strings.HasSuffix(name, "ID") || strings.HasSuffix(name, "Ids") || name == "id"
}

// places finds all of them in a document. A new operation is found as soon as it is described.
func places(doc *openapi3.T) (all []place) {
	items := doc.Paths.Map()
	for _, path := range slices.Sorted(maps.Keys(items)) {
		operations := items[path].Operations()
		for _, method := range slices.Sorted(maps.Keys(operations)) {
			op := operations[method]
			for _, parameter := range op.Parameters {
				p := parameter.Value
				if p.In == "path" || (p.In == "query" && (isID(p.Name) || p.Name == "cursor" || p.Name == "search")) {
					all = append(all, place{op, method, path, p.In, p.Name})
				}
			}
			if schema := bodyOf(op); schema != nil {
				for _, name := range idsIn(schema, "") {
					all = append(all, place{op, method, path, "body", name})
				}
			}
		}
	}
	return all
}

func bodyOf(op *openapi3.Operation) *openapi3.Schema {
	if op.RequestBody == nil {
		return nil
	}
	media := op.RequestBody.Value.Content.Get("application/json")
	if media == nil || media.Schema == nil {
		return nil
	}
	return media.Schema.Value
}

// idsIn are the properties that take ids, as paths like "items.itglueOrganizationId".
func idsIn(schema *openapi3.Schema, prefix string) (found []string) {
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		property := schema.Properties[name].Value
		if isID(name) {
			found = append(found, prefix+name)
		}
		found = append(found, idsIn(property, prefix+name+".")...)
		if property.Items != nil {
			found = append(found, idsIn(property.Items.Value, prefix+name+".")...)
		}
	}
	return found
}

// sample is a valid value of a schema. Each call gives other texts, so that nothing is taken already.
func sample(schema *openapi3.Schema, name string) any {
	switch {
	case len(schema.Enum) > 0:
		return schema.Enum[0]
	case len(schema.Properties) > 0:
		object := map[string]any{}
		for property, s := range schema.Properties {
			if slices.Contains(schema.Required, property) {
				object[property] = sample(s.Value, property)
			}
		}
		return object
	case schema.Items != nil:
		return []any{sample(schema.Items.Value, name)}
	case schema.Type.Includes("boolean"):
		return true
	case schema.Type.Includes("integer"):
		return 1
	case name == "domain":
		return Unique("attack-") + ".example.net"
	default:
		return Unique("Attack ")
	}
}

// with is a copy of a body in which one property has the value, in every element of a list on the way to it.
func with(body any, path []string, value any) any {
	switch b := body.(type) {
	case map[string]any:
		changed := maps.Clone(b)
		if len(path) == 1 {
			changed[path[0]] = value
		} else {
			changed[path[0]] = with(changed[path[0]], path[1:], value)
		}
		return changed
	case []any:
		changed := make([]any, len(b))
		for i := range b {
			changed[i] = with(b[i], path, value)
		}
		return changed
	default: // an optional object that the sample left out
		return with(map[string]any{}, path, value)
	}
}

// Matrix makes all attempts and returns how many there were.
func (w *World) Matrix() (attempts int) {
	w.t.Helper()
	doc := document(w.t, w.server)
	found := places(doc)
	if len(found) < 25 {
		w.t.Fatalf("only %d places for ids are in the document", len(found))
	}
	for _, p := range found {
		for _, as := range []e2e.Client{w.admin, w.viewer} {
			if as.Token == w.viewer.Token && p.method != "GET" {
				continue // refused for another reason
			}
			attempts += w.attack(p, as)
		}
	}
	return attempts + w.headers()
}

func document(tb testing.TB, server *e2e.Server) *openapi3.T {
	tb.Helper()
	status, text := e2e.Client{T: tb, Base: server.Address}.Do("GET", "/openapi.json", nil)
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil || status != 200 {
		tb.Fatal(status, err)
	}
	return doc
}

// attack sends everything to one place and compares the answers with those for what does not exist.
func (w *World) attack(p place, as e2e.Client) (attempts int) {
	w.t.Helper()
	methods := []string{p.method}
	if p.method == "GET" {
		methods = append(methods, "HEAD")
	}
	for _, method := range methods {
		nothing := w.answerTo(p, as, method, w.unknown(p))
		for _, value := range w.values(p) {
			a := w.attempt(p, as, method, value)
			got := w.send(a)
			attempts++
			w.searchFor(a, got)
			switch {
			case got.Status >= 500:
				w.t.Errorf("%s: %d %s", a, got.Status, got.Body)
			case p.in == "path" && got.Status < 400:
				w.t.Errorf("%s: served: %s", a, got.Body)
			case w.comparable(p, value) && w.plain(got, value) != nothing:
				w.t.Errorf("%s: the answer differs from that for what does not exist:\n%s\n%s", a, w.plain(got, value), nothing)
			}
		}
	}
	return attempts
}

// comparable tells whether a value is of the same form as the unknown one.
func (w *World) comparable(p place, value string) bool {
	return slices.Contains(w.foreign.all(), value) && slices.Contains(w.foreign.itglue, value) == p.isITGlue()
}

// some is all of a list, or the first few of it where not the full figures are asked for.
func some(list []string) []string { return list[:min(len(list), Rounds(2, len(list)))] }

// unknown is a value of the same form that nobody has.
func (w *World) unknown(p place) string {
	if p.isITGlue() {
		return "99999999"
	}
	return nobodys
}

func (p place) isITGlue() bool { return strings.Contains(strings.ToLower(p.name), "itglue") }

// values are all that is tried in one place: what the other account has, of the right kind and of others, what is deleted, and what is no
// id at all.
func (w *World) values(p place) (values []string) {
	malformed := []string{
		"0", "-1", "1 OR 1=1", "1=0) OR (id=2", "%", "*", "null", "../" + w.foreign.organizations[0], "{" + w.foreign.organizations[0] + "}",
		strings.ToUpper(w.foreign.organizations[0]), strings.ReplaceAll(w.foreign.organizations[0], "-", ""), "\u0661\u0662",
		w.foreign.organizations[0] + "\x00", strings.Repeat("1", 300),
	}
	switch {
	case p.name == "cursor":
		return slices.Concat(w.foreign.cursors, some(malformed))
	case p.name == "search":
		return []string{"CANARY", "canary", "CANARY customer 1", "canary-1.example.org"}
	case p.isITGlue() && p.in == "body":
		return slices.Concat(some(w.foreign.itglue), w.foreign.organizations[:1], w.foreign.syncs[:1])
	default:
		return slices.Concat(some(w.foreign.organizations), w.foreign.deleted, some(w.foreign.syncs), some(w.foreign.itglue), some(w.foreign.others), some(malformed))
	}
}

// attempt is a request that is in order but for one value.
func (w *World) attempt(p place, as e2e.Client, method, value string) attempt {
	path, query := p.path, url.Values{}
	switch p.in {
	case "path":
		path = strings.ReplaceAll(path, "{"+p.name+"}", url.PathEscape(value))
	case "query":
		query.Set(p.name, value)
	}
	path = strings.NewReplacer("{organizationId}", w.own.organizations[0], "{syncId}", w.own.syncs[0], "{itglueId}", w.own.itglue[0]).Replace(path)
	// Of other kinds of objects we have none.
	path = template.ReplaceAllString(path, w.unknown(p))
	a := attempt{as: as, method: method, path: path}
	if len(query) > 0 {
		a.path += "?" + query.Encode()
	}
	if schema := bodyOf(p.operation); schema != nil {
		a.body = sample(schema, "")
		if p.in == "body" {
			a.body = with(a.body, strings.Split(p.name, "."), value)
		}
	}
	return a
}

func (w *World) answerTo(p place, as e2e.Client, method, value string) string {
	w.t.Helper()
	return w.plain(w.send(w.attempt(p, as, method, value)), value)
}

// plain is an answer without what differs between any two: the id of the request, the time, and the value that was sent.
func (w *World) plain(got e2e.Answer, value string) string {
	header := got.Header.Clone()
	for _, name := range []string{"X-Request-Id", "Date", "Content-Length"} {
		header.Del(name)
	}
	body := changing.ReplaceAllString(string(got.Body), `"$1":"…"`)
	if value != "" {
		body = strings.ReplaceAll(body, value, "VALUE")
	}
	return fmt.Sprint(got.Status, header, body)
}

// template is a parameter in a documented path.
var template = regexp.MustCompile(`\{\w+\}`)

// changing are the parts of an answer that differ between two of the same: those of problems, and when the directory was listed.
var changing = regexp.MustCompile(`"(instance|requestId|domain)":"[^"]*"`)

// headers uses the other account's entity tags and idempotency keys.
func (w *World) headers() (attempts int) {
	w.t.Helper()
	for _, tag := range w.foreign.tags {
		for _, path := range []string{"/organizations/", "/mappings/", "/syncs/"} {
			for _, header := range []string{"If-Match", "If-None-Match"} {
				a := attempt{as: w.admin, method: "GET", path: path + w.foreign.organizations[0], header: map[string]string{header: tag}}
				got := w.send(a)
				attempts++
				w.searchFor(a, got)
				if got.Status != 404 {
					w.t.Errorf("%s: %d %s", a, got.Status, got.Body)
				}
			}
		}
	}
	for _, key := range w.foreign.keys {
		body := map[string]string{"name": "Ours again", "domain": Unique("ours-") + ".example.net", "emailPlatform": "microsoft_365"}
		a := attempt{as: w.admin, method: "POST", path: "/organizations", body: body, header: map[string]string{"Idempotency-Key": key}}
		got := w.send(a)
		attempts++
		w.searchFor(a, got)
		if got.Status != 201 || got.Header.Get("Idempotency-Replayed") != "" {
			w.t.Errorf("%s: the key is also the other account's: %d %s", a, got.Status, got.Body)
		}
	}
	return attempts
}
