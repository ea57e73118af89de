package organization_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/organization"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// wantFault checks that an error is about one place of the request.
func (w *world) wantFault(err error, pointer, code string) {
	w.t.Helper()
	failed, ok := errors.AsType[*errs.Error](err)
	if !ok || failed.Code != errs.ValidationFailed || len(failed.Fields) != 1 || failed.Fields[0].Pointer != pointer || failed.Fields[0].Code != code {
		w.t.Errorf("got %v %+v, want %s %s", err, failed, pointer, code)
	}
}

func TestAddFromITGlue(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		glue := w.theirs("  Cöntoso  Ltd ")
		n := organization.New{ITGlueID: glue, Domain: "Contoso.COM.", EmailPlatform: organization.GoogleWorkspace}
		_, err := w.create(n)
		w.wantCode(err, errs.NotConnected)
		w.connect()

		o, err := w.create(n)
		w.ok(err)
		if o.Name != "  Cöntoso  Ltd " || o.Domain != "contoso.com" || o.EmailPlatform != organization.GoogleWorkspace || !o.Mapped {
			w.t.Errorf("%+v", o)
		}
		stored, err := w.store.Organization(w.t.Context(), w.accountID, o.ID)
		w.ok(err)
		if diff := cmp.Diff(o, stored); diff != "" {
			w.t.Error(diff)
		}
		row, err := w.store.Mapping(w.t.Context(), w.accountID, o.ID)
		w.ok(err)
		if row.State != mapping.Active || row.Origin != mapping.OriginImport || row.ITGlueID != glue || row.ITGlueName != o.Name || row.MappedAt == nil {
			w.t.Errorf("%+v", row)
		}
		entry, err := w.store.DirectoryEntry(w.t.Context(), w.accountID, glue)
		if err != nil || entry.Name != o.Name {
			w.t.Errorf("%+v, %v", entry, err)
		}

		n.Domain = "contoso.net"
		_, err = w.create(n)
		w.wantCode(err, errs.AlreadyMapped)
		if failed, ok := errors.AsType[*errs.Error](err); ok && failed.Params["organizationId"] != o.ID {
			w.t.Errorf("%+v", failed)
		}

		named := organization.New{ITGlueID: w.theirs("\t"), Name: "Mine", Domain: "CONTOSO.com", EmailPlatform: organization.GoogleWorkspace}
		_, err = w.create(named)
		w.wantCode(err, errs.DomainTaken)
		named.Domain = "mine.com"
		mine, err := w.create(named)
		if err != nil || mine.Name != "Mine" {
			w.t.Errorf("%+v, %v", mine, err)
		}
		if got := w.stored(); !slices.Equal(got, []string{"  Cöntoso  Ltd  contoso.com", "Mine mine.com"}) {
			w.t.Errorf("%q", got)
		}
	})
}

