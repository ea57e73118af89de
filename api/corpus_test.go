package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/internal/account"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// cell is one bad value in one place, and how it has to be answered.
type cell struct {
	where, value string
	r            request
	status       int
	code         string
	faults       []string // only with validation-failed; not compared when nil
}

// spot is one operation of the document, and a good request for it.
type spot struct {
	method, path, id string
	op               *openapi3.Operation
	body             map[string]any
}

// corpus makes the cells of a world.
type corpus struct {
	w        *world
	operator string
	ids      map[string]string
	cells    []cell
}

// goodBodies is a body that each operation accepts. An operation with a body that is missing here fails the test.
func goodBodies() map[string]string {
	const key = `{"apiKey":"` + canary + `","region":"eu"}`
	return map[string]string{
		"connectIntegration":  key,
		"testIntegration":     key,
		"changeIntegration":   `{"region":"eu","autoMap":"off","removalLimitPercent":5,"force":false,"dailySync":{"enabled":true,"timeZone":"UTC","time":"01:00"}}`,
		"createOrganization":  `{"name":"Contoso","domain":"corpus.example.com","emailPlatform":"microsoft_365"}`,
		"updateOrganization":  `{"name":"Contoso","emailPlatform":"microsoft_365"}`,
		"importOrganizations": `{"items":[{"itglueOrganizationId":"5","domain":"imported.example.com","emailPlatform":"microsoft_365"}]}`,
		"mapOrganization":     `{"itglueOrganizationId":"5"}`,
		"updateMapping":       `{"syncEnabled":true}`,
		"startSync":           `{"kind":"preview"}`,
		"createAccount":       `{"name":"Fabrikam"}`,
		"createToken":         `{"name":"Nightly","role":"viewer","expiresAt":"2099-01-01T00:00:00Z"}`,
		"createAccountToken":  `{"name":"Nightly","role":"viewer"}`,
	}
}

// TestAPI8EveryBadInputHasItsAnswer sends each bad value to each place that takes one. Where values can be sent is read out of the served
// document; what has to come back is said in the tables of this test alone.
func TestAPI8EveryBadInputHasItsAnswer(t *testing.T) {
	t.Parallel()
	w, held := heldWorld(t)
	_, operator, err := w.accounts.CreateToken(t.Context(), account.NewToken{Role: account.Operator, Name: "operator"}, event.Actor{})
	if err != nil {
		t.Fatal(err)
	}
	me := w.call(t, "GET", "/me", "", 200)
	c := &corpus{w: w, operator: operator, ids: map[string]string{
		"organizationId": w.call(t, "GET", "/mappings?state=active", "", 200).text(t, "items.0.organization.id"), "syncId": held, "itglueId": "5",
		"accountId": me.text(t, "account.id"), "tokenId": me.text(t, "token.id"),
	}}
	for _, p := range c.places(t) {
		c.headers(p)
		c.pathIDs(t, p)
		c.parameters(t, p)
		if p.body != nil {
			c.forms(p)
			c.fields(t, p)
		}
	}
	before := c.count(t)
	for _, x := range c.cells {
		c.send(t, x)
	}
	if after := c.count(t); after != before {
		t.Errorf("refused requests left traces: %s became %s", before, after)
	}
	t.Logf("figure: bad inputs, each with its exact answer: %d", len(c.cells))
	if len(c.cells) < 2000 {
		t.Errorf("only %d cells", len(c.cells))
	}
}

// count is what refused requests must not change.
func (c *corpus) count(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for _, path := range []string{"/organizations", "/syncs", "/events", "/tokens", "/accounts"} {
		token := c.w.admin
		if path == "/accounts" {
			token = c.operator
		}
		fmt.Fprint(&out, path, " ", c.w.callAs(t, token, "GET", path+"?count=true", "", 200).at("total"), " ")
	}
	return out.String()
}

