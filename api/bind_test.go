package api_test

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/organization"
)

const connect = api.Base + "/integrations/itglue/connect"

func TestMalformedBodies(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	valid := `{"name":"Contoso","domain":"contoso.com","emailPlatform":"microsoft_365"}`
	for name, body := range map[string]string{
		"blank":                    " \n",
		"truncated":                valid[:len(valid)-1],
		"truncated in a text":      `{"name":"Con`,
		"duplicate name":           `{"name":"a","name":"b"}`,
		"duplicate when decoded":   `{"name":"a","n\u0061me":"b"}`,
		"duplicate deeper":         `{"x":{"a":1,"a":2}}`,
		"duplicate of one we lack": `{"x":1,"x":1}`,
		"trailing data":            valid + " {",
		"two values":               valid + valid,
		"closing brace":            valid + "}",
		"byte order mark":          "\xef\xbb\xbf" + valid,
		"UTF-16":                   "\xff\xfe{\x00}\x00",
		"broken UTF-8":             "{\"name\":\"a\xffb\"}",
		"broken UTF-8 in a name":   "{\"na\xffme\":\"a\"}",
		"lone high surrogate":      `{"name":"a\ud83d"}`,
		"lone low surrogate":       `{"name":"a\ude00"}`,
		"surrogates swapped":       `{"name":"\ude00\ud83d"}`,
		"raw control character":    "{\"name\":\"a\x00b\"}",
		"NaN":                      `{"name":NaN}`,
		"comment":                  `{"name":"a"/* b */}`,
		"single quotes":            `{'name':'a'}`,
		"trailing comma":           `{"name":"a",}`,
		"JSONP":                    `callback({"name":"a"})`,
		"leading zero":             `{"name":01}`,
		"too deep":                 strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33),
		"brackets":                 strings.Repeat("[", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantProblem(t, do(t, s, request{method: "POST", path: organizations, token: "admin", body: body}), 400, "malformed-body")
		})
	}
	empty := do(t, s, request{method: "POST", path: organizations, token: "admin", header: http.Header{"Content-Type": {"application/json"}}})
	wantProblem(t, empty, 400, "malformed-body")
}

func TestAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, c := range []struct {
		body string
		want []string
	}{
		{`null`, []string{" wrong-type"}},
		{`[]`, []string{" wrong-type"}},
		{`"x"`, []string{" wrong-type"}},
		{`1e400`, []string{" wrong-type"}},
		{`{}`, []string{"/name required", "/domain required", "/emailPlatform required"}},
		{`{"name":"","domain":null}`, []string{"/domain wrong-type", "/name required", "/emailPlatform required"}},
		{
			`{"NAME":"a","Domain":"b","email_platform":"c","__proto__":{}}`,
			[]string{
				"/NAME unknown-field", "/Domain unknown-field", "/email_platform unknown-field", "/__proto__ unknown-field",
				"/name required", "/domain required", "/emailPlatform required",
			},
		},
		{`{"name":1,"domain":["a"],"emailPlatform":{"a":1}}`, []string{"/name wrong-type", "/domain wrong-type", "/emailPlatform wrong-type"}},
		{
			`{"name":"a\u0000b","domain":"b","emailPlatform":"Microsoft_365","a/b~c":1,"":2}`,
			[]string{"/name invalid", "/a~1b~0c unknown-field", "/ unknown-field", "/emailPlatform not-one-of", "/domain domain-invalid"},
		},
		{
			`{"name":"` + strings.Repeat("é", 256) + `","domain":"` + strings.Repeat("d", 256) + `","emailPlatform":"microsoft_365"}`,
			[]string{"/name too-long", "/domain too-long"},
		},
		{
			`{"` + strings.Repeat("k", 65) + `":1,"name":" ","domain":"com","emailPlatform":"google_workspace"}`,
			[]string{" unknown-field", "/name name-blank", "/domain domain-invalid"},
		},
		{
			`{"name":"a","domain":"b.com","emailPlatform":"google_workspace","deep":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`,
			[]string{"/deep unknown-field"},
		},
	} {
		a := do(t, s, request{method: "POST", path: organizations, token: "admin", body: c.body})
		wantProblem(t, a, 422, "validation-failed")
		if got := a.faults(t); !slices.Equal(got, c.want) {
			t.Errorf("%.80s: %q, want %q", c.body, got, c.want)
		}
	}
	if calls := s.fake.called(); len(calls) > 0 {
		t.Errorf("calls: %v", calls)
	}
}

func TestTheNumberOfFaultsIsBounded(t *testing.T) {
	t.Parallel()
	var body strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&body, `,"k%d":1`, i)
	}
	a := do(t, newServer(t), request{method: "POST", path: organizations, token: "admin", body: "{" + body.String()[1:] + "}"})
	wantProblem(t, a, 422, "validation-failed")
	if n := len(a.faults(t)); n != 100 {
		t.Errorf("%d faults", n)
	}
}

