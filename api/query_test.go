package api_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/organization"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/page"
)

// lists are the routes with pages, each with one filter that it offers.
func lists() map[string]string {
	return map[string]string{
		organizations:          "search=con",
		api.Base + "/mappings": "state=active",
		api.Base + "/integrations/itglue/organizations": "mapped=true",
		api.Base + "/syncs":                             "kind=manual",
		api.Base + "/events":                            "type=mapping.mapped",
		api.Base + "/syncs/" + syncID + "/changes":      "action=rename",
	}
}

func TestBadParameters(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for query, want := range map[string][]string{
		"limit=":                            {"limit out-of-range"},
		"count=":                            {"count not-one-of"},
		"limit=0":                           {"limit out-of-range"},
		"limit=-1":                          {"limit out-of-range"},
		"limit=201":                         {"limit out-of-range"},
		"limit=%2B5":                        {"limit out-of-range"},
		"limit=1e1":                         {"limit out-of-range"},
		"limit=1_0":                         {"limit out-of-range"},
		"limit=%D9%A1":                      {"limit out-of-range"},
		"limit=99999999999999999999":        {"limit out-of-range"},
		"limit=1&limit=1":                   {"limit repeated"},
		"limit=1&limit=0&x=1":               {"limit repeated", "x unknown-parameter"},
		"count=yes":                         {"count not-one-of"},
		"count=TRUE":                        {"count not-one-of"},
		"cursor=x":                          {"cursor invalid"},
		"LIMIT=1":                           {"LIMIT unknown-parameter"},
		"page=9223372036854775808":          {"page unknown-parameter"},
		"filter%5Bname":                     {"filter[name unknown-parameter"},
		"%zz=1":                             {"%zz invalid"},
		"%ff=1":                             {"%ff invalid"},
		"limit=%zz":                         {"limit invalid"},
		"count=maybe&limit=x&cursor=%21&y=": {"limit out-of-range", "cursor invalid", "count not-one-of", "y unknown-parameter"},
	} {
		for path := range lists() {
			a := do(t, s, request{method: "GET", path: path + "?" + query, token: "viewer"})
			wantProblem(t, a, 422, "validation-failed")
			if got := a.faults(t); !slices.Equal(got, want) {
				t.Errorf("%s?%s: %q, want %q", path, query, got, want)
			}
		}
	}
	for target, want := range map[string]string{
		organizations + "?mapped=":                               "mapped not-one-of",
		organizations + "?mapped=1":                              "mapped not-one-of",
		organizations + "?sort=name%3Bdrop":                      "sort not-one-of",
		organizations + "?sort=(select)":                         "sort not-one-of",
		organizations + "?search=" + strings.Repeat("a", 256):    "search too-long",
		organizations + "?search=a%00b":                          "search invalid",
		organizations + "?search=%ff":                            "search invalid",
		api.Base + "/mappings?state=Active":                      "state not-one-of",
		api.Base + "/mappings?unmatched=other":                   "unmatched not-one-of",
		api.Base + "/syncs?kind=nightly":                         "kind not-one-of",
		api.Base + "/syncs?status=done":                          "status not-one-of",
		api.Base + "/events?type=mapping":                        "type not-one-of",
		api.Base + "/events?organizationId=42":                   "organizationId invalid",
		api.Base + "/events?organizationId=":                     "organizationId invalid",
		api.Base + "/syncs/" + syncID + "/changes?action=delete": "action not-one-of",
		api.Base + "/syncs/" + syncID + "/changes?status=queued": "status not-one-of",
	} {
		if got := do(t, s, request{method: "GET", path: target, token: "viewer"}).faults(t); !slices.Equal(got, []string{want}) {
			t.Errorf("%.80s: %q, want %q", target, got, want)
		}
	}
	if calls := s.fake.called(); len(calls) > 0 {
		t.Errorf("calls: %v", calls)
	}
}

