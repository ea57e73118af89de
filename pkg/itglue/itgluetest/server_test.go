package itgluetest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

const key = "ITG.0123456789abcdef"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answer is what the tests read of an answer.
type answer struct {
	status int
	header http.Header
	text   string
	body   struct {
		Data  json.RawMessage `json:"data"`
		Meta  map[string]any  `json:"meta"`
		Links map[string]any  `json:"links"`
	}
}

type resource struct {
	ID         string         `json:"id"`
	Type       string         `json:"type"`
	Attributes map[string]any `json:"attributes"`
}

func (a answer) rows(t *testing.T) []resource {
	t.Helper()

	var rows []resource
	if err := json.Unmarshal(a.body.Data, &rows); err != nil {
		t.Fatalf("%v in %d %s", err, a.status, a.text)
	}

	return rows
}

func (a answer) row(t *testing.T) resource {
	t.Helper()

	var row resource
	if err := json.Unmarshal(a.body.Data, &row); err != nil {
		t.Fatalf("%v in %d %s", err, a.status, a.text)
	}

	return row
}

func (a answer) names(t *testing.T) []string {
	t.Helper()

	rows := a.rows(t)
	names := make([]string, 0, len(rows))

	for _, row := range rows {
		names = append(names, fmt.Sprint(row.Attributes["name"]))
	}

	return names
}

// call sends a request to the handler, with a body if there is one.
func call(t *testing.T, handler http.Handler, method, target, body string, change ...func(*http.Request)) answer {
	t.Helper()

	request := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	request.Header.Set("X-Api-Key", key)

	if body != "" {
		request.Header.Set("Content-Type", "application/vnd.api+json; charset=utf-8")
	}

	for _, f := range change {
		f(request)
	}

	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)

	got := answer{status: recorder.Code, header: recorder.Header(), text: recorder.Body.String()}
	_ = json.Unmarshal(recorder.Body.Bytes(), &got.body)

	return got
}

func get(t *testing.T, handler http.Handler, path string, query ...string) answer {
	t.Helper()

	values := url.Values{}
	for i := 0; i < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}

	return call(t, handler, http.MethodGet, path+"?"+values.Encode(), "")
}

func newServer(organizations []itgluetest.Organization, options ...itgluetest.Option) *itgluetest.Server {
	server := itgluetest.New(append(options, itgluetest.WithKey(key))...)
	server.Add(organizations...)

	return server
}

func TestKeys(t *testing.T) {
	t.Parallel()

	server := newServer(nil)
	server.AddKey("revoked")
	server.RevokeKey("revoked")

	for _, wrong := range []string{"", "wrong", "revoked"} {
		got := call(t, server, http.MethodGet, "/organizations", "", func(r *http.Request) { r.Header.Set("X-Api-Key", wrong) })
		if got.status != 403 || got.text != `{"message":"Forbidden"}` || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("key %q: got %d %s %s", wrong, got.status, got.header.Get("Content-Type"), got.text)
		}
	}

	got := get(t, server, "/organizations")
	if got.status != 200 || got.header.Get("Content-Type") != "application/vnd.api+json" {
		t.Errorf("got %d %s", got.status, got.header.Get("Content-Type"))
	}

	calls := server.Calls()
	if len(calls) != 4 || calls[0].KeyValid || calls[0].KeyHash != "" || !calls[3].KeyValid || calls[3].Status != 200 {
		t.Errorf("got calls %+v", calls)
	}
}

