package orgsync_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/orgbridge/orgbridge/internal/faulttest"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// trick is what a hostile IT Glue does with one request.
type trick struct {
	Kind string
	N    int
}

var tricks = []string{
	"honest", "rows missing", "row twice", "row of the next page", "truncated", "empty list", "empty body", "wrong total", "total of what came",
	"page of nothing", "another page", "ends early", "goes on", "web page", "other shape", "refused", "unavailable",
	"name missing", "id of another type", "deleted meanwhile", "added meanwhile", "renamed meanwhile",
}

// hostile is an IT Glue that knows the truth and does not always tell it.
type hostile struct {
	mu      sync.Mutex
	truth   map[int]string          // the organizations that there are, and their names
	names   map[int]map[string]bool // every name that an organization ever had
	hidden  map[int]bool            // which the key does not see any more
	delayed map[int]bool            // which listings do not have yet, count and all, although they can be read
	other   bool                    // the key shows another account, with the same ids
	tricks  []trick                 // for the requests to come
	nextNew int
}

// listed is what listings have.
func (h *hostile) listed() map[int]string {
	all := h.visible()
	maps.DeleteFunc(all, func(id int, _ string) bool { return h.delayed[id] })
	return all
}

func (h *hostile) visible() map[int]string {
	seen := map[int]string{}
	for id, name := range h.truth {
		switch {
		case h.hidden[id]:
		case h.other:
			seen[id] = "Stranger " + strconv.Itoa(id)
		default:
			seen[id] = name
		}
	}
	return seen
}

func (h *hostile) rename(id int, name string) {
	h.truth[id] = name
	if h.names[id] == nil {
		h.names[id] = map[string]bool{}
	}
	h.names[id][name] = true
}

// ServeHTTP plays the next trick.
func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	next := trick{Kind: "honest"}
	if len(h.tricks) > 0 {
		next, h.tricks = h.tricks[0], h.tricks[1:]
	}
	if single, ok := strings.CutPrefix(r.URL.Path, "/organizations/"); ok {
		h.one(w, single, next)
		return
	}
	number, _ := strconv.Atoi(r.URL.Query().Get("page[number]"))
	h.page(w, number, next)
}

// one answers a read by id: with the truth, or with nothing of use.
func (h *hostile) one(w http.ResponseWriter, text string, next trick) {
	id, _ := strconv.Atoi(text)
	name, found := h.visible()[id]
	switch {
	case next.Kind == "unavailable":
		w.WriteHeader(http.StatusBadGateway)
	case next.Kind == "web page":
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusNotFound)
	case next.Kind == "another page":
		send(w, http.StatusOK, map[string]any{"data": resourceOf(id+1, name)})
	case found:
		send(w, http.StatusOK, map[string]any{"data": resourceOf(id, name)})
	default:
		send(w, http.StatusNotFound, map[string]any{"errors": []any{map[string]any{"status": 404, "title": "Record not found"}}})
	}
}