func TestParametersReachTheFilters(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	search := strings.Repeat("é", 255)
	for target, want := range map[string]any{
		organizations: organization.Filter{Limit: 50},
		organizations + "?search=" + url.QueryEscape(search) + "&sort=-name&limit=200": organization.Filter{Search: search, Descending: true, Limit: 200},
		organizations + "?search=&sort=name&cursor=&&":                                 organization.Filter{Limit: 50},
		api.Base + "/mappings?state=paused&unmatched=ambiguous&search=a+b%2Bc&sort=-name&limit=1": mapping.Filter{
			State: mapping.Paused, Unmatched: mapping.Ambiguous, Search: "a b+c", Sort: mapping.SortNameDesc, Limit: 1,
		},
		api.Base + "/syncs?kind=preview&status=held":                orgsync.Filter{Kind: orgsync.Preview, Status: orgsync.Held, Limit: 50},
		api.Base + "/events?type=sync.held&organizationId=" + orgID: event.Filter{Type: event.SyncHeld, OrganizationID: orgID, Limit: 50},
		api.Base + "/syncs/" + syncID + "/changes?action=skip&status=refused": orgsync.ChangeFilter{
			Action: orgsync.ActionSkip, Status: orgsync.ChangeRefused, Limit: 50,
		},
	} {
		a := do(t, s, request{method: "GET", path: target, token: "viewer"})
		if a.status != http.StatusOK || s.fake.lastArg() != want {
			t.Errorf("%.80s: %d with the filter %+v, want %+v", target, a.status, s.fake.lastArg(), want)
		}
	}
	for value, want := range map[string]bool{"true": true, "false": false} {
		do(t, s, request{method: "GET", path: api.Base + "/integrations/itglue/organizations?mapped=" + value, token: "viewer"})
		if f := s.fake.lastArg().(integration.DirectoryFilter); f.Mapped == nil || *f.Mapped != want {
			t.Errorf("mapped=%s: %+v", value, f)
		}
	}
}

func TestCursors(t *testing.T) {
	t.Parallel()
	for path, filter := range lists() {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.fake.next = positionFor(path)
			get := func(token, query string) answer {
				return do(t, s, request{method: "GET", path: path + "?" + query, token: token})
			}
			first := get("admin", filter)
			if first.status != http.StatusOK {
				t.Fatal(first.body)
			}
			next := nextCursor(t, first)
			cursor := "cursor=" + url.QueryEscape(next)
			if a := get("viewer", filter+"&count=true&limit=7&"+cursor); a.status != http.StatusOK {
				t.Fatalf("the next page: %s", a.body)
			}
			if a := get("admin", cursor); a.status != 422 {
				t.Errorf("without the filter: %d", a.status)
			}
			if a := get("admin-b", filter+"&"+cursor); a.status != 422 {
				t.Errorf("in another account: %d", a.status)
			}
			for other, otherFilter := range lists() {
				if other != path {
					a := do(t, s, request{method: "GET", path: other + "?" + otherFilter + "&" + cursor, token: "admin"})
					if a.status != 422 {
						t.Errorf("in %s: %d", other, a.status)
					}
				}
			}
			for _, bad := range tampered(next) {
				a := get("admin", filter+"&cursor="+url.QueryEscape(bad))
				if got := a.faults(t); !slices.Equal(got, []string{"cursor invalid"}) {
					t.Errorf("%q: %q", bad, got)
				}
			}
		})
	}
}

// positionFor is a position as the list gives them out.
func positionFor(path string) *page.Position {
	switch {
	case strings.HasSuffix(path, "/itglue/organizations"):
		return &page.Position{Key: "contoso ltd", ID: "42"}
	case strings.HasSuffix(path, "/changes"), strings.HasSuffix(path, "/events"):
		return &page.Position{Key: "17"}
	default:
		return &page.Position{Key: "contoso", ID: orgID}
	}
}

func nextCursor(t *testing.T, a answer) string {
	t.Helper()
	var p struct {
		Items      []any
		NextCursor *string
		Total      *int
		ListedAt   *string
	}
	a.decode(t, &p)
	if p.NextCursor == nil {
		t.Fatalf("no cursor in %s", a.body)
	}
	return *p.NextCursor
}