func TestPaging(t *testing.T) {
	t.Parallel()

	server := newServer(itgluetest.Generate(2345))

	t.Run("FiftyByDefault", func(t *testing.T) {
		t.Parallel()

		got := get(t, server, "/organizations")
		if len(got.rows(t)) != 50 || got.body.Meta["total-pages"] != 47.0 || got.body.Meta["total-count"] != 2345.0 {
			t.Errorf("got %d rows, meta %v", len(got.rows(t)), got.body.Meta)
		}

		if got.body.Meta["prev-page"] != nil || got.body.Meta["next-page"] != 2.0 || got.body.Links["prev"] != nil {
			t.Errorf("got %v, %v", got.body.Meta, got.body.Links)
		}
	})

	t.Run("AThousandAtMost", func(t *testing.T) {
		t.Parallel()

		got := get(t, server, "/organizations", "page[size]", "5000", "page[number]", "3", "sort", "id", "filter[typo]", "x")
		if len(got.rows(t)) != 345 || got.body.Meta["next-page"] != nil || got.body.Meta["prev-page"] != 2.0 {
			t.Errorf("got %d rows, meta %v", len(got.rows(t)), got.body.Meta)
		}

		// The ignored filter is not repeated.
		want := "http://example.com/organizations?page%5Bnumber%5D=1&page%5Bsize%5D=1000&sort=id"
		if got.body.Links["first"] != want || got.body.Links["next"] != nil {
			t.Errorf("got links %v", got.body.Links)
		}
	})

	t.Run("EmptyBeyondTheEnd", func(t *testing.T) {
		t.Parallel()

		for _, number := range []string{"48", "9223372036854775807"} {
			got := get(t, server, "/organizations", "page[number]", number)
			if got.status != 200 || len(got.rows(t)) != 0 || got.body.Meta["total-count"] != 2345.0 {
				t.Errorf("got %d %s", got.status, got.text)
			}
		}
	})

	t.Run("NonsenseIsIgnored", func(t *testing.T) {
		t.Parallel()

		got := get(t, server, "/organizations", "page[number]", "-1", "page[size]", "many")
		if len(got.rows(t)) != 50 || got.body.Meta["current-page"] != 1.0 {
			t.Errorf("got %v", got.body.Meta)
		}
	})

	t.Run("NoPagesWithoutMatch", func(t *testing.T) {
		t.Parallel()

		got := get(t, server, "/organizations", "filter[name]", "Nobody")
		if len(got.rows(t)) != 0 || got.body.Meta["total-pages"] != 0.0 || len(got.body.Links) != 0 {
			t.Errorf("got %s", got.text)
		}
	})
}

