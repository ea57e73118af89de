package itgluetest_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

func TestControl(t *testing.T) {
	t.Parallel()

	server := newServer(itgluetest.Generate(2))
	control := server.Control()
	id := server.Organizations()[0].ID

	steps := []struct {
		method, path, body string
		status             int
		want               string
	}{
		{http.MethodPost, "/_sim/organizations/" + id + "/rename", `{"name":"Renamed"}`, 204, ""},
		{http.MethodGet, "/_sim/organizations?name=Renamed", "", 200, `[{"id":"` + id + `","name":"Renamed"`},
		{http.MethodGet, "/_sim/organizations?name=Nobody", "", 200, "[]"},
		{http.MethodGet, "/_sim/organizations/" + id, "", 200, `"name":"Renamed"`},
		{http.MethodPost, "/_sim/organizations/" + id + "/rename", `{}`, 400, "name is missing"},
		{http.MethodPost, "/_sim/organizations/" + id + "/rename", `{"title":"x"}`, 400, "title"},
		{http.MethodPost, "/_sim/organizations/1/rename", `{"name":"x"}`, 404, "no such organization"},
		{http.MethodPost, "/_sim/organizations/" + id + "/delete", "", 204, ""},
		{http.MethodPost, "/_sim/organizations/" + id + "/delete", "", 404, "no such organization"},
		{http.MethodGet, "/_sim/organizations/" + id, "", 404, "no such organization"},
		{http.MethodPost, "/_sim/organizations", `{"id":"42","name":"New","domains":["new.example"]}`, 201, `{"id":"42","name":"New","domains":["new.example"]`},
		{http.MethodPost, "/_sim/organizations", `{"id":"x"}`, 400, "is not an IT Glue id"},
		{http.MethodPost, "/_sim/faults", `{"kind":"status","status":429,"retryAfter":"9"}`, 204, ""},
		{http.MethodPost, "/_sim/faults", `{"kind":"nonsense"}`, 400, "no fault"},
		{http.MethodPost, "/_sim/keys", `{"key":"second"}`, 204, ""},
		{http.MethodPost, "/_sim/keys", `{"key":" "}`, 400, "key is missing"},
	}
	for _, step := range steps {
		got := call(t, control, step.method, step.path, step.body)
		if got.status != step.status || !strings.Contains(got.text, step.want) {
			t.Errorf("%s %s %s: got %d %s", step.method, step.path, step.body, got.status, got.text)
		}
	}

	second := func(r *http.Request) { r.Header.Set("X-Api-Key", "second") }

	if got := call(t, server, http.MethodGet, "/organizations", "", second); got.status != 429 || got.header.Get("Retry-After") != "9" {
		t.Errorf("got %d", got.status)
	}

	call(t, control, http.MethodDelete, "/_sim/faults", "")

	if got := call(t, server, http.MethodGet, "/organizations", "", second); got.status != 200 || len(got.rows(t)) != 2 {
		t.Errorf("got %d %s", got.status, got.text)
	}

	call(t, control, http.MethodPost, "/_sim/keys/revoke", `{"key":"second"}`)

	if got := call(t, server, http.MethodGet, "/organizations", "", second); got.status != 403 {
		t.Errorf("got %d", got.status)
	}

	var calls struct {
		Count int               `json:"count"`
		Calls []itgluetest.Call `json:"calls"`
	}

	got := call(t, control, http.MethodGet, "/_sim/calls", "")
	if err := json.Unmarshal([]byte(got.text), &calls); err != nil || calls.Count != 3 || calls.Calls[0].Status != 429 {
		t.Errorf("got %s, %v", got.text, err)
	}

	call(t, control, http.MethodDelete, "/_sim/calls", "")
	call(t, control, http.MethodDelete, "/_sim/organizations", "")

	if server.CallCount() != 0 || len(server.Organizations()) != 0 {
		t.Errorf("got %d calls, %d organizations", server.CallCount(), len(server.Organizations()))
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()

	loaded, err := itgluetest.LoadFile("testdata/organizations.json")
	if err != nil || len(loaded) != 3 {
		t.Fatalf("got %+v, %v", loaded, err)
	}

	if first := loaded[0]; first.Name != "Müller & Söhne Logistik" || len(first.ID) != 16 || first.ShortName != "MSL" ||
		len(first.Domains) != 2 || first.TypeName != "Customer" {
		t.Errorf("got %+v", first)
	}

	if second := loaded[1]; second.Name != "  Happy Frog " || second.TypeName != "" {
		t.Errorf("got %+v", second)
	}

	for _, wrong := range []string{"", "{}", `[{"domains":[]}]`, `[{"name":1}]`} {
		if _, err := itgluetest.Load(strings.NewReader(wrong)); err == nil {
			t.Errorf("accepts %s", wrong)
		}
	}

	if _, err := itgluetest.LoadFile("testdata/missing.json"); err == nil {
		t.Error("reads a missing file")
	}
}

func TestGenerate(t *testing.T) {
	t.Parallel()

	generated := itgluetest.Generate(5000)
	if !reflect.DeepEqual(generated, itgluetest.Generate(5000)) {
		t.Error("is not the same every time")
	}

	ids, names, untyped := map[string]bool{}, map[string]bool{}, 0
	for _, organization := range generated {
		ids[organization.ID], names[organization.Name] = true, true

		if organization.TypeName == "" {
			untyped++
		}

		if len(organization.ID) != 16 {
			t.Errorf("got the id %s", organization.ID)
		}
	}

	if len(ids) != 5000 || len(names) != 5000 || untyped == 0 || !strings.HasPrefix(generated[0].Name, "Customer 000001 ") {
		t.Errorf("got %d ids, %d names, %d without a type", len(ids), len(names), untyped)
	}
}

func TestControlIsServedOnlyWhenAskedFor(t *testing.T) {
	t.Parallel()

	for want, server := range map[int]*itgluetest.Server{
		http.StatusForbidden: itgluetest.New(itgluetest.WithKey("k")),
		http.StatusOK:        itgluetest.New(itgluetest.WithKey("k"), itgluetest.WithBasePath("/v1"), itgluetest.WithControl()),
	} {
		got := call(t, server, http.MethodGet, "/_sim/organizations", "", func(r *http.Request) { r.Header.Del("X-Api-Key") })
		if got.status != want {
			t.Errorf("got %d instead of %d", got.status, want)
		}
	}
}
