package api_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/orgbridge/orgbridge/api"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// long tells that the full figures are asked for.
func long() bool { return os.Getenv("ORGBRIDGE_TEST_FAULTS") == "long" }

func rounds(fast, full int) int {
	if long() {
		return full
	}
	return fast
}

// atOnce makes requests that all begin at the same time, and returns their answers.
func (w *world) atOnce(t *testing.T, requests ...request) []answer {
	t.Helper()
	answers := make([]answer, len(requests))
	start := make(chan struct{})
	var senders sync.WaitGroup
	for i, r := range requests {
		senders.Go(func() {
			<-start
			r.token = w.admin
			answers[i] = do(t, w, r)
		})
	}
	close(start)
	senders.Wait()
	return answers
}

func put(organization, itglueID string) request {
	return request{method: "PUT", path: api.Base + "/mappings/" + organization, body: `{"itglueOrganizationId":"` + itglueID + `"}`}
}

func importOf(itglueID string) request {
	item := `{"itglueOrganizationId":"` + itglueID + `","domain":"d` + itglueID + `.com","emailPlatform":"microsoft_365"}`
	return request{method: "POST", path: api.Base + "/organizations/import", body: itemsJSON(item)}
}

// compareAndMap is one operation on the mapping of one organization.
type compareAndMap struct {
	write    bool
	expected string
	target   string
}

// linearMapping is what a mapping with If-Match promises: a write is made only if its writer has seen the last one.
func linearMapping(initial string) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return initial },
		Step: func(state, input, output any) (bool, any) {
			in := input.(compareAndMap)
			if !in.write {
				return output == state, state
			}
			return state == in.expected, in.target
		},
	}
}

// TestF38WritersOfOneMappingNeverOverwriteWhatTheyHaveNotSeen has 64 writers read one mapping and write it with If-Match.
func TestF38WritersOfOneMappingNeverOverwriteWhatTheyHaveNotSeen(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		const writers = 64
		w := newWorldOn(t, db)
		for i := range 2*writers + 1 {
			w.glue[itglue.RegionEU].Add(itgluetest.Organization{ID: strconv.Itoa(i + 1), Name: fmt.Sprintf("Target %d", i)})
		}
		w.connect(t)
		organization := w.add(t, "Contoso", "contoso.com")
		w.call(t, "PUT", "/mappings/"+organization, `{"itglueOrganizationId":"129"}`, 200)
		made := 0
		for round := range rounds(8, 500) {
			initial := w.call(t, "GET", "/mappings/"+organization, "", 200).text(t, "itglueOrganization.id")
			history := make([][2]porcupine.Operation, writers)
			var all sync.WaitGroup
			for i := range writers {
				all.Go(func() { history[i] = w.compareAndMap(t, organization, strconv.Itoa(2*i+round%2+1), i) })
			}
			all.Wait()
			writes, reads, refused := []porcupine.Operation{}, []porcupine.Operation{}, []porcupine.Operation{}
			overwritten := map[string]int64{} // when a write was begun that put an end to what others had seen
			for _, two := range history {
				reads = append(reads, two[0])
				if two[1].Output != "made" {
					refused = append(refused, two[1])
					continue
				}
				made++
				writes = append(writes, two[1])
				overwritten[two[1].Input.(compareAndMap).expected] = two[1].Call
			}
			for some := range slices.Chunk(reads, writers/4) { // with all of them at once, there are more orders to try than time
				operations := append(slices.Clone(writes), some...)
				if verdict := porcupine.CheckOperationsTimeout(linearMapping(initial), operations, time.Minute); verdict != porcupine.Ok {
					t.Fatalf("round %d is not linearizable: %s", round, verdict)
				}
			}
			for _, r := range refused {
				at, ok := overwritten[r.Input.(compareAndMap).expected]
				if !ok || at > r.Return {
					t.Errorf("round %d: refused although nobody had written: %+v", round, r)
				}
			}
		}
		if n := storetest.Value[int](t, db, "SELECT count(*) FROM events WHERE type = 'mapping.mapped'"); n != made+1 {
			t.Errorf("%d writes were made, %d are recorded", made, n-1)
		}
	})
}

// compareAndMap reads the mapping and writes it with the tag it read.
func (w *world) compareAndMap(t *testing.T, organization, target string, client int) (done [2]porcupine.Operation) {
	t.Helper()
	read := porcupine.Operation{ClientId: client, Input: compareAndMap{}, Call: time.Now().UnixNano()}
	a := do(t, w, request{method: "GET", path: api.Base + "/mappings/" + organization, token: w.admin})
	read.Return = time.Now().UnixNano()
	seen, _ := a.object(t).at("itglueOrganization.id").(string)
	read.Output = seen
	r := put(organization, target)
	r.token, r.header = w.admin, map[string][]string{"If-Match": {a.header.Get("ETag")}}
	write := porcupine.Operation{
		ClientId: client, Input: compareAndMap{write: true, expected: seen, target: target}, Output: "refused", Call: time.Now().UnixNano(),
	}
	switch b := do(t, w, r); b.status {
	case 200:
		write.Output = "made"
	case 412:
	default:
		t.Errorf("%d %s", b.status, b.body)
	}
	write.Return = time.Now().UnixNano()
	return [2]porcupine.Operation{read, write}
}

