package store_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/orgbridge/orgbridge/internal/event"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/organization"
	"github.com/orgbridge/orgbridge/internal/page"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

func TestCreateOrganization(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		id := storetest.Account(t, s)
		want := organization.Organization{
			ID: storetest.ID(t), AccountID: id, Name: "  Ünïcode  ", Domain: "contoso.com", EmailPlatform: organization.GoogleWorkspace,
			CreatedAt: storetest.Now(), UpdatedAt: storetest.Now(),
		}
		ok(t, s.CreateOrganization(ctx, id, want, event.Actor{}))
		got, err := s.Organization(ctx, id, want.ID)
		ok(t, err)
		same(t, got, want)
		row, err := s.Mapping(ctx, id, want.ID)
		ok(t, err)
		same(t, row, mapping.Row{OrganizationID: want.ID, OrganizationName: want.Name, OrganizationDomain: want.Domain, State: mapping.Unmapped})

		want.ID = storetest.ID(t)
		wantCode(t, s.CreateOrganization(ctx, id, want, event.Actor{}), errs.DomainTaken)
		if n, err := s.CountOrganizations(ctx, id, organization.Filter{}); err != nil || n != 1 {
			t.Fatalf("a refused organization left something: %d, %v", n, err)
		}
		ok(t, s.CreateOrganization(ctx, storetest.Account(t, s), want, event.Actor{}))
		for _, bad := range []string{noSuchID, "", "1", "\x00"} {
			_, err = s.Organization(ctx, id, bad)
			wantCode(t, err, errs.NotFound)
			_, err = s.Mapping(ctx, id, bad)
			wantCode(t, err, errs.NotFound)
		}
	})
}

func organizationNames(p page.Page[organization.Organization]) []string {
	names := make([]string, len(p.Items))
	for i := range p.Items {
		names[i] = p.Items[i].Name
	}
	return names
}

func TestPagesShowEveryRowOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		want := map[string]bool{}
		for i := range 23 {
			// Names tie, and differ in case only: the order is by folded name and then by id.
			want[storetest.Organization(t, s, id, []string{"beta", "Beta", "ALPHA", "Ärger", "z"}[i%5])] = true
		}
		for _, descending := range []bool{false, true} {
			var got []string
			f := organization.Filter{Limit: 4, Descending: descending}
			for n := 0; ; n++ {
				p, err := s.Organizations(t.Context(), id, f)
				ok(t, err)
				for _, o := range p.Items {
					if want[o.ID] {
						got = append(got, o.ID)
					}
				}
				if p.Next == nil {
					break
				}
				// Rows that come while somebody pages do not shift those that were there.
				storetest.Organization(t, s, id, fmt.Sprintf("a%d%v", n, descending))
				f.After = p.Next
			}
			unique := slices.Compact(slices.Sorted(slices.Values(got)))
			if len(got) != len(want) || len(unique) != len(want) {
				t.Fatalf("descending=%v: saw %d rows, %d different, want %d", descending, len(got), len(unique), len(want))
			}
		}
		for _, bad := range []page.Position{{Key: "a", ID: "x"}, {Key: "a\x00", ID: noSuchID}, {Key: "\xff", ID: noSuchID}} {
			_, err := s.Organizations(t.Context(), id, organization.Filter{After: &bad})
			wantCode(t, err, errs.ValidationFailed)
		}
	})
}

func TestOrderIsTheSameOnBothEngines(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		for _, name := range []string{"b", "A", "Z", "a b", "a-b", "ab", "ä", "é", "Straße", "STRASSE 2", "\u65e5\u672c", "😀", "_", "1"} {
			storetest.Organization(t, s, id, name)
		}
		p, err := s.Organizations(t.Context(), id, organization.Filter{})
		ok(t, err)
		same(t, organizationNames(p), []string{"1", "_", "A", "a b", "a-b", "ab", "b", "Straße", "STRASSE 2", "Z", "ä", "é", "\u65e5\u672c", "😀"})
	})
}

func TestSearchIsTheSameOnBothEngines(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		names := []string{"100% Pure", "100 Pure", "a_b", "aXb", `back\slash`, "ÉCOLE", "Straße", "Ivan İ", "\u65e5\u672c\u8a9e", "Contoso  Ltd"}
		for i, name := range names {
			storetest.Organization(t, s, id, name)
			storetest.Directory(t, s, f, storetest.Entry(i+1, name))
		}
		for search, want := range map[string][]string{
			"PURE": {"100 Pure", "100% Pure"}, "0%": {"100% Pure"}, "%": {"100% Pure"}, "_": {"a_b"}, "A_B": {"a_b"}, `K\S`: {`back\slash`},
			"école": {"ÉCOLE"}, "E\u0301cole": {"ÉCOLE"}, "STRASSE": {"Straße"}, "\u672c": {"\u65e5\u672c\u8a9e"}, "so ltd": {"Contoso  Ltd"},
			"none": {}, "'; --": {}, "a\x00b": {}, "\xff": {},
		} {
			p, err := s.Organizations(t.Context(), id, organization.Filter{Search: search})
			ok(t, err)
			same(t, organizationNames(p), want)
			n, err := s.CountOrganizations(t.Context(), id, organization.Filter{Search: search})
			ok(t, err)
			d, err := s.CountDirectoryRows(t.Context(), id, integration.DirectoryFilter{Search: search})
			ok(t, err)
			m, err := s.CountMappings(t.Context(), id, mapping.Filter{Search: search})
			ok(t, err)
			same(t, []int{n, d, m}, []int{len(want), len(want), len(want)})
		}
		for _, all := range []string{"", "  "} {
			n, err := s.CountOrganizations(t.Context(), id, organization.Filter{Search: all})
			ok(t, err)
			same(t, n, len(names))
		}
	})
}

func TestOrganizationsByMapped(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		storetest.Connected(t, s, id)
		storetest.Organization(t, s, id, "free")
		storetest.Map(t, s, id, storetest.Organization(t, s, id, "taken"), storetest.Entry(1, "taken"))
		yes, no := true, false
		for mapped, want := range map[*bool][]string{&yes: {"taken"}, &no: {"free"}, nil: {"free", "taken"}} {
			p, err := s.Organizations(t.Context(), id, organization.Filter{Mapped: mapped})
			ok(t, err)
			same(t, organizationNames(p), want)
			for _, o := range p.Items {
				same(t, o.Mapped, o.Name == "taken")
			}
		}
	})
}
