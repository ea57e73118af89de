package organization_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/organization"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

func TestEveryItemIsImportedForItself(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		_, err := w.service.Import(w.t.Context(), w.accountID, items("1"), w.by)
		w.wantCode(err, errs.NotConnected)
		w.connect()
		held := w.theirs("Held", "held.com", "held.net")
		holder, err := w.create(organization.New{ITGlueID: held, Domain: "holder.com"})
		w.ok(err)
		one, two, none := w.theirs(" One ", "One.com", "intranet"), w.theirs("Two", "two.com", "two.net"), w.theirs("None", "10.0.0.1")
		provider, both := w.theirs("Provider", "p.onmicrosoft.com"), w.theirs("Both", "both.com", "b.onmicrosoft.com")
		named, long, blank := w.theirs("Named", "x.com", "y.com"), w.theirs(strings.Repeat("é", 256), "long.com"), w.theirs(" ", "a.com", "b.com")

		outcomes := w.imported(items(
			one, two, none, provider, both, named+" Named.DE.", long, blank+" c.com", held, held+" d.com", "4242", "4242 e.com",
			none+" holder.com", two+" localhost", two+" ", one, none+" none.com",
		))
		w.want(outcomes, "one.com", "domain-required", "domain-required", "p.onmicrosoft.com", "domain-required", "named.de", "name-too-long",
			"name-blank", "itglue-organization-already-mapped", "itglue-organization-already-mapped", "not-found", "not-found",
			"domain-taken", "domain-invalid", "domain-invalid", "itglue-organization-already-mapped", "none.com")
		want := []string{"Held holder.com", "Named named.de", "None none.com", " One  one.com", "Provider p.onmicrosoft.com"}
		if got := w.stored(); !slices.Equal(got, want) {
			w.t.Errorf("got %q, want %q", got, want)
		}
		for i, id := range map[int]string{8: holder.ID, 9: holder.ID, 15: outcomes[0].Organization.ID} {
			if outcomes[i].Failure.Params["organizationId"] != id {
				w.t.Errorf("item %d: %+v", i, outcomes[i].Failure)
			}
		}
		offer := func(name string) organization.Offer {
			return organization.Offer{DomainChoice: organization.DomainChoice{Name: name, Domain: name}}
		}
		taken := offer("holder.com")
		taken.OrganizationID = holder.ID
		if diff := cmp.Diff([]organization.Offer{offer("two.com"), offer("two.net")}, outcomes[1].Candidates); diff != "" {
			w.t.Error(diff)
		}
		if got := outcomes[2].Candidates; len(got) != 1 || got[0].Problem == "" {
			w.t.Errorf("%+v", got)
		}
		if got := outcomes[4].Candidates; len(got) != 2 || got[0].Domain != "both.com" || !got[1].ProviderDefault {
			w.t.Errorf("%+v", got)
		}
		row, err := w.store.Mapping(w.t.Context(), w.accountID, outcomes[0].Organization.ID)
		if err != nil || row.ITGlueID != one || row.Origin != "import" || row.State != "active" {
			w.t.Errorf("%+v, %v", row, err)
		}

		// With a domain that is taken among the candidates, and sent again: nothing twice.
		w.want(w.imported(items(one, w.theirs("Three", "holder.com", "three.com"))), "itglue-organization-already-mapped", "domain-required")
		again := w.imported(items(w.theirs("Four", "holder.com", "four.com")))
		if diff := cmp.Diff([]organization.Offer{taken, offer("four.com")}, again[0].Candidates); diff != "" {
			w.t.Error(diff)
		}
	})
}

func TestAnImportAsksITGlueForNoMoreThanItNeeds(t *testing.T) {
	t.Parallel()
	w := oneWorld(t)
	w.connect()
	texts := make([]string, 202)
	for i := range 200 {
		texts[i] = w.theirs(fmt.Sprintf("Customer %d", i), fmt.Sprintf("c%d.com", i))
		if i < 180 {
			texts[i] += fmt.Sprintf(" given%d.com", i)
		}
	}
	texts[199], texts[200], texts[201] = w.theirs(" ", "blank.com"), texts[190], texts[190]
	w.itglue.ResetCalls()
	outcomes := w.imported(items(texts...))
	if n, calls := w.callsTo("/domains"), w.itglue.CallCount(); n != 19 || calls != 19+2 {
		t.Errorf("%d calls, %d of them for domains", calls, n)
	}
	for i, got := range told(outcomes)[:199] {
		if want := fmt.Sprintf("c%d.com", i); got != want && got != strings.Replace(want, "c", "given", 1) {
			t.Errorf("item %d: %s", i, got)
		}
	}
	w.want(outcomes[199:], "name-blank", "itglue-organization-already-mapped", "itglue-organization-already-mapped")

	w.itglue.ResetCalls()
	w.imported(items(texts...))
	if calls := w.itglue.CallCount(); calls != 2 {
		t.Errorf("%d calls for what is mapped already", calls)
	}
}

