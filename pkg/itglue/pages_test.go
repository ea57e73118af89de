package itglue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// list collects all pages; the organizations read before an error are kept.
func list(ctx context.Context, client *itglue.Client) ([]itglue.Page, []itglue.Organization, error) {
	var (
		pages         []itglue.Page
		organizations []itglue.Organization
	)

	for page, err := range client.OrganizationPages(ctx) {
		if err != nil {
			return pages, organizations, err
		}

		pages = append(pages, page)
		organizations = append(organizations, page.Organizations...)
	}

	return pages, organizations, nil
}

// sameIDs checks that the listing is the server's, in order and once each.
func sameIDs(t *testing.T, got []itglue.Organization, server *itgluetest.Listening) {
	t.Helper()

	want := server.Organizations()
	if len(got) != len(want) {
		t.Fatalf("got %d organizations, want %d", len(got), len(want))
	}

	for i := range want {
		if got[i].ID != want[i].ID || got[i].Name != want[i].Name {
			t.Fatalf("organization %d: got %+v, want %+v", i, got[i], want[i])
		}
	}
}

// pageCalls returns "number/size" of every call.
func pageCalls(server *itgluetest.Listening) []string {
	logged := server.Calls()
	calls := make([]string, 0, len(logged))

	for _, call := range logged {
		calls = append(calls, call.Query.Get("page[number]")+"/"+call.Query.Get("page[size]"))
	}

	return calls
}