func (c *corpus) places(t *testing.T) []spot {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(do(t, c.w, request{method: "GET", path: "/openapi.json"}).body))
	if err != nil {
		t.Fatal(err)
	}
	var out []spot
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		item := doc.Paths.Value(path)
		if len(item.Servers) > 0 {
			continue // asked by load balancers; takes nothing
		}
		for method, op := range item.Operations() {
			p := spot{method: method, path: api.Base + path, id: op.OperationID, op: op}
			if op.RequestBody != nil {
				good, known := goodBodies()[p.id]
				if !known {
					t.Errorf("%s takes a body: give it a good one", p.id)
					continue
				}
				if err := json.Unmarshal([]byte(good), &p.body); err != nil {
					t.Fatal(err)
				}
			}
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b spot) int { return strings.Compare(a.id, b.id) })
	return out
}

// good is a request for the operation with nothing wrong in it.
func (c *corpus) good(p spot) request {
	r := request{method: p.method, path: p.path, token: c.w.admin, header: http.Header{}}
	if strings.HasPrefix(p.path, api.Base+"/accounts") {
		r.token = c.operator
	}
	for name, id := range c.ids {
		r.path = strings.ReplaceAll(r.path, "{"+name+"}", id)
	}
	if p.body != nil {
		r.body = jsonOf(p.body)
	}
	return r
}