func TestDomainsAreReadFourAtATime(t *testing.T) {
	t.Parallel()
	w := oneWorld(t)
	w.connect()
	ids := make([]string, 12)
	for i := range ids {
		ids[i] = w.theirs(fmt.Sprintf("Customer %d", i), fmt.Sprintf("c%d.com", i))
	}
	var busy, most atomic.Int64
	four := make(chan struct{})
	var once sync.Once
	w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultCall, Path: domainCalls, Do: func() {
		n := busy.Add(1)
		for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
			continue
		}
		if n == 4 {
			once.Do(func() { close(four) })
		}
		select {
		case <-four: // all wait until four are here, then for a fifth to come
			<-time.After(30 * time.Millisecond)
		case <-time.After(10 * time.Second):
		}
		busy.Add(-1)
	}})
	for _, o := range w.imported(items(ids...)) {
		if o.Failure != nil {
			t.Error(o.Failure)
		}
	}
	if most.Load() != 4 {
		t.Errorf("%d at a time", most.Load())
	}
}

func TestWhatIsNotReachedInTimeFailsAlone(t *testing.T) {
	t.Parallel()
	w := oneWorld(t)
	w.connect()
	quick, slow := w.theirs("Quick", "quick.com"), w.theirs("Slow", "slow.com")
	unread := make([]string, 20)
	for i := range unread {
		unread[i] = w.theirs(fmt.Sprintf("Unread %d", i), "unread.com")
	}
	w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultDelay, Path: "/organizations/" + slow + "/relationships/domains", Delay: time.Minute})
	for _, id := range unread {
		w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultDelay, Path: "/organizations/" + id + "/relationships/domains", Delay: time.Minute})
	}
	w.service.SetPatience(2 * time.Second)
	outcomes := w.imported(items(append([]string{slow, quick, slow + " slow.com", "4242"}, unread...)...))
	w.want(outcomes[:4], "itglue-timeout", "quick.com", "slow.com", "not-found")
	w.want(outcomes[4:], slices.Repeat([]string{"itglue-timeout"}, 20)...)
	if n := w.callsTo("/domains"); n != 5 { // quick, slow, and what fitted beside it
		t.Errorf("%d calls for domains", n)
	}
}

func TestOnceITGlueRefusesItIsAskedNoMore(t *testing.T) {
	t.Parallel()
	for code, fault := range map[errs.Code]itgluetest.Fault{
		errs.ITGlueKeyRejected: {Kind: itgluetest.FaultStatus, Status: http.StatusUnauthorized},
		errs.ITGlueRateLimited: itgluetest.RateLimited("600"),
	} {
		t.Run(string(code), func(t *testing.T) {
			t.Parallel()
			w := oneWorld(t)
			w.connect()
			texts, wants := make([]string, 41), slices.Repeat([]string{string(code)}, 41)
			texts[0], wants[0] = w.theirs("Given")+" given.com", "given.com"
			for i := range 40 {
				texts[i+1] = w.theirs(fmt.Sprintf("Customer %d", i), fmt.Sprintf("c%d.com", i))
			}
			fault.Path = domainCalls
			w.itglue.Inject(fault)
			w.want(w.imported(items(texts...)), wants...)
			if n := w.callsTo("/domains"); n > 4 {
				t.Errorf("%d calls for domains", n)
			}
		})
	}
}

func TestOneOrganizationThatCannotBeReadDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	w := oneWorld(t)
	w.connect()
	odd, gone, fine := w.theirs("Odd", "odd.com"), w.theirs("Gone", "gone.com"), w.theirs("Fine", "fine.com")
	w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultHTML, Path: "/organizations/" + odd + "/relationships/domains"})
	w.itglue.Inject(itgluetest.Fault{
		Kind: itgluetest.FaultStatus, Status: http.StatusNotFound, Path: "/organizations/" + gone + "/relationships/domains",
	})
	w.want(w.imported(items(odd, gone, fine)), "itglue-bad-answer", "not-found", "fine.com")
}

func TestAListThatIsNotThereIsABadAnswer(t *testing.T) {
	t.Parallel()
	w := oneWorld(t)
	w.connect()
	id := w.theirs("Contoso", "contoso.com")
	w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultStatus, Status: http.StatusNotFound, Path: "/organizations"})
	_, err := w.service.Import(t.Context(), w.accountID, items(id), w.by)
	w.wantCode(err, errs.ITGlueBadAnswer)
}

func TestAFilterThatIsIgnoredImportsNothing(t *testing.T) {
	t.Parallel()
	w := oneWorld(t)
	w.connect()
	id := w.theirs("Contoso", "contoso.com")
	w.theirs("Another", "another.com")
	w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultIgnoredFilters})
	_, err := w.service.Import(t.Context(), w.accountID, items(id), w.by)
	w.wantCode(err, errs.ITGlueBadAnswer)
	if got := w.stored(); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