// tampered returns the cursor cut at every place, with every character changed, and with something added.
func tampered(cursor string) []string {
	out := []string{cursor + "A", "A" + cursor, cursor + "=", cursor + "\n", cursor + " ", strings.Repeat(cursor, 2), strings.Repeat("A", 5000)}
	for i := range cursor {
		flipped := []byte(cursor)
		if flipped[i] = 'A'; cursor[i] == 'A' {
			flipped[i] = 'B'
		}
		out = append(out, string(flipped))
		if i > 0 {
			out = append(out, cursor[:i])
		}
	}
	return out
}

// TestForgedCursors has cursors with a good checksum and a position that no list gives out: none may reach a store.
func TestForgedCursors(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for path, filter := range lists() {
		for _, p := range []page.Position{
			{}, {Key: "x"}, {Key: "1' OR 1=1", ID: "x"}, {Key: "a\x00", ID: orgID}, {Key: "\xff", ID: orgID}, {Key: "-1", ID: "-1"},
			{Key: "99999999999999999999", ID: "٤٢"},
		} {
			binding := accountA + "\n" + path + "\n" + filter
			a := do(t, s, request{
				method: "GET", path: path + "?" + filter + "&cursor=" + api.MakeCursor(p, binding), token: "admin",
			})
			if a.status != 422 {
				t.Errorf("%s after %+v: %d", path, p, a.status)
			}
		}
	}
	if calls := s.fake.called(); len(calls) > 0 {
		t.Errorf("calls: %v", calls)
	}
}

func TestCursorRoundTrip(t *testing.T) {
	t.Parallel()
	for _, want := range []page.Position{{}, {Key: "a"}, {ID: "b"}, {Key: "ключ", ID: orgID}, {Key: strings.Repeat("𝕬", 255), ID: orgID}} {
		if got, ok := api.OpenCursor(api.MakeCursor(want, "x"), "x"); !ok || got != want {
			t.Errorf("%+v became %+v, %v", want, got, ok)
		}
	}
}

func FuzzOpenCursor(f *testing.F) {
	f.Add(api.MakeCursor(page.Position{Key: "contoso", ID: orgID}, "binding"), "binding")
	f.Add("", "")
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAAA", "binding")
	f.Fuzz(func(t *testing.T, cursor, binding string) {
		p, ok := api.OpenCursor(cursor, binding)
		if ok && api.MakeCursor(p, binding) != cursor {
			t.Errorf("%q was accepted as another way to write %+v", cursor, p)
		}
	})
}

func TestIDsInPaths(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	bodies := map[string]string{}
	for _, r := range api.Routes() {
		if !strings.Contains(r.Path, ":") {
			continue
		}
		for _, id := range []string{
			noID, "0", "-1", "1%20OR%201=1", "1;drop", "%31", "1%00", "..%2f1", "a%2Fb", "%D9%A1%D9%A2", strings.Repeat("a", 4000),
			strings.ToUpper("0198c5d0-0000-7000-8000-00000000abcd"), "%7B" + orgID + "%7D", "urn:uuid:" + orgID,
			strings.ReplaceAll(orgID, "-", ""), orgID + "%0A", "null",
		} {
			path := strings.NewReplacer(":organizationId", id, ":syncId", id, ":tokenId", id, ":accountId", id).Replace(r.Path)
			a := do(t, s, request{method: r.Method, path: path, token: tokenFor(r), body: bodyOf(r), header: http.Header{"X-Request-Id": {"same"}}})
			wantProblem(t, a, 404, "not-found")
			body := strings.Replace(a.body, `"instance":"`+path+`"`, "", 1)
			if bodies[r.Method+r.Path] == "" {
				bodies[r.Method+r.Path] = body
			}
			if bodies[r.Method+r.Path] != body {
				t.Errorf("%s %s: %s differs from %s", r.Method, path, body, bodies[r.Method+r.Path])
			}
		}
	}
}