func TestLinksKeepTheBasePath(t *testing.T) {
	t.Parallel()

	for name, handler := range map[string]http.Handler{
		"WithBasePath": newServer(itgluetest.Generate(60), itgluetest.WithBasePath("/gateway/v1/")),
		"StripPrefix":  http.StripPrefix("/gateway/v1", newServer(itgluetest.Generate(60))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got := get(t, handler, "/gateway/v1/organizations")
			if next := fmt.Sprint(got.body.Links["next"]); !strings.HasPrefix(next, "http://example.com/gateway/v1/organizations?") {
				t.Errorf("got %q", next)
			}
		})
	}

	server := newServer(nil, itgluetest.WithBasePath("/gateway"))
	if got := get(t, server, "/organizations"); got.status != 404 {
		t.Errorf("outside the base path: got %d", got.status)
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()

	day := func(d int) time.Time { return time.Date(2026, 3, d, 12, 0, 0, 0, time.UTC) }
	server := newServer([]itgluetest.Organization{
		{ID: "1", Name: "Acme", TypeID: 5, TypeName: "Customer", StatusID: 7, StatusName: "Active", CreatedAt: day(1), Primary: true},
		{ID: "2", Name: "Foo, Bar", TypeID: 5, CreatedAt: day(5), PSAIntegration: "manage", PSAID: "77"},
		{ID: "3", Name: "Foo", CreatedAt: day(9), MyGlueAccountID: 10, GroupIDs: []int{4, 8}},
		{ID: "4", Name: "Bar", CreatedAt: day(20), MyGlueAccountID: 20},
		{ID: "5", Name: "Acme", StatusID: 8, StatusName: "Inactive", CreatedAt: day(21)},
	})

	for name, test := range map[string]struct {
		query []string
		want  string
	}{
		"NameExactly":           {[]string{"filter[name]", "Acme"}, "1 5"},
		"NameCaseCounts":        {[]string{"filter[name]", "acme"}, ""},
		"NameNotPartly":         {[]string{"filter[name]", "Acm"}, ""},
		"NamesTrimmed":          {[]string{"filter[name]", " Foo , Bar "}, "3 4"},
		"NameWithComma":         {[]string{"filter[name]", `Foo\, Bar`}, "2"},
		"IDs":                   {[]string{"filter[id]", "1,4"}, "1 4"},
		"IDsTrimmed":            {[]string{"filter[id]", " 4 , 1 "}, "1 4"},
		"IDsOnceEach":           {[]string{"filter[id]", "4,4,1,4"}, "1 4"},
		"IDsUnknown":            {[]string{"filter[id]", "4,99,x,"}, "4"},
		"IDsNone":               {[]string{"filter[id]", "99"}, ""},
		"IDsNotPartly":          {[]string{"filter[id]", "14"}, ""},
		"IDsAndName":            {[]string{"filter[id]", "1,4", "filter[name]", "Acme"}, "1"},
		"IDsSorted":             {[]string{"filter[id]", "1,5,4", "sort", "-id"}, "5 4 1"},
		"IDsExcluded":           {[]string{"filter[exclude][id]", "1,4"}, "2 3 5"},
		"Primary":               {[]string{"filter[primary]", "true"}, "1"},
		"NotPrimary":            {[]string{"filter[primary]", "false"}, "2 3 4 5"},
		"Type":                  {[]string{"filter[organization_type_id]", "5"}, "1 2"},
		"TypeHyphenated":        {[]string{"filter[organization-type-id]", "5"}, "1 2"},
		"Status":                {[]string{"filter[organization_status_id]", "7,8"}, "1 5"},
		"ExcludedNames":         {[]string{"filter[exclude][name]", "Acme,Bar"}, "2 3"},
		"ExcludedType":          {[]string{"filter[exclude][organization-type-id]", "5"}, "3 4 5"},
		"Range":                 {[]string{"filter[range][my_glue_account_id]", "10,20"}, "3 4"},
		"RangeOpen":             {[]string{"filter[range][my_glue_account_id]", "11,*"}, "4"},
		"Created":               {[]string{"filter[created_at]", "2026-03-05T12:00:00Z,2026-03-10"}, "2 3"},
		"CreatedSince":          {[]string{"filter[created_at]", "2026-03-10,*"}, "4 5"},
		"Updated":               {[]string{"filter[updated-at]", "*,2026-03-02"}, "1"},
		"Group":                 {[]string{"filter[group_id]", "8"}, "3"},
		"PSAType":               {[]string{"filter[psa_integration_type]", "manage"}, "2"},
		"PSA":                   {[]string{"filter[psa_integration_type]", "manage", "filter[psa_id]", "77"}, "2"},
		"Both":                  {[]string{"filter[name]", "Acme", "filter[organization_status_id]", "8"}, "5"},
		"UnknownIgnored":        {[]string{"filter[short_name]", "x", "filter", "y", "filter[", "z"}, "1 2 3 4 5"},
		"SortByNameAndID":       {[]string{"sort", "-name,-id"}, "2 3 4 5 1"},
		"SortHyphenated":        {[]string{"sort", "-created-at"}, "5 4 3 2 1"},
		"SortUnknownIgnored":    {[]string{"sort", "(select 1)"}, "1 2 3 4 5"},
		"SortByIDDescending":    {[]string{"sort", "-id"}, "5 4 3 2 1"},
		"IncludeDomainsIgnored": {[]string{"include", "domains"}, "1 2 3 4 5"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			rows := get(t, server, "/organizations", test.query...).rows(t)
			ids := make([]string, 0, len(rows))

			for _, row := range rows {
				ids = append(ids, row.ID)
			}

			if got := strings.Join(ids, " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}

	for name, query := range map[string][]string{
		"PSAWithoutType": {"filter[psa_id]", "77"},
		"DateAlone":      {"filter[created_at]", "2026-03-05"},
		"NoDate":         {"filter[created_at]", "yesterday,today"},
	} {
		t.Run("Refuses"+name, func(t *testing.T) {
			t.Parallel()

			if got := get(t, server, "/organizations", query...); got.status != 422 || !strings.Contains(got.text, `"status":422`) {
				t.Errorf("got %d %s", got.status, got.text)
			}
		})
	}

	t.Run("WeekLimitAndStrictIncludes", func(t *testing.T) {
		t.Parallel()

		strict := newServer(nil, itgluetest.WithWeekLimit(), itgluetest.WithStrictIncludes())

		for want, query := range map[int][]string{
			422: {"filter[updated_at]", "2026-03-01,2026-03-09"},
			200: {"filter[updated_at]", "2026-03-01,*"},
			400: {"include", "domains"},
		} {
			if got := get(t, strict, "/organizations", query...); got.status != want {
				t.Errorf("%v: got %d, want %d", query, got.status, want)
			}
		}

		if got := get(t, strict, "/organizations", "filter[updated_at]", "*,2026-03-09"); got.status != 422 {
			t.Errorf("wildcard start: got %d", got.status)
		}
	})
}

func TestShow(t *testing.T) {
	t.Parallel()

	notes := strings.Repeat("é", 300)
	server := newServer([]itgluetest.Organization{
		{ID: "574989297464115201", Name: " Padded ", QuickNotes: notes, ParentID: "6"},
		{Name: " Padded "},
	})

	listed := get(t, server, "/organizations").rows(t)[1]
	if listed.Attributes["quick-notes"] != strings.Repeat("é", 250) {
		t.Errorf("listed the quick notes %v", listed.Attributes["quick-notes"])
	}

	shown := get(t, server, "/organizations/574989297464115201").row(t)
	if shown.Attributes["quick-notes"] != notes || shown.Attributes["name"] != " Padded " {
		t.Errorf("got %+v", shown)
	}

	for _, null := range []string{"organization-type-id", "organization-type-name", "organization-status-name", "short-name"} {
		if value, ok := shown.Attributes[null]; !ok || value != nil {
			t.Errorf("%s is %v", null, value)
		}
	}

	if _, ok := shown.Attributes["itg-revision"]; !ok {
		t.Error("there is no undocumented attribute")
	}

	if made := server.Organizations()[0].ID; len(made) != 16 {
		t.Errorf("made up the id %s", made)
	}

	for _, path := range []string{"/organizations/1", "/organizations/abc", "/nothing", "/organizations/1/relationships/users", "/"} {
		if got := get(t, server, path); got.status != 404 || !strings.Contains(got.text, `"errors":[{"status":404`) {
			t.Errorf("%s: got %d %s", path, got.status, got.text)
		}
	}
}

func TestDeletion(t *testing.T) {
	t.Parallel()

	t.Run("GoneAtOnce", func(t *testing.T) {
		t.Parallel()

		server := newServer(itgluetest.Generate(3))
		id := server.Organizations()[1].ID

		if !server.Delete(id) || server.Delete(id) {
			t.Error("Delete does not tell what it found")
		}

		if get(t, server, "/organizations/"+id).status != 404 || len(get(t, server, "/organizations").rows(t)) != 2 {
			t.Error("is still there")
		}
	})

	t.Run("ListedForAWhile", func(t *testing.T) {
		t.Parallel()

		now := time.Date(2026, 3, 8, 0, 0, 0, 0, time.UTC)
		server := newServer(itgluetest.Generate(3), itgluetest.WithClock(func() time.Time { return now }))
		server.SetDeletionLag(time.Minute)
		id := server.Organizations()[1].ID
		server.Delete(id)

		if get(t, server, "/organizations/"+id).status != 404 || len(get(t, server, "/organizations").rows(t)) != 3 {
			t.Error("is not listed, or can be read")
		}

		if len(server.Organizations()) != 2 || server.Rename(id, "Ghost") {
			t.Error("is not deleted")
		}

		now = now.Add(time.Minute)

		if len(get(t, server, "/organizations").rows(t)) != 2 {
			t.Error("is listed for ever")
		}
	})

	t.Run("HiddenFromAKey", func(t *testing.T) {
		t.Parallel()

		server := newServer(itgluetest.Generate(3))
		id := server.Organizations()[1].ID
		server.Hide(key, id)

		if get(t, server, "/organizations/"+id).status != 404 || len(get(t, server, "/organizations").rows(t)) != 2 {
			t.Error("is visible")
		}

		if domains := get(t, server, "/domains").rows(t); len(domains) != 2 {
			t.Errorf("got %d domains", len(domains))
		}
	})
}

func TestRename(t *testing.T) {
	t.Parallel()

	server := newServer(itgluetest.Generate(2))
	before := server.Organizations()[0]

	if !server.Rename(before.ID, "Renamed") || server.Rename("99", "x") || server.Rename("abc", "x") {
		t.Error("Rename does not tell what it found")
	}

	after, _ := server.Organization(before.ID)
	if after.Name != "Renamed" || !after.UpdatedAt.After(before.UpdatedAt) {
		t.Errorf("got %+v", after)
	}

	// The domains go by the new name of their organization.
	domain := get(t, server, "/organizations/"+before.ID+"/relationships/domains").rows(t)[0]
	if domain.Attributes["organization-name"] != "Renamed" || domain.Attributes["name"] != "customer000001.example.com" {
		t.Errorf("got %+v", domain)
	}
}

func TestDomains(t *testing.T) {
	t.Parallel()

	server := newServer([]itgluetest.Organization{
		{ID: "1", Name: "A", Domains: []string{"a.example", "b.example"}}, {ID: "2", Name: "B", Domains: []string{"c.example"}}, {ID: "3", Name: "C"},
	})

	for path, want := range map[string]string{
		"/domains":                                            "a.example b.example c.example",
		"/domains?filter[organization_id]=2":                  "c.example",
		"/domains?filter[organization-id]=1,2":                "a.example b.example c.example",
		"/domains?filter[name]=c.example":                     "a.example b.example c.example",
		"/organizations/1/relationships/domains":              "a.example b.example",
		"/organizations/1/relationships/domains?filter[id]=1": "a.example b.example",
		"/organizations/3/relationships/domains":              "",
	} {
		if got := strings.Join(call(t, server, http.MethodGet, path, "").names(t), " "); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}

	if got := call(t, server, http.MethodPost, "/domains", "{}"); got.status != 404 {
		t.Errorf("POST: got %d", got.status)
	}
}

func TestLookups(t *testing.T) {
	t.Parallel()

	server := newServer([]itgluetest.Organization{{ID: "1", Name: "A", TypeName: "Customer", StatusName: "Active"}})

	if got := get(t, server, "/organization_statuses").rows(t); len(got) != 1 || got[0].Type != "organization-statuses" {
		t.Errorf("got %+v", got)
	}

	row := get(t, server, "/organization_types", "filter[name]", "Customer").rows(t)[0]
	updated := server.Organizations()[0].UpdatedAt

	got := call(t, server, http.MethodPatch, "/organization_types/"+row.ID, `{"data":{"type":"organization_types","attributes":{"name":"Client"}}}`)
	if got.status != 200 || get(t, server, "/organization_types/"+row.ID).row(t).Attributes["name"] != "Client" {
		t.Errorf("got %d %s", got.status, got.text)
	}

	if after := server.Organizations()[0]; after.TypeName != "Client" || !after.UpdatedAt.Equal(updated) {
		t.Errorf("got %+v", after)
	}

	if got := call(t, server, http.MethodPost, "/organization_statuses", `{"data":{"attributes":{"name":"Testing Only"}}}`); got.status != 201 {
		t.Errorf("got %d %s", got.status, got.text)
	}

	if got := call(t, server, http.MethodDelete, "/organization_types/"+row.ID, ""); got.status != 404 {
		t.Errorf("DELETE: got %d", got.status)
	}

	if got := get(t, server, "/regions"); got.status != 200 || len(got.rows(t)) == 0 {
		t.Errorf("regions: got %d", got.status)
	}
}

func TestWrites(t *testing.T) {
	t.Parallel()

	patch := func(attributes string) string {
		return `{"data":{"type":"organizations","attributes":{` + attributes + `}}}`
	}

	t.Run("Create", func(t *testing.T) {
		t.Parallel()

		server := newServer(nil)
		got := call(t, server, http.MethodPost, "/organizations", patch(`"name":"New","short_name":"N","quick-notes":"q"`))

		row := got.row(t)
		if made, ok := server.Organization(row.ID); got.status != 201 || !ok || made.Name != "New" || made.ShortName != "N" || made.QuickNotes != "q" {
			t.Errorf("got %d %+v", got.status, row)
		}
	})

	t.Run("RefusesWrongMediaType", func(t *testing.T) {
		t.Parallel()

		server := newServer(nil)

		for _, mediaType := range []string{"", "application/json", "text/plain"} {
			got := call(t, server, http.MethodPost, "/organizations", patch(`"name":"New"`), func(r *http.Request) {
				r.Header.Set("Content-Type", mediaType)
			})
			if got.status != 415 {
				t.Errorf("%q: got %d", mediaType, got.status)
			}
		}
	})

	t.Run("Validates", func(t *testing.T) {
		t.Parallel()

		server := newServer([]itgluetest.Organization{{ID: "1", Name: "A"}, {ID: "2", Name: "B", PSAIntegration: "manage"}})

		for _, test := range []struct {
			method, path, body string
			want               int
		}{
			{http.MethodPost, "/organizations", patch(`"name":" "`), 422},
			{http.MethodPost, "/organizations", patch(`"name":"A","organization-type-id":999`), 422},
			{http.MethodPost, "/organizations", `{"name":"A"}`, 400},
			{http.MethodPost, "/organizations", `{`, 400},
			{http.MethodPatch, "/organizations/1", patch(`"name":""`), 422},
			{http.MethodPatch, "/organizations/9", patch(`"name":"A"`), 404},
			{http.MethodPatch, "/organizations/1", patch(`"name":"A2"`), 200},
			{http.MethodPatch, "/organizations/2", patch(`"name":"B2"`), 422},
			{http.MethodPatch, "/organizations/2", patch(`"alert":"B2"`), 200},
			{http.MethodDelete, "/organizations/1", "", 404},
			{http.MethodDelete, "/organizations", "", 400},
			{http.MethodDelete, "/organizations?filter[typo]=1", "", 400},
		} {
			if got := call(t, server, test.method, test.path, test.body); got.status != test.want {
				t.Errorf("%s %s %s: got %d %s, want %d", test.method, test.path, test.body, got.status, got.text, test.want)
			}
		}

		if renamed, _ := server.Organization("1"); renamed.Name != "A2" {
			t.Errorf("got %+v", renamed)
		}
	})

	t.Run("BulkUpdateAllOrNothing", func(t *testing.T) {
		t.Parallel()

		server := newServer([]itgluetest.Organization{{ID: "1", Name: "A"}, {ID: "2", Name: "B"}})
		bulk := func(second string) string {
			return `{"data":[{"type":"organizations","attributes":{"id":1,"name":"A2"}},` +
				`{"type":"organizations","attributes":{"id":"2","name":"` + second + `"}}]}`
		}

		if got := call(t, server, http.MethodPatch, "/organizations", bulk("")); got.status != 422 {
			t.Errorf("got %d", got.status)
		}

		if names := get(t, server, "/organizations").names(t); !slices.Equal(names, []string{"A", "B"}) {
			t.Errorf("got %v", names)
		}

		if got := call(t, server, http.MethodPatch, "/organizations", bulk("B2")); !slices.Equal(got.names(t), []string{"A2", "B2"}) {
			t.Errorf("got %d %s", got.status, got.text)
		}

		got := call(t, server, http.MethodPatch, "/organizations?filter[name]=A2", patch(`"alert":"x"`))
		if len(got.rows(t)) != 1 || got.rows(t)[0].Attributes["alert"] != "x" {
			t.Errorf("got %d %s", got.status, got.text)
		}
	})

	t.Run("BulkDestroy", func(t *testing.T) {
		t.Parallel()

		server := newServer(itgluetest.Generate(5))
		ids := server.Organizations()

		got := call(t, server, http.MethodDelete, "/organizations",
			`{"data":[{"type":"organizations","attributes":{"id":`+ids[0].ID+`}}]}`)
		if got.status != 200 || len(got.rows(t)) != 1 || len(server.Organizations()) != 4 {
			t.Errorf("got %d %s", got.status, got.text)
		}

		got = call(t, server, http.MethodDelete, "/organizations?filter[id]="+ids[1].ID+","+ids[2].ID, "")
		if got.status != 200 || len(got.rows(t)) != 2 || len(server.Organizations()) != 2 {
			t.Errorf("got %d %s", got.status, got.text)
		}
	})
}

func TestRateLimit(t *testing.T) {
	t.Parallel()

	now := time.Date(2026, 3, 8, 0, 0, 0, 0, time.UTC)
	server := newServer(nil, itgluetest.WithRateLimit(2), itgluetest.WithClock(func() time.Time { return now }))

	for i, want := range []int{200, 200, 429} {
		if got := get(t, server, "/organizations"); got.status != want {
			t.Errorf("request %d: got %d", i, got.status)
		}
	}

	now = now.Add(5 * time.Minute)

	if got := get(t, server, "/organizations"); got.status != 200 {
		t.Errorf("5 minutes later: got %d", got.status)
	}
}

func TestListening(t *testing.T) {
	t.Parallel()

	server := itgluetest.StartTB(t, itgluetest.WithKey(key), itgluetest.WithBasePath("/api"))
	server.Add(itgluetest.Generate(2)...)

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/organizations", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}

	request.Header.Set("X-Api-Key", key)

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()

	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(server.URL+"/organizations?")) {
		t.Errorf("got %d %s, %v", response.StatusCode, body, err)
	}

	if _, err := itgluetest.New().Listen(context.Background(), "127.0.0.1:-1"); err == nil {
		t.Error("listens on an impossible port")
	}

	server.Close()
	server.Close()
}

func BenchmarkPageOfAThousand(b *testing.B) {
	server := newServer(itgluetest.Generate(100_000))
	request := httptest.NewRequestWithContext(b.Context(), http.MethodGet,
		"/organizations?page[size]=1000&page[number]=50&sort=id", http.NoBody)
	request.Header.Set("X-Api-Key", key)

	for b.Loop() {
		recorder := httptest.NewRecorder()
		server.ServeHTTP(recorder, request)

		if recorder.Code != http.StatusOK {
			b.Fatal(recorder.Code)
		}
	}
}