func TestAClientThatLeavesDuringTheReadsImportsNothing(t *testing.T) {
	t.Parallel()
	w := oneWorld(t)
	w.connect()
	id := w.theirs("Contoso", "contoso.com")
	ctx, leave := context.WithCancel(t.Context())
	w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultCall, Path: domainCalls, Do: leave})
	_, err := w.service.Import(ctx, w.accountID, items(id, w.theirs("Given")+" given.com"), w.by)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := w.stored(); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

func TestAClientThatLeavesDuringAnItemEndsTheImport(t *testing.T) {
	t.Parallel()
	w := oneWorld(t)
	w.connect()
	all := items(w.theirs("One", "one.com"), w.theirs("Two", "two.com"), w.theirs("Three", "three.com"))
	ctx, leave := context.WithCancel(t.Context())
	w.store.fail = func(_ string, o organization.Organization) error {
		if o.Name == "Two" {
			leave()
		}
		return nil
	}
	_, err := w.service.Import(ctx, w.accountID, all, w.by)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := w.stored(); len(got) != 1 {
		t.Errorf("%q", got)
	}
	if n := strings.Count(w.log.String(), "an item of an import failed"); n > 1 {
		t.Errorf("the log is %s", w.log)
	}
}

func TestATroubleOfTheStoreIsToldToTheLogOnly(t *testing.T) {
	t.Parallel()
	w := oneWorld(t)
	w.connect()
	one, two, three := w.theirs("One", "one.com"), w.theirs("Two", "two.com"), w.theirs("Three", "three.com", "three.net")
	w.store.fail = func(method string, o organization.Organization) error {
		switch {
		case method == "DomainHolders":
			return errs.New(errs.Internal, "table secret is gone")
		case o.Name == "One":
			return errors.New("table secret is gone")
		case o.Name == "Two":
			return errs.New(errs.Unavailable, "Away.")
		default:
			return nil
		}
	}
	outcomes := w.imported(items(one, two, three, w.theirs("Four")+" four.com"))
	w.want(outcomes, "internal", "unavailable", "internal", "four.com")
	if strings.Contains(fmt.Sprint(outcomes[0].Failure, outcomes[2].Failure), "secret") || len(outcomes[2].Candidates) > 0 {
		t.Errorf("%+v", outcomes)
	}
	if n := strings.Count(w.log.String(), "table secret is gone"); n != 2 || strings.Contains(w.log.String(), "CANARY") {
		t.Errorf("the log is %s", w.log)
	}
	w.store.fail = func(method string, _ organization.Organization) error {
		return map[string]error{"AlreadyMapped": errs.New(errs.Unavailable, "Away.")}[method]
	}
	_, err := w.service.Import(t.Context(), w.accountID, items(one), w.by)
	w.wantCode(err, errs.Unavailable)
}

func TestTwoImportsAtOnceImportEachOnce(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		w.connect()
		const n = 40
		ids := make([]string, n)
		for i := range ids {
			ids[i] = w.theirs(fmt.Sprintf("Customer %02d", i), fmt.Sprintf("c%02d.com", i))
		}
		turned := slices.Clone(ids)
		slices.Reverse(turned)
		results := make([][]organization.Outcome, 4)
		var done sync.WaitGroup
		start := make(chan struct{})
		for i := range results {
			done.Go(func() {
				<-start
				var err error
				results[i], err = w.service.Import(w.t.Context(), w.accountID, items([][]string{ids, turned}[i%2]...), w.by)
				if err != nil {
					w.t.Error(err)
				}
			})
		}
		close(start)
		done.Wait()
		imported := map[string]int{}
		for _, outcomes := range results {
			for _, o := range outcomes {
				switch {
				case o.Failure == nil:
					imported[o.ITGlueID]++
				case o.Failure.Code != errs.AlreadyMapped:
					w.t.Error(o.Failure)
				}
			}
		}
		for _, id := range ids {
			if imported[id] != 1 {
				w.t.Errorf("%s was imported %d times", id, imported[id])
			}
		}
		if got := len(w.stored()); got != n {
			w.t.Errorf("%d organizations", got)
		}
	})
}

// Each form of a domain is the same domain.
func TestADomainIsUniqueInWhateverForm(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		w.connect()
		for _, forms := range [][]string{
			{"Example.COM.", "example.com", "EXAMPLE.com"}, {"bücher.de", "xn--bcher-kva.de", "BÜCHER.de.", "bu\u0308cher.DE"},
		} {
			_, err := w.create(organization.New{Name: "First", Domain: forms[0]})
			w.ok(err)
			for _, form := range forms[1:] {
				_, err = w.create(organization.New{Name: "Second", Domain: form})
				w.wantCode(err, errs.DomainTaken)
				_, err = w.create(organization.New{ITGlueID: w.theirs("Third"), Domain: form})
				w.wantCode(err, errs.DomainTaken)
				w.want(w.imported(items(w.theirs("Fourth")+" "+form, w.theirs("Fifth", form))), "domain-taken", "domain-taken")
			}
		}
	})
}