// TestF39OneOfTwoOrganizationsGetsTheITGlueOrganization maps two organizations to the same one at once.
func TestF39OneOfTwoOrganizationsGetsTheITGlueOrganization(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		w := newWorldOn(t, db)
		w.glue[itglue.RegionEU].Add(itgluetest.Organization{ID: "1", Name: "Target"}, itgluetest.Organization{ID: "2", Name: "Other"})
		w.connect(t)
		organizations := []string{w.add(t, "A", "a.com"), w.add(t, "B", "b.com")}
		for round := range rounds(30, 1000) {
			answers := w.atOnce(t, put(organizations[0], "1"), put(organizations[1], "1"))
			winner := 0
			if answers[1].status == 200 {
				winner = 1
			}
			if answers[winner].status != 200 {
				t.Fatalf("round %d: %+v", round, answers)
			}
			wantProblem(t, answers[1-winner], 409, "itglue-organization-already-mapped")
			if p := answers[1-winner].problem(t).Params; p["organizationId"] != organizations[winner] {
				t.Errorf("round %d: the holder is %v", round, p)
			}
			w.call(t, "DELETE", "/mappings/"+organizations[winner], "", 200)
		}
	})
}

// TestF40AnITGlueOrganizationIsImportedOnce imports one twice at once, and imports one that another organization is being mapped to.
func TestF40AnITGlueOrganizationIsImportedOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		w := newWorldOn(t, db)
		w.glue[itglue.RegionEU].Add(itgluetest.Organization{ID: "1", Name: "Target"})
		w.connect(t)
		own := w.add(t, "Contoso", "contoso.com")
		imported := func(a answer) (id string, ok bool) {
			o := a.object(t)
			if o.at("items.0.status") == "failed" {
				o.want(t, object{"items.0.error.code": "itglue-organization-already-mapped"})
				return "", false
			}
			return o.text(t, "items.0.organization.id"), true
		}
		for round := range rounds(15, 1000) {
			answers := w.atOnce(t, importOf("1"), importOf("1"))
			first, one := imported(answers[0])
			second, two := imported(answers[1])
			if one == two {
				t.Fatalf("round %d: %+v", round, answers)
			}
			w.remove(t, first+second)

			answers = w.atOnce(t, importOf("1"), put(own, "1"))
			id, one := imported(answers[0])
			if mapped := answers[1].status == 200; mapped == one {
				t.Fatalf("round %d: %+v", round, answers)
			}
			if one {
				w.remove(t, id)
			} else {
				w.call(t, "DELETE", "/mappings/"+own, "", 200)
			}
		}
		w.call(t, "GET", "/mappings/summary", "", 200).want(t, object{"total": 1, "unmapped": 1})
	})
}

// TestF45AnOrganizationDeletedDuringAnImportStaysDeleted imports what is mapped to an organization, with its domain, while that is deleted.
func TestF45AnOrganizationDeletedDuringAnImportStaysDeleted(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.Store) {
		t.Helper()
		w := newWorldOn(t, db)
		w.glue[itglue.RegionEU].Add(itgluetest.Organization{ID: "1", Name: "Target"})
		w.connect(t)
		imports := 0
		for round := range rounds(15, 1000) {
			deleted := w.add(t, "Target", "d1.com")
			w.call(t, "PUT", "/mappings/"+deleted, `{"itglueOrganizationId":"1"}`, 200)
			answers := w.atOnce(t, importOf("1"), request{method: "DELETE", path: api.Base + "/organizations/" + deleted})
			if answers[1].status != 204 {
				t.Fatalf("round %d: %d %s", round, answers[1].status, answers[1].body)
			}
			w.call(t, "GET", "/organizations/"+deleted, "", 404)
			left, result := 0, answers[0].object(t)
			if result.at("items.0.status") != "failed" {
				left = 1
				w.call(t, "GET", "/mappings?count=true", "", 200).want(t, object{"total": 1, "items.0.origin": "import", "items.0.state": "active"})
				w.remove(t, result.text(t, "items.0.organization.id"))
			} else if code := result.at("items.0.error.code"); code != "itglue-organization-already-mapped" && code != "domain-taken" {
				t.Fatalf("round %d: %s", round, code)
			}
			imports += left
			w.call(t, "GET", "/organizations?count=true", "", 200).want(t, object{"total": 0})
		}
		t.Logf("the import came second in %d rounds", imports)
	})
}

func (w *world) remove(t *testing.T, organization string) {
	t.Helper()
	if a := do(t, w, request{method: "DELETE", path: api.Base + "/organizations/" + organization, token: w.admin}); a.status != 204 {
		t.Fatalf("%d %s", a.status, a.body)
	}
}

func (a answer) object(t *testing.T) (o object) {
	t.Helper()
	a.decode(t, &o)
	return o
}