func TestOrganizationPages(t *testing.T) {
	t.Parallel()

	for total, requests := range map[int]int{0: 1, 1: 1, 999: 1, 1000: 1, 1001: 2, 10_000: 10} {
		t.Run(fmt.Sprintf("Reads%dIn%dRequests", total, requests), func(t *testing.T) {
			t.Parallel()

			b := setup(t, total)

			pages, organizations, err := list(t.Context(), b.client)
			if err != nil {
				t.Fatal(err)
			}

			sameIDs(t, organizations, b.server)

			if count := b.server.CallCount(); count != requests || len(pages) != requests {
				t.Errorf("got %d calls for %d pages, want %d", count, len(pages), requests)
			}

			last := pages[len(pages)-1]
			if !last.Last || last.TotalCount != total || last.Number != requests || last.Size != 1000 {
				t.Errorf("last page is %d of size %d, total %d, last %t", last.Number, last.Size, last.TotalCount, last.Last)
			}

			if sort := b.server.Calls()[0].Query.Get("sort"); sort != "id" {
				t.Errorf("sorted by %q", sort)
			}
		})
	}

	t.Run("HalvesPagesThatTakeTooLong", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 1100)
		b.server.Inject(itgluetest.TookTooLong(300))

		_, organizations, err := list(t.Context(), b.client)
		if err != nil {
			t.Fatal(err)
		}

		sameIDs(t, organizations, b.server)

		want := []string{"1/1000", "1/500", "1/250", "2/250", "3/250", "4/250", "5/250"}
		if got := pageCalls(b.server); !slices.Equal(got, want) {
			t.Errorf("got calls %v, want %v", got, want)
		}
	})

	t.Run("KeepsThePlaceWhenHalving", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 3600)
		b.server.Inject(itgluetest.Fault{Kind: itgluetest.FaultStatus, Status: 504, Style: itgluetest.BodyHTML, Page: 3, Times: 1})

		_, organizations, err := list(t.Context(), b.client)
		if err != nil {
			t.Fatal(err)
		}

		sameIDs(t, organizations, b.server)

		want := []string{"1/1000", "2/1000", "3/1000", "5/500", "6/500", "7/500", "8/500"}
		if got := pageCalls(b.server); !slices.Equal(got, want) {
			t.Errorf("got calls %v, want %v", got, want)
		}
	})

	t.Run("GivesUpWhenTheSmallestPageTakesTooLong", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 300)
		b.server.Inject(itgluetest.TookTooLong(1))

		_, _, err := list(t.Context(), b.client)
		failure(t, err, itglue.KindTimeout)

		want := []string{"1/1000", "1/500", "1/250", "1/125", "1/125", "1/125"}
		if got := pageCalls(b.server); !slices.Equal(got, want) {
			t.Errorf("got calls %v, want %v", got, want)
		}
	})

	t.Run("RetriesInPlace", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 2500)
		b.server.Inject(itgluetest.Fault{Kind: itgluetest.FaultStatus, Status: 502, Page: 2, Times: 2})

		_, organizations, err := list(t.Context(), b.client)
		if err != nil {
			t.Fatal(err)
		}

		sameIDs(t, organizations, b.server)

		want := []string{"1/1000", "2/1000", "2/1000", "2/1000", "3/1000"}
		if got := pageCalls(b.server); !slices.Equal(got, want) {
			t.Errorf("got calls %v, want %v", got, want)
		}
	})

	t.Run("StopsWhenTheKeyIsRevokedMidway", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 5000)
		b.server.Inject(itgluetest.Fault{
			Kind: itgluetest.FaultCall, Page: 4, Do: func() { b.server.RevokeKey(canaryKey) },
		})

		pages, _, err := list(t.Context(), b.client)
		failure(t, err, itglue.KindRejectedKey)

		if len(pages) != 3 || b.server.CallCount() != 4 {
			t.Errorf("got %d pages in %d calls", len(pages), b.server.CallCount())
		}
	})

	t.Run("StopsWhenTheCallerDoes", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 5000)

		for _, err := range b.client.OrganizationPages(t.Context()) {
			if err != nil {
				t.Error(err)
			}

			break
		}

		if count := b.server.CallCount(); count != 1 {
			t.Errorf("got %d calls, want 1", count)
		}
	})

	t.Run("StopsWhenCancelled", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 5000)
		ctx, cancel := context.WithCancel(t.Context())
		b.server.Inject(itgluetest.Fault{Kind: itgluetest.FaultCall, Page: 3, Do: cancel})

		_, _, err := list(ctx, b.client)
		if !errors.Is(err, context.Canceled) || itglue.KindOf(err) != "" || b.server.CallCount() > 3 {
			t.Errorf("got %v after %d calls", err, b.server.CallCount())
		}
	})

	t.Run("StartsAnewWhenRangedAgain", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 1500)
		pages := b.client.OrganizationPages(t.Context())

		for range 2 {
			seen := 0
			for page, err := range pages {
				if err != nil {
					t.Fatal(err)
				}

				seen += len(page.Organizations)
			}

			if seen != 1500 {
				t.Errorf("got %d organizations", seen)
			}
		}
	})
}