func send(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/vnd.api+json")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

const hostilePages = 3 // of one listing; the client is content with smaller pages than it asks for

func (h *hostile) page(w http.ResponseWriter, number int, next trick) {
	h.meanwhile(next)
	all := h.listed()
	ids := make([]int, 0, len(all))
	for id := range all {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	size := len(ids)/hostilePages + 1
	from, to := min((number-1)*size, len(ids)), min(number*size, len(ids))
	rows := []map[string]any{}
	for _, id := range ids[from:to] {
		rows = append(rows, resourceOf(id, all[id]))
	}
	total, current, pages := len(ids), number, (len(ids)+size-1)/size
	rows, total, current, pages = distort(next, rows, total, current, pages)
	if next.Kind == "row of the next page" && to < len(ids) {
		rows = append(rows, resourceOf(ids[to], all[ids[to]]))
	}
	meta := map[string]any{"current-page": current, "total-pages": pages, "total-count": total, "next-page": nil}
	if number < pages {
		meta["next-page"] = number + 1
	}
	h.spoiled(w, next, map[string]any{"data": rows, "meta": meta})
}

// meanwhile changes the truth between two pages.
func (h *hostile) meanwhile(next trick) {
	switch next.Kind {
	case "deleted meanwhile":
		for id := range h.truth {
			if id%7 == next.N%7 {
				delete(h.truth, id)
				break
			}
		}
	case "added meanwhile":
		h.nextNew++
		h.rename(next.N%100+1000+h.nextNew, "New "+strconv.Itoa(h.nextNew))
	case "renamed meanwhile":
		for id := range h.truth {
			if id%5 == next.N%5 {
				h.rename(id, fmt.Sprintf("Organization %d again %d", id, next.N))
				break
			}
		}
	}
}

// distort changes the rows of a page, or what it says of itself.
func distort(
	next trick, rows []map[string]any, total, current, pages int,
) (_ []map[string]any, itsTotal, itsNumber, itsPages int) {
	n := min(next.N, len(rows))
	switch next.Kind {
	case "rows missing":
		rows = rows[n:]
	case "total of what came": // the index lags behind, count and all
		rows, total = rows[n:], total-n
	case "row twice":
		if len(rows) > 1 {
			rows = append(rows[:len(rows)-1:len(rows)-1], rows[0])
		}
	case "empty list":
		rows, total, pages = rows[:0], 0, 0
	case "wrong total":
		total += next.N - 3
	case "page of nothing":
		rows = rows[:0]
	case "another page":
		current++
	case "ends early":
		pages = current
	case "goes on":
		pages += 5
	case "name missing":
		if len(rows) > 0 {
			rows = append([]map[string]any{{"id": rows[0]["id"], "type": "organizations", "attributes": map[string]any{}}}, rows[1:]...)
		}
	case "id of another type":
		if len(rows) > 0 {
			right := json.RawMessage(fmt.Sprint(rows[0]["id"])) // as a number
			id := []any{-1, nil, "9223372036854775808x", 1.5, []int{1}, right}[next.N%6]
			rows = append([]map[string]any{{"id": id, "type": "organizations", "attributes": rows[0]["attributes"]}}, rows[1:]...)
		}
	}
	return rows, max(total, 0), current, pages
}

// spoiled sends the page, or what has become of it on its way.
func (h *hostile) spoiled(w http.ResponseWriter, next trick, body map[string]any) {
	switch next.Kind {
	case "truncated":
		text, err := json.Marshal(body)
		if err != nil {
			panic(err)
		}
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(text[:len(text)/2])
	case "empty body":
		w.WriteHeader(http.StatusOK)
	case "web page":
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<html>Sign in</html>"))
	case "other shape":
		send(w, http.StatusOK, map[string]any{"organizations": body["data"]})
	case "refused":
		send(w, http.StatusForbidden, map[string]any{"message": "Forbidden"})
	case "unavailable":
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		send(w, http.StatusOK, body)
	}
}

// siege is one account and its hostile IT Glue.
type siege struct {
	*world

	itglue *hostile
	before map[string]standingOf
}

// standingOf is how an organization stands: its name and what it is mapped to.
type standingOf struct {
	name, itglueID, state string
}

// besiege makes an account of n organizations, all mapped but the last few, with an IT Glue that is honest so far.
func (w *world) besiege(t *rapid.T, n int, autoMap integration.AutoMap) *siege {
	w.t.Helper()
	s := &siege{world: w, itglue: &hostile{truth: map[int]string{}, names: map[int]map[string]bool{}, hidden: map[int]bool{}, delayed: map[int]bool{}}}
	w.accountID = storetest.Account(w.t, w.store)
	storetest.Organizations(w.t, w.store, w.accountID, n)
	for i := 1; i <= n; i++ {
		s.itglue.rename(i, "Organization "+strconv.Itoa(i))
	}
	server := httptest.NewServer(s.itglue)
	t.Cleanup(server.Close)
	w.redialAt(server.URL, quickly(time.Minute))
	s.expect(w.connect(), orgsync.Succeeded, repeat("Organization %d map applied equal-name", n)...)
	_, err := w.integrations.Change(w.t.Context(), w.accountID, integration.Change{AutoMap: &autoMap}, w.token)
	w.ok(err)
	return s
}

func repeat(format string, n int) (lines []string) {
	for i := 1; i <= n; i++ {
		lines = append(lines, fmt.Sprintf(format, i))
	}
	return lines
}

func (s *siege) standing() map[string]standingOf {
	s.t.Helper()
	states, _, err := s.store.OrganizationStates(s.t.Context(), s.accountID)
	s.ok(err)
	all := map[string]standingOf{}
	for _, o := range states {
		all[o.ID] = standingOf{name: o.Name, itglueID: o.ITGlueID, state: string(o.State)}
	}
	return all
}

func (s *siege) mappedNow() (n int) {
	for _, o := range s.standing() {
		if o.itglueID != "" {
			n++
		}
	}
	return n
}

// attack draws tricks for a listing and for what follows it, and has a sync run into them, with all its attempts.
func (s *siege) attack(t *rapid.T) orgsync.Sync {
	s.t.Helper()
	h := s.itglue
	h.mu.Lock()
	h.tricks = nil
	for range rapid.IntRange(0, 12).Draw(t, "requests") {
		next := trick{Kind: "honest"}
		if rapid.IntRange(0, 2).Draw(t, "hostile") == 0 {
			next = trick{Kind: rapid.SampledFrom(tricks).Draw(t, "trick"), N: rapid.IntRange(0, 40).Draw(t, "n")}
		}
		h.tricks = append(h.tricks, next)
	}
	switch rapid.IntRange(0, 9).Draw(t, "key") {
	case 0: // narrowed
		for id := range h.truth {
			if rapid.IntRange(0, 2).Draw(t, "hidden") == 0 {
				h.hidden[id] = true
			}
		}
	case 1: // small accounts are not protected from it
		h.other = s.mappedNow() >= 12
	case 2:
		h.delayed[1+rapid.IntRange(0, len(h.truth)).Draw(t, "delayed")] = true
	default:
		h.hidden, h.delayed, h.other = map[int]bool{}, map[int]bool{}, false
	}
	h.mu.Unlock()
	s.before = s.standing()
	run := s.run(s.start(orgsync.Manual))
	for run.Status == orgsync.Queued {
		s.forgetBreakers()
		run = s.run(s.due(run))
	}
	return run
}

// judge compares what the sync did with the truth. It knows nothing of how the sync came to it.
func (s *siege) judge(t *rapid.T, run orgsync.Sync) {
	s.t.Helper()
	h := s.itglue
	h.mu.Lock()
	defer h.mu.Unlock()
	active, removed, after := 0, 0, s.standing()
	for id, was := range s.before {
		is := after[id]
		if was.state == string(mapping.Active) {
			active++
		}
		number, _ := strconv.Atoi(was.itglueID)
		_, exists := h.visible()[number]
		if was.itglueID != "" && is.itglueID != was.itglueID {
			removed++
			if exists {
				t.Fatalf("wrong removal: %s is mapped to %q instead of %q, which is there", was.name, is.itglueID, was.itglueID)
			}
		}
		now, _ := strconv.Atoi(is.itglueID)
		if is.name != was.name && !h.names[now][is.name] {
			t.Fatalf("wrong rename: %q became %q, which %q never was called", was.name, is.name, is.itglueID)
		}
		if was.itglueID == "" && is.itglueID != "" && !h.names[now][is.name] {
			t.Fatalf("wrong mapping: %q to %q", is.name, is.itglueID)
		}
	}
	if len(after) != len(s.before) {
		t.Fatalf("%d organizations instead of %d", len(after), len(s.before))
	}
	if limit := min(50, max(1, active/10)); removed > limit || (removed == active && active > 1) {
		t.Fatalf("%d of %d mappings were removed in one sync", removed, active)
	}
	if run.Status == orgsync.Failed && removed > 0 {
		t.Fatalf("a failed sync removed %d mappings", removed)
	}
}

// forgetBreakers lets the time pass for which an IT Glue that failed is not asked.
func (s *siege) forgetBreakers() {
	s.integrations.ITGlue = s.dial()
}

// TestHostileListings has syncs list, plan and apply on real databases while IT Glue gives all kinds of wrong answers, and counts what was
// wrongly removed or renamed, judged by the truth that the IT Glue keeps to itself. Most of it is on SQLite, a part on PostgreSQL.
func TestHostileListings(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		w := newWorld(t, db, storetest.Now)
		listings, sieges := faulttest.Rounds(5, 10), faulttest.Rounds(1, 10) // times a hundred, by rapid
		if db.SQLite() == nil {
			listings, sieges = faulttest.Rounds(1, 3), 1
		}
		total, ends := 0, map[string]int{}
		besieged := func(t *rapid.T) {
			autoMap := rapid.SampledFrom([]integration.AutoMap{integration.OnConnect, integration.EverySync}).Draw(t, "autoMap")
			s := w.besiege(t, rapid.IntRange(12, 40).Draw(t, "organizations"), autoMap)
			for range listings {
				run := s.attack(t)
				s.judge(t, run)
				total++
				ends[string(run.Status)+" "+failureCode(run)]++
			}
		}
		for range sieges {
			rapid.Check(t, besieged)
		}
		var text bytes.Buffer
		for end, n := range ends {
			fmt.Fprintf(&text, "; %s %d", strings.TrimSpace(end), n)
		}
		faulttest.Figuref(t, "hostile listings / wrong removals / wrong renames", "%d / 0 / 0 (%s)", total, strings.TrimPrefix(text.String(), "; "))
	})
}

func failureCode(s orgsync.Sync) string {
	if s.Failure == nil {
		return ""
	}
	return string(s.Failure.Code)
}