func jsonOf(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (c *corpus) add(p spot, where, value string, r request, status int, code string, faults ...string) {
	c.cells = append(c.cells, cell{where: p.id + " " + where, value: value, r: r, status: status, code: code, faults: faults})
}

func (c *corpus) send(t *testing.T, x cell) {
	t.Helper()
	a := do(t, c.w, x.r)
	name := fmt.Sprintf("%s = %.60q", x.where, x.value)
	if a.status < 400 {
		t.Errorf("%s: %d %.300s, want %d %s", name, a.status, a.body, x.status, x.code)
		return
	}
	if got := a.problem(t).Code; a.status != x.status || got != x.code {
		t.Errorf("%s: %d %s %.300s, want %d %s", name, a.status, got, a.body, x.status, x.code)
	}
	if got := a.faults(t); x.faults != nil && !slices.Equal(got, x.faults) {
		t.Errorf("%s: faults %q, want %q", name, got, x.faults)
	}
}

func (c *corpus) headers(p spot) {
	with := func(header string, values ...string) request {
		r := c.good(p)
		r.header[header] = values
		return r
	}
	for _, values := range badAuthorizations(c.good(p).token) {
		c.add(p, "Authorization", strings.Join(values, "|"), with("Authorization", values...), 401, "unauthenticated")
	}
	for _, parameter := range p.op.Parameters {
		if name := parameter.Value.Name; name == "Last-Event-ID" {
			for code, headers := range badLastEvents() {
				for _, values := range headers {
					r := with(http.CanonicalHeaderKey(name), values...)
					c.add(p, name, strings.Join(values, "|"), r, 422, "validation-failed", name+" "+code)
				}
			}
		}
	}
	for _, value := range badAccepts() {
		c.add(p, "Accept", value, with("Accept", value), 406, "not-acceptable")
	}
	if p.method == http.MethodPost {
		for _, values := range badIdempotencyKeys() {
			c.add(p, "Idempotency-Key", strings.Join(values, "|"), with("Idempotency-Key", values...), 400, "idempotency-key-invalid")
		}
	}
	if p.op.Responses.Status(http.StatusPreconditionFailed) != nil {
		for _, value := range staleTags() {
			r := with("If-Match", value)
			if p.id == "deactivateIntegration" {
				r.path += "?confirm=true" // it asks for that first
			}
			c.add(p, "If-Match", value, r, 412, "precondition-failed")
		}
	}
	if p.body == nil {
		return
	}
	for _, value := range badContentTypes() {
		c.add(p, "Content-Type", value, with("Content-Type", value), 415, "unsupported-media-type")
	}
	for _, value := range []string{"gzip", "br", "deflate", "identity", "gzip, gzip"} {
		c.add(p, "Content-Encoding", value, with("Content-Encoding", value), 415, "unsupported-media-type")
	}
}

func (c *corpus) pathIDs(t *testing.T, p spot) {
	t.Helper()
	for name := range c.ids {
		if !strings.Contains(p.path, "{"+name+"}") {
			continue
		}
		for _, value := range badIDs() {
			wrong := p
			wrong.path = strings.ReplaceAll(p.path, "{"+name+"}", value)
			c.add(p, "path", value, c.good(wrong), 404, "not-found")
		}
	}
}

func (c *corpus) parameters(t *testing.T, p spot) {
	t.Helper()
	add := func(query string, faults ...string) {
		r := c.good(p)
		r.path += "?" + query
		c.add(p, "query", query, r, 422, "validation-failed", faults...)
	}
	for _, name := range []string{"page", "filter%5B", "fields", "include", "LIMIT", "access_token", "apiKey", "accountId", "id", "%24where", "__proto__"} {
		unescaped := strings.NewReplacer("%5B", "[", "%24", "$").Replace(name)
		add(name+"=1", unescaped+" unknown-parameter")
	}
	add("%zz=1", "%zz invalid")
	add("%ff=1", "%ff invalid")
	for _, parameter := range p.op.Parameters {
		name := parameter.Value.Name
		if parameter.Value.In != openapi3.ParameterInQuery {
			continue
		}
		bad, known := badParameters()[name]
		if !known {
			t.Errorf("%s has a parameter %s: say what is bad in it", p.id, name)
		}
		for code, values := range bad {
			for _, value := range values {
				add(name+"="+value, name+" "+code)
			}
		}
		if good := goodParameters()[name]; good != "" {
			add(name+"="+good+"&"+name+"="+good, name+" repeated")
		}
	}
}

func (c *corpus) forms(p spot) {
	add := func(body string, status int, code string, faults ...string) {
		r := c.good(p)
		r.body = body
		if body == "" {
			r.header.Set("Content-Type", "application/json")
		}
		c.add(p, "body", body, r, status, code, faults...)
	}
	good := jsonOf(p.body)
	for _, body := range malformedBodies(good) {
		add(body, 400, "malformed-body")
	}
	for _, body := range []string{`null`, `[]`, `"x"`, `1`, `true`, `-0`, `1e400`, `[` + good + `]`, `"` + strings.Repeat("a", 900_000) + `"`} {
		add(body, 422, "validation-failed", " wrong-type")
	}
	for _, body := range []string{strings.Repeat(" ", 1<<20) + good, `"` + strings.Repeat("a", 10<<20) + `"`, "{" + strings.Repeat(`"k":1,`, 1e6)} {
		add(body, 413, "payload-too-large")
	}
	for _, object := range objectsIn(p.body, "") {
		for _, name := range foreignFields() {
			if _, offered := member(p.body, object).(map[string]any)[name]; !offered {
				add(jsonOf(changed(p.body, object+"/"+name, json.RawMessage(`"x"`))), 422, "validation-failed", object+"/"+name+" unknown-field")
			}
		}
	}
}

func (c *corpus) fields(t *testing.T, p spot) {
	t.Helper()
	schema := p.op.RequestBody.Value.Content["application/json"].Schema.Value
	for _, f := range fieldsOf(schema, "") {
		kind, known := kinds()[f.name]
		if !known {
			t.Errorf("%s has a field %s: say what is bad in it", p.id, f.pointer)
			continue
		}
		add := func(value, code string) {
			r := c.good(p)
			r.body = jsonOf(changed(p.body, f.pointer, json.RawMessage(value)))
			c.add(p, f.pointer, value, r, 422, "validation-failed", f.pointer+" "+code)
		}
		for value, typ := range everyType() {
			if typ != kind.typ {
				add(value, "wrong-type")
			}
		}
		if p.id == "importOrganizations" && f.name == "domain" {
			kind.bad = nil // it fails its item alone
		}
		for code, values := range kind.bad {
			if strings.HasPrefix(code, "name-") && slices.Contains([]string{"createAccount", "createToken", "createAccountToken"}, p.id) {
				code = "invalid" // only the names of organizations have codes of their own
			}
			for _, value := range values {
				add(value, code)
			}
		}
		if kind.typ == "string" {
			add(`"a\u0000b"`, "invalid")
			if code := kind.empty(f.required); code != "" {
				add(`""`, code)
			}
		}
	}
	for _, name := range schema.Required {
		r := c.good(p)
		body := maps.Clone(p.body)
		delete(body, name)
		r.body = jsonOf(body)
		c.add(p, "/"+name, "(left out)", r, 422, "validation-failed", "/"+name+" required")
	}
}

// field is a field of a body.
type field struct {
	pointer, name string
	required      bool
}

func fieldsOf(schema *openapi3.Schema, pointer string) []field {
	var out []field
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		value := schema.Properties[name].Value
		f := field{pointer: pointer + "/" + name, name: name, required: slices.Contains(schema.Required, name)}
		out = append(out, f)
		switch {
		case value.Type.Is("object"):
			out = append(out, fieldsOf(value, f.pointer)...)
		case value.Type.Is("array"):
			out = append(out, fieldsOf(value.Items.Value, f.pointer+"/0")...)
		}
	}
	return out
}