func TestOrganizationPagesOfAServerThatLies(t *testing.T) {
	t.Parallel()

	t.Run("EndsALoopAfterTwoPagesTooMany", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 2500)
		b.server.Inject(itgluetest.Fault{Kind: itgluetest.FaultNextPageLoop})

		_, _, err := list(t.Context(), b.client)
		failure(t, err, itglue.KindMalformed)

		if b.server.CallCount() != 5 {
			t.Errorf("got %d calls, want 3+2", b.server.CallCount())
		}
	})

	t.Run("RefusesAnotherPageThanAskedFor", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 3500)
		b.server.Inject(itgluetest.Fault{Kind: itgluetest.FaultCurrentPage, Page: 3})

		pages, _, err := list(t.Context(), b.client)
		failure(t, err, itglue.KindMalformed)

		if len(pages) != 2 || b.server.CallCount() != 3 {
			t.Errorf("got %d pages in %d calls", len(pages), b.server.CallCount())
		}
	})

	// In these the listing succeeds, and its figures give the lie away.
	incomplete := map[string]struct {
		fault       itgluetest.Fault
		seen, total int
	}{
		"MissingPage":        {itgluetest.Fault{Kind: itgluetest.FaultMissingRows, Page: 3}, 5500, 6500},
		"MissingRows":        {itgluetest.Fault{Kind: itgluetest.FaultMissingRows, Page: 3, Count: 2}, 6498, 6500},
		"WrongTotalCount":    {itgluetest.Fault{Kind: itgluetest.FaultTotalCount, Count: 7}, 6500, 6507},
		"ShrinkingPageCount": {itgluetest.Fault{Kind: itgluetest.FaultTotalPages, Page: 3, Count: 3}, 3000, 6500},
		"EmptyList":          {itgluetest.Fault{Kind: itgluetest.FaultEmptyList}, 0, 0},
	}
	for name, test := range incomplete {
		t.Run("Reports"+name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, 6500)
			b.server.Inject(test.fault)

			pages, organizations, err := list(t.Context(), b.client)
			if err != nil {
				t.Fatal(err)
			}

			total := pages[len(pages)-1].TotalCount
			if len(organizations) != test.seen || total != test.total {
				t.Errorf("saw %d of %d, want %d of %d", len(organizations), total, test.seen, test.total)
			}
		})
	}

	t.Run("ReportsADuplicate", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 10)
		b.server.Inject(itgluetest.Fault{Kind: itgluetest.FaultDuplicateRow, Name: "Twin"})

		_, organizations, err := list(t.Context(), b.client)
		if err != nil {
			t.Fatal(err)
		}

		first, last := organizations[0], organizations[9]
		if first.ID != last.ID || last.Name != "Twin" {
			t.Errorf("got %+v and %+v", first, last)
		}
	})

	t.Run("AcceptsNumbersForIDs", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 1200)
		b.server.Inject(itgluetest.Fault{Kind: itgluetest.FaultIDsAsNumbers})

		_, organizations, err := list(t.Context(), b.client)
		if err != nil {
			t.Fatal(err)
		}

		sameIDs(t, organizations, b.server)
	})

	t.Run("AcceptsTwoToThe63", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 2)
		b.server.Inject(itgluetest.Fault{Kind: itgluetest.FaultOddID, Body: "9223372036854775808"})

		_, organizations, err := list(t.Context(), b.client)
		if err != nil || organizations[0].ID != "9223372036854775808" {
			t.Errorf("got %+v, %v", organizations, err)
		}
	})

	for name, id := range map[string]string{
		"NegativeID": "-5", "ExponentID": "1e3", "FractionID": "1.0", "EmptyID": `""`, "NullID": "null",
		"ObjectID": "{}", "PathID": `"../1"`, "LongID": `"123456789012345678901"`,
	} {
		t.Run("Refuses"+name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, 2)
			b.server.Inject(itgluetest.Fault{Kind: itgluetest.FaultOddID, Body: id})

			_, _, err := list(t.Context(), b.client)
			failure(t, err, itglue.KindMalformed)
		})
	}
}

func TestOrganizationsPage(t *testing.T) {
	t.Parallel()

	t.Run("ReadsOnePage", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 25)

		page, err := b.client.OrganizationsPage(t.Context(), 2, 10)
		if err != nil || len(page.Organizations) != 10 || page.Last || page.TotalCount != 25 {
			t.Errorf("got %+v, %v", page, err)
		}
	})

	t.Run("EmptyBeyondTheEnd", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 25)

		page, err := b.client.OrganizationsPage(t.Context(), 9, 10)
		if err != nil || len(page.Organizations) != 0 || !page.Last || page.TotalCount != 25 {
			t.Errorf("got %+v, %v", page, err)
		}
	})

	t.Run("RefusesWhatIsNoPage", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 1)

		for _, page := range [][2]int{{0, 10}, {-1, 10}, {1, 0}, {1, 1001}} {
			if _, err := b.client.OrganizationsPage(t.Context(), page[0], page[1]); err == nil {
				t.Errorf("page %v: got no error", page)
			}
		}

		if count := b.server.CallCount(); count != 0 {
			t.Errorf("got %d calls", count)
		}
	})
}