func TestAcceptedBodies(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	name := strings.Repeat("𝕬", 255)
	for _, body := range []string{
		`{"name":"` + name + `","domain":"bücher.de","emailPlatform":"google_workspace"}`,
		"\n\t {\"emailPlatform\": \"google_workspace\", \"domain\":\"b\\u00fccher.de\" , \"name\":\"" + name + "\"}\r\n",
	} {
		a := do(t, s, request{method: "POST", path: organizations, token: "admin", body: body})
		if a.status != http.StatusCreated || a.header.Get("Location") != organizations+"/"+orgID {
			t.Fatalf("%d %s", a.status, a.body)
		}
		want := organization.New{Name: name, Domain: "bücher.de", EmailPlatform: organization.GoogleWorkspace}
		if got := s.fake.argFromEnd(1); got != want {
			t.Errorf("created %+v", got)
		}
	}
}

type nested struct {
	Title string   `json:"title" validate:"required,max=3"`
	Place *place   `json:"place"`
	Stops []place  `json:"stops" validate:"max=2,dive"`
	Tags  []string `json:"tags"`
}

type place struct {
	City string  `json:"city" validate:"required"`
	Zip  *string `json:"zip"`
	Size *int    `json:"size" validate:"omitempty,min=0,max=100"`
}

func TestNestedBodies(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"title":"a"}`: "",
		`{"title":"a","place":{"city":"b","size":100}}`:                                       "",
		`{"title":"a","stops":[],"tags":["x"]}`:                                               "",
		`{"title":"a","stops":[{"city":"b"},{"city":"c"}]}`:                                   "",
		`{"title":"a","place":{}}`:                                                            "/place/city required",
		`{"title":"a","place":null}`:                                                          "/place wrong-type",
		`{"title":"a","place":[]}`:                                                            "/place wrong-type",
		`{"title":"a","place":"b"}`:                                                           "/place wrong-type",
		`{"title":"a","place":{"city":1,"zip":2,"size":"3"}}`:                                 "/place/city wrong-type, /place/zip wrong-type, /place/size wrong-type",
		`{"title":"a","place":{"city":"b","City":"c"}}`:                                       "/place/City unknown-field",
		`{"title":"a","place":{"city":"b","a.b":1}}`:                                          "/place unknown-field",
		`{"title":"a","place":{"city":"b","zip":"\u0000"}}`:                                   "/place/zip invalid",
		`{"title":"a","place":{"city":"b","size":101}}`:                                       "/place/size out-of-range",
		`{"title":"a","place":{"city":"b","size":-1}}`:                                        "/place/size out-of-range",
		`{"title":"a","place":{"city":"b","size":1.5}}`:                                       "/place/size wrong-type",
		`{"title":"abcd","stops":[{"city":"b"},{"town":"c"}]}`:                                "/stops/1/town unknown-field, /title too-long, /stops/1/city required",
		`{"title":"a","stops":{}}`:                                                            "/stops wrong-type",
		`{"title":"a","stops":[1]}`:                                                           "/stops/0 wrong-type",
		`{"title":"a","stops":[null]}`:                                                        "/stops/0 wrong-type",
		`{"title":"a","stops":[{"city":"b"},{"city":"c"},{"city":"d"}]}`:                      "/stops too-long",
		`{"title":"a","stops":[` + strings.Repeat(`{"city":"b"},`, 20_000) + `{"city":"b"}]}`: "/stops too-long",
		`{"title":"a","tags":[1,"\u0000"]}`:                                                   "/tags/0 wrong-type, /tags/1 invalid",
	} {
		var got []string
		if failed, ok := errors.AsType[*errs.Error](api.Bind(body, &nested{})); ok {
			for _, f := range failed.Fields {
				got = append(got, f.Pointer+" "+f.Code)
			}
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%.100s: %q, want %q", body, got, want)
		}
	}
	var filled nested
	if err := api.Bind(`{"title":"a","place":{"city":"b","size":0},"stops":[{"city":"c"}],"tags":["d"]}`, &filled); err != nil {
		t.Fatal(err)
	}
	want := nested{Title: "a", Place: &place{City: "b", Size: new(int)}, Stops: []place{{City: "c"}}, Tags: []string{"d"}}
	if !reflect.DeepEqual(filled, want) {
		t.Errorf("%+v", filled)
	}
}

func TestContentTypes(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for contentType, ok := range map[string]bool{
		"application/json": true, "application/json; charset=utf-8": true, `Application/JSON; charset="UTF-8"`: true,
		"": false, "text/plain": false, "application/x-www-form-urlencoded": false, "multipart/form-data; boundary=x": false,
		"application/json; charset=utf-16": false, "application/json; charset=latin1": false, "application/jsonp": false,
		"application/merge-patch+json": false, "application/json, text/plain": false, ";": false,
	} {
		a := do(t, s, request{
			method: "POST", path: api.Base + "/syncs", token: "admin", body: `{"kind":"manual"}`,
			header: http.Header{"Content-Type": {contentType}},
		})
		if ok && a.status != http.StatusAccepted || !ok && a.status != http.StatusUnsupportedMediaType {
			t.Errorf("%q: %d", contentType, a.status)
		}
	}
	a := do(t, s, request{
		method: "POST", path: api.Base + "/syncs", token: "admin", body: "\x1f\x8b", header: http.Header{"Content-Encoding": {"gzip"}},
	})
	wantProblem(t, a, 415, "unsupported-media-type")
}

func TestBodiesOfUnknownLengthAreLimited(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ContentLength = -1
		s.ServeHTTP(w, r)
	})
	a := do(t, h, request{method: "POST", path: organizations, token: "admin", body: strings.Repeat(" ", 1<<20) + "{}"})
	wantProblem(t, a, 413, "payload-too-large")
	a = do(t, h, request{method: "POST", path: organizations, token: "admin", body: strings.Repeat(" ", 1<<20-2) + "{}"})
	wantProblem(t, a, 422, "validation-failed")
}

func TestTheKeyIsNeverRepeated(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, body := range []string{
		`{"apiKey":"` + canary + `","more":1}`,
		`{"apiKey":"` + canary + `","region":"` + canary + `"}`,
		`{"apiKey":"` + canary + ` ","region":"us"}`,
		`{"apiKey":"` + canary + `\n","region":"us"}`,
		`{"apiKey":"` + canary + `é","region":"us"}`,
		`{"apiKey":"` + strings.Repeat(canary, 100) + `","region":"us"}`,
		`{"apiKey":["` + canary + `"],"region":"us"}`,
		`{"apiKey":"` + canary + `","apiKey":"` + canary + `"}`,
		`{"apiKey":"` + canary + `" "region":"us"}`,
		`{"apiKey":` + canary + `}`,
		`{"apikey":"` + canary + `","region":"us"}`,
		`"` + canary + `"`,
		canary,
	} {
		for path, method := range map[string]string{connect: "POST", api.Base + "/integrations/itglue/test": "POST", itglueIntegration: "PATCH"} {
			a := do(t, s, request{method: method, path: path, token: "admin", body: body})
			if a.status != 400 && a.status != 422 {
				t.Errorf("%s %s: %d", path, body, a.status)
			}
		}
	}
	if a := do(t, s, request{method: "POST", path: connect, token: "admin", body: `{"apiKey":"` + canary + `","region":"us"}`}); a.status != 201 {
		t.Errorf("a good key: %d", a.status)
	}
	if strings.Contains(s.log.String(), "CANARY") {
		t.Errorf("the log has the key: %s", s.log)
	}
}

func TestCredentialRules(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for body, want := range map[string]string{
		`{"apiKey":"","region":"us"}`:                                  "/apiKey required",
		`{"apiKey":"a b","region":"us"}`:                               "/apiKey invalid",
		`{"apiKey":"a\r\nHost: x","region":"us"}`:                      "/apiKey invalid",
		`{"apiKey":"ключ","region":"us"}`:                              "/apiKey invalid",
		`{"apiKey":"` + strings.Repeat("k", 501) + `","region":"us"}`:  "/apiKey invalid",
		`{"apiKey":"k","region":"US"}`:                                 "/region not-one-of",
		`{"apiKey":"k","region":"https://evil.example"}`:               "/region not-one-of",
		`{"apiKey":"k","region":""}`:                                   "/region required",
		`{"apiKey":"k","region":"us","url":"https://evil.example"}`:    "/url unknown-field",
		`{"apiKey":"` + strings.Repeat("k", 500) + `","region":"au "}`: "/region not-one-of",
	} {
		a := do(t, s, request{method: "POST", path: connect, token: "admin", body: body})
		if got := a.faults(t); !slices.Equal(got, []string{want}) {
			t.Errorf("%.60s: %q, want %q", body, got, want)
		}
	}
}

// TestFieldsThatAreNotOffered sends what the domain knows but a client has no say in.
func TestFieldsThatAreNotOffered(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var fields []string
	for _, typ := range []reflect.Type{reflect.TypeFor[organization.Organization](), reflect.TypeOf(s.fake.in), reflect.TypeOf(s.fake.row)} {
		for f := range typ.Fields() {
			name := f.Name
			fields = append(fields, name, strings.ToLower(name), strings.ToLower(name[:1])+name[1:])
		}
	}
	fields = append(fields, "id", "account_id", "role", "epoch", "created_at", "force")
	for _, r := range api.Routes() {
		body := bodyOf(r)
		if body == "" {
			continue
		}
		for _, field := range fields {
			if strings.Contains(body, `"`+field+`"`) || field == "domain" && strings.HasPrefix(body, `{"name"`) {
				continue // a domain is offered, or refused in a way of its own
			}
			extended := strings.TrimSuffix(body, "}") + `,"` + field + `":"x"}`
			a := do(t, s, request{method: r.Method, path: pathWithIDs(r.Path), token: tokenFor(r), body: extended})
			if got := a.faults(t); !slices.Equal(got, []string{"/" + field + " unknown-field"}) {
				t.Errorf("%s %s with %s: %q", r.Method, r.Path, field, got)
			}
		}
	}
	if calls := s.fake.called(); len(calls) > 0 {
		t.Errorf("calls: %v", calls)
	}
}