func TestANameOfITGlueThatCannotBeTakenOverIsRefused(t *testing.T) {
	t.Parallel()
	w := oneWorld(t)
	w.connect()
	for _, c := range []struct{ name, code string }{
		{"", "name-blank"}, {" \u00a0", "name-blank"}, {strings.Repeat("ö", 256), "name-too-long"}, {"a\ufffdb", "name-not-legal"},
		{"a\x00b", "name-not-legal"},
	} {
		_, err := w.create(organization.New{ITGlueID: w.theirs(c.name), Domain: "contoso.com"})
		w.wantFault(err, "/name", c.code)
	}
	if got := w.stored(); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

func TestAllFaultsAreToldBeforeITGlueIsAsked(t *testing.T) {
	t.Parallel()
	w := oneWorld(t)
	_, err := w.create(organization.New{ITGlueID: "1", Name: " ", Domain: "localhost", EmailPlatform: "smtp"})
	failed, ok := errors.AsType[*errs.Error](err)
	if !ok || len(failed.Fields) != 3 {
		t.Errorf("%v", err)
	}
	_, err = w.create(organization.New{Domain: "contoso.com"})
	w.wantFault(err, "/name", "name-blank")
	w.connect()
	for _, unknown := range []string{"4242", "0", "x", "../1"} {
		_, err = w.create(organization.New{ITGlueID: unknown, Domain: "contoso.com"})
		w.wantFault(err, "/itglueOrganizationId", "unknown")
	}
	if got := w.stored(); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

// itglueFaults are ways in which IT Glue fails, with the code of each.
func itglueFaults() map[errs.Code]itgluetest.Fault {
	return map[errs.Code]itgluetest.Fault{
		errs.ITGlueKeyRejected: {Kind: itgluetest.FaultStatus, Status: http.StatusForbidden, Style: itgluetest.BodyMessage},
		errs.ITGlueRateLimited: itgluetest.RateLimited("600"),
		errs.ITGlueUnavailable: {Kind: itgluetest.FaultStatus, Status: http.StatusServiceUnavailable},
		errs.ITGlueTimeout:     {Kind: itgluetest.FaultStatus, Status: http.StatusGatewayTimeout},
		errs.ITGlueBadAnswer:   {Kind: itgluetest.FaultHTML},
	}
}

func TestFailuresOfITGlueChangeNothing(t *testing.T) {
	t.Parallel()
	for code, fault := range itglueFaults() {
		t.Run(string(code), func(t *testing.T) {
			t.Parallel()
			w := oneWorld(t)
			w.connect()
			id := w.theirs("Contoso", "contoso.com")
			w.itglue.Inject(fault)
			_, err := w.create(organization.New{ITGlueID: id, Domain: "contoso.com"})
			w.wantCode(err, code)
			_, err = w.service.Domains(t.Context(), w.accountID, id)
			w.wantCode(err, code)
			_, err = w.service.Import(t.Context(), w.accountID, items(id), w.by)
			w.wantCode(err, code)
			if got := w.stored(); len(got) > 0 {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestTheDeadlineOfAWaitingPersonIsATimeout(t *testing.T) {
	t.Parallel()
	w := oneWorld(t)
	w.connect()
	id := w.theirs("Contoso", "contoso.com")
	w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultDelay, Delay: time.Minute})
	w.service.SetPatience(50 * time.Millisecond)
	_, err := w.create(organization.New{ITGlueID: id, Domain: "contoso.com"})
	w.wantCode(err, errs.ITGlueTimeout)
	_, err = w.service.Domains(t.Context(), w.accountID, id)
	w.wantCode(err, errs.ITGlueTimeout)
	_, err = w.service.Import(t.Context(), w.accountID, items(id+" contoso.com"), w.by)
	w.wantCode(err, errs.ITGlueTimeout)
}

func TestDomainsOnOffer(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		ctx := w.t.Context()
		id := w.theirs("Contoso", "contoso.onmicrosoft.com", "intranet", "Taken.COM", "contoso.com", "CONTOSO.com.", "bücher.de", "gmail.com")
		none := w.theirs("No domains")
		_, err := w.service.Domains(ctx, w.accountID, id)
		w.wantCode(err, errs.NotConnected)
		w.connect()
		holder, err := w.create(organization.New{Name: "Holder", Domain: "taken.com"})
		w.ok(err)
		books, err := w.create(organization.New{Name: "Books", Domain: "xn--bcher-kva.de"})
		w.ok(err)
		other := storetest.Account(w.t, w.store.Store)
		_, err = w.service.Create(ctx, other, organization.New{Name: "Other", Domain: "contoso.com", EmailPlatform: organization.Microsoft365}, w.by)
		w.ok(err)

		got, err := w.service.Domains(ctx, w.accountID, id)
		w.ok(err)
		choice := func(name, domain string) organization.DomainChoice {
			return organization.DomainChoice{Name: name, Domain: domain}
		}
		byProvider := func(name string) organization.Offer {
			return organization.Offer{DomainChoice: organization.DomainChoice{Name: name, Domain: name, ProviderDefault: true}}
		}
		want := []organization.Offer{
			{DomainChoice: choice("Taken.COM", "taken.com"), OrganizationID: holder.ID},
			{DomainChoice: choice("contoso.com", "contoso.com")},
			{DomainChoice: choice("bücher.de", "xn--bcher-kva.de"), OrganizationID: books.ID},
			byProvider("contoso.onmicrosoft.com"), byProvider("gmail.com"),
			{DomainChoice: organization.DomainChoice{Name: "intranet", Problem: "must be below a public suffix, as contoso.com is below com"}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			w.t.Error(diff)
		}
		got, err = w.service.Domains(ctx, w.accountID, none)
		if err != nil || got == nil || len(got) > 0 {
			w.t.Errorf("%+v, %v", got, err)
		}
		for _, unknown := range []string{"4242", "x", ""} {
			_, err = w.service.Domains(ctx, w.accountID, unknown)
			w.wantCode(err, errs.NotFound)
		}
	})
}

func TestUpdateRefusesWhatCreateRefuses(t *testing.T) {
	t.Parallel()
	w := oneWorld(t)
	o, err := w.create(organization.New{Name: "Contoso", Domain: "contoso.com"})
	w.ok(err)
	smtp := organization.EmailPlatform("smtp")
	_, err = w.service.Update(t.Context(), w.accountID, o.ID, organization.Change{Name: new(" "), EmailPlatform: &smtp}, w.by)
	failed, ok := errors.AsType[*errs.Error](err)
	if !ok || failed.Code != errs.ValidationFailed || len(failed.Fields) != 2 {
		t.Errorf("%v", err)
	}
	updated, err := w.service.Update(t.Context(), w.accountID, o.ID, organization.Change{Name: new("Contoso Ltd")}, w.by)
	if err != nil || updated.Name != "Contoso Ltd" || updated.Domain != "contoso.com" {
		t.Errorf("%+v, %v", updated, err)
	}
	_, err = w.service.Update(t.Context(), w.accountID, storetest.ID(t), organization.Change{}, w.by)
	w.wantCode(err, errs.NotFound)
}

// The connection that was read through has to be the one that is mapped under.
func TestWhatWasReadThroughAnotherConnectionIsNotStored(t *testing.T) {
	t.Parallel()
	w := oneWorld(t)
	w.connect()
	client, in, err := w.connections.Client(t.Context(), w.accountID)
	w.ok(err)
	id := w.theirs("Contoso", "contoso.com")
	live, err := client.Organization(t.Context(), id)
	w.ok(err)
	in.ID = storetest.ID(t)
	o := organization.Organization{ID: storetest.ID(t), Name: "Contoso", Domain: "contoso.com", EmailPlatform: organization.Microsoft365}
	err = w.store.ImportOrganization(t.Context(), w.accountID, o, organization.Source{Entry: integration.Entry(live), Connection: in}, w.by)
	w.wantCode(err, errs.Conflict)
}
