package store_test

import (
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/page"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

func TestDirectory(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		id := storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		one, two, three := storetest.Entry(1, "One"), storetest.Entry(2, "Two"), storetest.Entry(3, "Three")
		one.Primary = true
		storetest.Directory(t, s, f, one, two)
		two.Name, two.StatusName = "Zwei", ""
		ok(t, s.WriteDirectory(ctx, f, []integration.DirectoryEntry{two, three}, []string{"1", "404"}))

		got, err := s.Directory(ctx, id)
		ok(t, err)
		same(t, got, []integration.DirectoryEntry{two, three})
		entry, err := s.DirectoryEntry(ctx, id, "2")
		ok(t, err)
		same(t, entry, two)
		for _, bad := range []string{"1", "", "\x00", "\xff"} {
			_, err = s.DirectoryEntry(ctx, id, bad)
			wantCode(t, err, errs.NotFound)
		}

		org := storetest.Organization(t, s, id, "Three")
		storetest.Map(t, s, id, org, three)
		yes, no := true, false
		for mapped, want := range map[*bool][]integration.DirectoryRow{
			&yes: {{DirectoryEntry: three, MappedOrganizationID: org}},
			&no:  {{DirectoryEntry: two}},
			nil:  {{DirectoryEntry: three, MappedOrganizationID: org}, {DirectoryEntry: two}},
		} {
			p, err := s.DirectoryRows(ctx, id, integration.DirectoryFilter{Mapped: mapped})
			ok(t, err)
			same(t, p.Items, want)
			n, err := s.CountDirectoryRows(ctx, id, integration.DirectoryFilter{Mapped: mapped})
			ok(t, err)
			same(t, n, len(want))
		}
		p, err := s.DirectoryRows(ctx, id, integration.DirectoryFilter{Limit: 1})
		ok(t, err)
		same(t, p.Next, &page.Position{Key: "three", ID: "3"})
		p, err = s.DirectoryRows(ctx, id, integration.DirectoryFilter{Limit: 1, After: p.Next})
		ok(t, err)
		same(t, p, page.Page[integration.DirectoryRow]{Items: []integration.DirectoryRow{{DirectoryEntry: two}}})
	})
}

func TestDirectoryKeepsNamesThatDatabasesRefuse(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		long := strings.Repeat("\u9577", 5000) // three bytes each
		storetest.Directory(t, s, f, storetest.Entry(1, "a\x00b"), storetest.Entry(2, "a\xffb"), storetest.Entry(3, long))
		got, err := s.Directory(t.Context(), id)
		ok(t, err)
		same(t, []string{got[0].Name, got[1].Name, got[2].Name}, []string{"a\uFFFDb", "a\uFFFDb", long})
		n, err := s.CountDirectoryRows(t.Context(), id, integration.DirectoryFilter{Search: "A\uFFFDB"})
		ok(t, err)
		same(t, n, 2)
	})
}

func TestDirectoryTaken(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		at := storetest.Now()
		ok(t, s.DirectoryTaken(t.Context(), f, at))
		in, err := s.Integration(t.Context(), id)
		ok(t, err)
		same(t, in.ListedAt, &at)
	})
}
