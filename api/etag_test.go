package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// with makes a request as the admin with one more header.
func (w *world) with(t *testing.T, name, value, method, path, body string) answer {
	t.Helper()
	return do(t, w, request{method: method, path: api.Base + path, token: w.admin, body: body, header: http.Header{http.CanonicalHeaderKey(name): {value}}})
}

// tag reads the entity tag of a resource.
func (w *world) tag(t *testing.T, path string) string {
	t.Helper()
	tag := do(t, w, request{method: "GET", path: api.Base + path, token: w.admin}).header.Get("ETag")
	if !strings.HasPrefix(tag, `"`) || !strings.HasSuffix(tag, `"`) || len(tag) < 20 {
		t.Fatalf("%s has the tag %q", path, tag)
	}
	return tag
}

func TestReadsOfWhatIsKnownAre304(t *testing.T) {
	t.Parallel()
	w, held := heldWorld(t)
	organization := w.call(t, "GET", "/organizations", "", 200).text(t, "items.0.id")
	for _, path := range []string{"/integrations/itglue", "/organizations/" + organization, "/mappings/" + organization, "/syncs/" + held} {
		tag := w.tag(t, path)
		for _, known := range []string{tag, "W/" + tag, `"x", ` + tag, `"x",` + tag + `, "y"`, "*"} {
			for _, method := range []string{"GET", "HEAD"} {
				a := w.with(t, "If-None-Match", known, method, path, "")
				if a.status != 304 || a.body != "" || a.header.Get("ETag") != tag {
					t.Errorf("%s %s with %s: %d %q %s", method, path, known, a.status, a.body, a.header.Get("ETag"))
				}
			}
		}
		for _, other := range []string{"", `""`, "x", `"x"`, `W/"x"`, strings.Trim(tag, `"`), `*, "x"`, strings.Repeat(`"x", `, 100) + `"y"`, tag[:5]} {
			if a := w.with(t, "If-None-Match", other, "GET", path, ""); a.status != 200 || a.header.Get("ETag") != tag {
				t.Errorf("%s with %s: %d", path, other, a.status)
			}
		}
	}
	if a := do(t, w, request{method: "GET", path: api.Base + "/organizations", token: w.admin}); a.header.Get("ETag") != "" {
		t.Error("a list has a tag")
	}
}

// TestWritesAreMadeOnlyToWhatTheClientSaw goes through every write of a single resource: with a tag that is stale, weak or rubbish nothing
// is done, with the one of now it is, and the answer's tag is that of the next read.
func TestWritesAreMadeOnlyToWhatTheClientSaw(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		w := newWorldOn(t, db)
		held := w.hold(t)
		w.glue[itglue.RegionEU].Add(itgluetest.Organization{ID: "77", Name: "Customer 0 Ltd"})
		organization := w.call(t, "GET", "/mappings?search=Customer+4", "", 200).text(t, "items.0.organization.id")
		write := func(method, path, tagged, body string, status int) {
			t.Helper()
			tag := w.tag(t, tagged)
			events := storetest.Value[int](t, db, "SELECT sum(last_event) FROM accounts")
			for _, stale := range []string{`"x"`, "W/" + tag, "", "rubbish", `"x", W/` + tag, strings.Trim(tag, `"`), strings.Repeat(`"x", `, 100) + `"y"`} {
				wantProblem(t, w.with(t, "If-Match", stale, method, path, body), 412, "precondition-failed")
			}
			if now := storetest.Value[int](t, db, "SELECT sum(last_event) FROM accounts"); now != events || w.tag(t, tagged) != tag {
				t.Errorf("%s %s was done", method, path)
			}
			a := w.with(t, "If-Match", `"x", `+tag, method, path, body)
			if a.status != status {
				t.Fatalf("%s %s with the tag of now: %d %s", method, path, a.status, a.body)
			}
			if got := a.header.Get("ETag"); got != "" && got != w.tag(t, tagged) {
				t.Errorf("%s %s answers the tag %s, read it is %s", method, path, got, w.tag(t, tagged))
			} else if got == "" && method != "DELETE" {
				t.Errorf("%s %s: no tag", method, path)
			} else if got == tag {
				t.Errorf("%s %s: the tag is as before", method, path)
			}
			if method == "DELETE" {
				return
			}
			wantProblem(t, w.with(t, "If-Match", tag, method, path, body), 412, "precondition-failed")
		}
		mapping, one := "/mappings/"+organization, "/organizations/"+organization
		write("POST", "/syncs/"+held+"/reject", "/syncs/"+held, "", 200)
		held = w.syncNow(t)
		write("POST", "/syncs/"+held+"/release", "/syncs/"+held, "", 202)
		write("POST", "/syncs/"+held+"/cancel", "/syncs/"+held, "", 200)
		write("PATCH", mapping, mapping, `{"syncEnabled":false}`, 200)
		write("POST", mapping+"/sync", mapping, "", 200)
		write("PUT", mapping, mapping, `{"itglueOrganizationId":"77"}`, 200)
		write("PATCH", one, one, `{"name":"Mine"}`, 200)
		write("PATCH", "/integrations/itglue", "/integrations/itglue", `{"removalLimitPercent":50}`, 200)
		write("DELETE", mapping, mapping, "", 200)
		write("DELETE", one, one, "", 204)
		write("DELETE", "/integrations/itglue?confirm=true", "/integrations/itglue", "", 200)
	})
}

func TestAnyTagIsAStar(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.add(t, "Contoso", "contoso.com")
	if a := w.with(t, "If-Match", "*", "PATCH", "/organizations/"+id, `{"name":"Other"}`); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	wantProblem(t, w.with(t, "If-Match", `*, "x"`, "PATCH", "/organizations/"+id, `{"name":"Other"}`), 412, "precondition-failed")
	wantProblem(t, w.with(t, "If-Match", "*", "PATCH", "/organizations/"+storetest.ID(t), `{"name":"Other"}`), 404, "not-found")
}

// TestTheTagsOfAnswersAreThoseOfReads is for what is made.
func TestTheTagsOfAnswersAreThoseOfReads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range [][3]string{
		{"/organizations", newOrg, ""}, {"/integrations/itglue/connect", `{"apiKey":"` + canary + `","region":"eu"}`, ""},
		{"/syncs", `{"kind":"manual"}`, ""},
	} {
		a := do(t, w, request{method: "POST", path: api.Base + c[0], token: w.admin, body: c[1], header: keys(c[0])})
		place := strings.TrimPrefix(a.header.Get("Location"), api.Base)
		if tag := w.tag(t, place); tag != a.header.Get("ETag") {
			t.Errorf("%s answers the tag %s, read it is %s", c[0], a.header.Get("ETag"), tag)
		}
		if again := do(t, w, request{method: "POST", path: api.Base + c[0], token: w.admin, body: c[1], header: keys(c[0])}); again.header.Get("ETag") != a.header.Get("ETag") {
			t.Errorf("%s: the tag is lost when the answer is given again", c[0])
		}
	}
}