// objectsIn are the pointers to the objects of a body.
func objectsIn(v any, pointer string) []string {
	var out []string
	switch v := v.(type) {
	case map[string]any:
		out = append(out, pointer)
		for _, name := range slices.Sorted(maps.Keys(v)) {
			out = append(out, objectsIn(v[name], pointer+"/"+name)...)
		}
	case []any:
		for i := range v {
			out = append(out, objectsIn(v[i], pointer+"/"+strconv.Itoa(i))...)
		}
	}
	return out
}

func member(v any, pointer string) any {
	for name := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		switch inner := v.(type) {
		case map[string]any:
			if name != "" {
				v = inner[name]
			}
		case []any:
			i, _ := strconv.Atoi(name)
			v = inner[i]
		}
	}
	return v
}

// changed is a copy of a body with another value at a pointer.
func changed(body map[string]any, pointer string, value any) any {
	var fresh any
	if err := json.Unmarshal([]byte(jsonOf(body)), &fresh); err != nil {
		panic(err)
	}
	at := strings.LastIndex(pointer, "/")
	member(fresh, pointer[:at]).(map[string]any)[pointer[at+1:]] = value
	return fresh
}

// TestAPI8OddNamesAndDomainsAreKeptOrRefused adds and renames organizations with every name of the corpus, and adds one for every domain.
func TestAPI8OddNamesAndDomainsAreKeptOrRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.glue[itglue.RegionEU].Add(itgluetest.Organization{ID: "5", Name: "Elsewhere"})
	renamed := w.add(t, "To be renamed", "renamed.example.com")
	cells := 0
	try := func(method, path string, body map[string]any, want int, check func(o object) bool) {
		t.Helper()
		cells++
		a := do(t, w, request{method: method, path: api.Base + path, token: w.admin, body: jsonOf(body)})
		var o object
		if err := json.Unmarshal([]byte(a.body), &o); err != nil || a.status != want || !check(o) {
			t.Errorf("%s %s %.100q: %d %.300s, want %d", method, path, body, a.status, a.body, want)
		}
	}
	for i, name := range oddNames() {
		as := func(o object) bool { return o["name"] == name }
		try("POST", "/organizations", map[string]any{"name": name, "domain": fmt.Sprintf("n%d.example.com", i), "emailPlatform": "microsoft_365"}, 201, as)
		try("PATCH", "/organizations/"+renamed, map[string]any{"name": name}, 200, as)
	}
	for given, kept := range oddDomains() {
		body := map[string]any{"name": "Contoso", "domain": given, "emailPlatform": "microsoft_365"}
		try("POST", "/organizations", body, 201, func(o object) bool { return o["domain"] == kept })
		for _, again := range []string{given, kept, strings.ToUpper(kept), kept + "."} {
			body["domain"] = again
			try("POST", "/organizations", body, 409, func(o object) bool { return o["code"] == "domain-taken" })
		}
	}
	for _, value := range []any{"contoso.com", "", nil, 1, []string{}} {
		try("PATCH", "/organizations/"+renamed, map[string]any{"domain": value}, 422, func(o object) bool { return o["code"] == "domain-immutable" })
	}
	t.Logf("figure: odd names and domains, each with its exact answer: %d", cells)
}
