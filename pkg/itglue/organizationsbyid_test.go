package itglue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// idsOf returns the ids of all organizations of the server, in order.
func idsOf(server *itgluetest.Listening) []string {
	all := server.Organizations()
	ids := make([]string, 0, len(all))

	for _, organization := range all {
		ids = append(ids, organization.ID)
	}

	return ids
}

// askedFor returns the filter of every call.
func askedFor(server *itgluetest.Listening) []string {
	logged := server.Calls()
	filters := make([]string, 0, len(logged))

	for _, call := range logged {
		filters = append(filters, call.Query.Get("filter[id]"))
	}

	return filters
}

// sameOrganizations checks that these ids came, in this order.
func sameOrganizations(t *testing.T, got []itglue.Organization, want []string) {
	t.Helper()

	ids := make([]string, 0, len(got))
	for _, organization := range got {
		ids = append(ids, organization.ID)
	}

	if !slices.Equal(ids, want) {
		t.Errorf("got %v, want %v", ids, want)
	}
}

func TestOrganizationsByID(t *testing.T) {
	t.Parallel()

	for asked, requests := range map[int]int{0: 0, 1: 1, 99: 1, 100: 1, 101: 2, 200: 2, 250: 3} {
		t.Run(fmt.Sprintf("Reads%dIn%dRequests", asked, requests), func(t *testing.T) {
			t.Parallel()

			b := setup(t, 300)
			ids := idsOf(b.server)[:asked]
			slices.Reverse(ids)

			got, err := b.client.OrganizationsByID(t.Context(), ids)
			if err != nil {
				t.Fatal(err)
			}

			sameOrganizations(t, got, ids)

			if count := b.server.CallCount(); count != requests {
				t.Errorf("got %d calls, want %d", count, requests)
			}
		})
	}

	t.Run("AsksForOnePageSortedByID", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 3)
		ids := idsOf(b.server)

		if _, err := b.client.OrganizationsByID(t.Context(), ids); err != nil {
			t.Fatal(err)
		}

		call := b.server.Calls()[0]
		want := "filter[id]=" + strings.Join(ids, ",") + "&page[number]=1&page[size]=1000&sort=id"

		if got := unescaped(call.Query.Encode()); call.Path != "/organizations" || got != want {
			t.Errorf("got %s?%s, want /organizations?%s", call.Path, got, want)
		}
	})

	t.Run("ReadsAllFields", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 5)
		updatedAt := time.Date(2025, 11, 19, 8, 30, 10, 0, time.UTC)
		id := b.server.Add(itgluetest.Organization{
			Name: "  Comma, \"Sons\"\t", ShortName: "CS", TypeName: "Customer", StatusName: "Active",
			Primary: true, ParentID: "4489414129010794", UpdatedAt: updatedAt,
		})[0]

		got, err := b.client.OrganizationsByID(t.Context(), []string{id})
		if err != nil || len(got) != 1 {
			t.Fatalf("got %+v, %v", got, err)
		}

		want := itglue.Organization{
			ID: id, Name: "  Comma, \"Sons\"\t", ShortName: "CS", TypeName: "Customer",
			StatusName: "Active", Primary: true, ParentID: "4489414129010794", UpdatedAt: updatedAt,
		}
		if got[0] != want {
			t.Errorf("got  %+v\nwant %+v", got[0], want)
		}
	})

	t.Run("AsksOnceForWhatIsGivenTwice", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 3)
		ids := idsOf(b.server)

		got, err := b.client.OrganizationsByID(t.Context(), []string{ids[2], ids[0], ids[2], ids[0]})
		if err != nil {
			t.Fatal(err)
		}

		sameOrganizations(t, got, []string{ids[2], ids[0]})

		if filters := askedFor(b.server); !slices.Equal(filters, []string{ids[2] + "," + ids[0]}) {
			t.Errorf("asked for %q", filters)
		}
	})

	t.Run("LeavesOutWhatIsNotVisible", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 4)
		ids := idsOf(b.server)
		b.server.Delete(ids[0])
		b.server.Hide(canaryKey, ids[1])

		got, err := b.client.OrganizationsByID(t.Context(), append(ids, "42"))
		if err != nil {
			t.Fatal(err)
		}

		sameOrganizations(t, got, ids[2:])
	})

	t.Run("EmptyWhenNoneIsVisible", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 4)

		got, err := b.client.OrganizationsByID(t.Context(), []string{"42", "43"})
		if err != nil || len(got) != 0 || b.server.CallCount() != 1 {
			t.Errorf("got %+v, %v after %d calls", got, err, b.server.CallCount())
		}
	})

	t.Run("LeavesOutWhatIsNoIDWithoutACall", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 1)
		id := b.server.Organizations()[0].ID
		none := []string{
			"", "abc", "-1", "+1", "1.5", "1,2", " 1", "1 ", "1\n", "١٢٣", "123456789012345678901", "0", "0" + id, "*", "1) OR (1=1",
		}

		got, err := b.client.OrganizationsByID(t.Context(), none)
		if err != nil || len(got) != 0 || b.server.CallCount() != 0 {
			t.Errorf("got %+v, %v after %d calls", got, err, b.server.CallCount())
		}

		got, err = b.client.OrganizationsByID(t.Context(), append(none, id))
		if err != nil {
			t.Fatal(err)
		}

		sameOrganizations(t, got, []string{id})

		if filters := askedFor(b.server); !slices.Equal(filters, []string{id}) {
			t.Errorf("asked for %q", filters)
		}
	})

	t.Run("StaysShortWithTheLongestIDs", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 0)
		ids := make([]string, 100)

		for i := range ids {
			ids[i] = fmt.Sprintf("12345678901234567%03d", i)
			b.server.Add(itgluetest.Organization{ID: ids[i], Name: "Long"})
		}

		got, err := b.client.OrganizationsByID(t.Context(), ids)
		if err != nil {
			t.Fatal(err)
		}

		sameOrganizations(t, got, ids)

		if length := len(b.server.Calls()[0].Query.Encode()); b.server.CallCount() != 1 || length > 2500 {
			t.Errorf("got %d calls, the first of %d bytes", b.server.CallCount(), length)
		}
	})

	t.Run("KeepsTheCallersIDs", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 2)
		ids := append([]string{"none"}, idsOf(b.server)...)
		before := slices.Clone(ids)

		if _, err := b.client.OrganizationsByID(t.Context(), ids); err != nil || !slices.Equal(ids, before) {
			t.Errorf("got %v, the ids are %v", err, ids)
		}
	})
}

func unescaped(query string) string {
	return strings.NewReplacer("%5B", "[", "%5D", "]", "%2C", ",").Replace(query)
}

func TestOrganizationsByIDFails(t *testing.T) {
	t.Parallel()

	notAsked := otherJSON(`{"data":[{"id":"7","type":"organizations","attributes":{"name":"Other"}}],` +
		`"meta":{"current-page":1,"total-pages":1,"total-count":1}}`)

	tests := map[string]struct {
		fault  itgluetest.Fault
		kind   itglue.Kind
		detail string
		calls  int
	}{
		"RejectedKeyOn401":            {status(401, itgluetest.BodyErrors), itglue.KindRejectedKey, "Unauthorized", 1},
		"RejectedKeyOn403":            {status(403, itgluetest.BodyMessage), itglue.KindRejectedKey, "Forbidden", 1},
		"RateLimitedOn429":            {itgluetest.RateLimited("120"), itglue.KindRateLimited, "Too Many Requests", 1},
		"MalformedOn414":              {status(414, itgluetest.BodyHTML), itglue.KindMalformed, "Too Long", 1},
		"MalformedOn422":              {status(422, itgluetest.BodyErrors), itglue.KindMalformed, "Unprocessable", 1},
		"UnavailableOn500":            {status(500, itgluetest.BodyEmpty), itglue.KindUnavailable, "", 3},
		"TimeoutOnTookTooLong":        {itgluetest.TookTooLong(0), itglue.KindTimeout, "took too long", 3},
		"MalformedOnIgnoredFilter":    {itgluetest.Fault{Kind: itgluetest.FaultIgnoredFilters}, itglue.KindMalformed, "was not asked for", 1},
		"MalformedOnAnother":          {notAsked, itglue.KindMalformed, "organization 7 was not asked for", 1},
		"MalformedOnTwice":            {itgluetest.Fault{Kind: itgluetest.FaultDuplicateRow}, itglue.KindMalformed, "came twice", 1},
		"MalformedOnTwiceUnlikeNames": {itgluetest.Fault{Kind: itgluetest.FaultDuplicateRow, Name: "Twin"}, itglue.KindMalformed, "came twice", 1},
		"MalformedOnMissingRows":      {itgluetest.Fault{Kind: itgluetest.FaultMissingRows, Count: 1}, itglue.KindMalformed, "got 2 organizations where 3", 1},
		"MalformedOnNoRows":           {itgluetest.Fault{Kind: itgluetest.FaultMissingRows}, itglue.KindMalformed, "got 0 organizations where 3", 1},
		"MalformedOnHigherTotal":      {itgluetest.Fault{Kind: itgluetest.FaultTotalCount, Count: 1}, itglue.KindMalformed, "where 4 were announced", 1},
		"MalformedOnLowerTotal":       {itgluetest.Fault{Kind: itgluetest.FaultTotalCount, Count: -1}, itglue.KindMalformed, "where 2 were announced", 1},
		"MalformedOnFurtherPages":     {itgluetest.Fault{Kind: itgluetest.FaultNextPageLoop}, itglue.KindMalformed, "announced", 1},
		"MalformedOnAnotherPage":      {itgluetest.Fault{Kind: itgluetest.FaultCurrentPage, Count: 2}, itglue.KindMalformed, "not that page", 1},
		"MalformedOnOddID":            {itgluetest.Fault{Kind: itgluetest.FaultOddID, Body: `"x"`}, itglue.KindMalformed, "is not an id", 1},
		"MalformedOnTruncated":        {itgluetest.Fault{Kind: itgluetest.FaultTruncate}, itglue.KindMalformed, "JSON", 1},
		"UnavailableOnCutOff":         {itgluetest.Fault{Kind: itgluetest.FaultWrongLength}, itglue.KindUnavailable, "EOF", 3},
		"MalformedOnHTML":             {itgluetest.Fault{Kind: itgluetest.FaultHTML}, itglue.KindMalformed, "JSON", 1},
		"MalformedOnGzipBomb":         {itgluetest.Fault{Kind: itgluetest.FaultGzipBomb, Size: 17 << 20}, itglue.KindMalformed, "larger than allowed", 1},
		"MalformedOnRedirect":         {itgluetest.Fault{Kind: itgluetest.FaultRedirect, Location: "http://127.0.0.1/"}, itglue.KindMalformed, "redirect", 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, 5)
			b.server.Inject(test.fault)

			organizations, err := b.client.OrganizationsByID(t.Context(), idsOf(b.server)[1:4])

			got := failure(t, err, test.kind)
			if !strings.Contains(got.Detail, test.detail) || got.Op != "read organizations" {
				t.Errorf("got %v, want %q in it", err, test.detail)
			}

			if count := b.server.CallCount(); organizations != nil || count != test.calls {
				t.Errorf("got %+v after %d calls, want none after %d", organizations, count, test.calls)
			}
		})
	}

	t.Run("SaysHowLongToWaitWhenRateLimited", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 1)
		b.server.Inject(itgluetest.RateLimited("120"))

		_, err := b.client.OrganizationsByID(t.Context(), idsOf(b.server))
		if got := failure(t, err, itglue.KindRateLimited); got.RetryAfter != 2*time.Minute {
			t.Errorf("got %s", got.RetryAfter)
		}
	})

	t.Run("WithoutAResultWhenTheKeyIsRevokedMidway", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 250)
		b.server.Inject(itgluetest.Fault{
			Kind: itgluetest.FaultCall, After: 1, Do: func() { b.server.RevokeKey(canaryKey) },
		})

		got, err := b.client.OrganizationsByID(t.Context(), idsOf(b.server))
		failure(t, err, itglue.KindRejectedKey)

		if got != nil || b.server.CallCount() != 2 {
			t.Errorf("got %d organizations after %d calls", len(got), b.server.CallCount())
		}
	})

	t.Run("AsCancelledWhenCancelled", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 250)
		ctx, cancel := context.WithCancel(t.Context())
		b.server.Inject(itgluetest.Fault{Kind: itgluetest.FaultCall, After: 1, Do: cancel})

		_, err := b.client.OrganizationsByID(ctx, idsOf(b.server))
		if !errors.Is(err, context.Canceled) || itglue.KindOf(err) != "" || b.server.CallCount() > 2 {
			t.Errorf("got %v after %d calls", err, b.server.CallCount())
		}
	})
}

// What passes does not spoil the result.
func TestOrganizationsByIDSurvives(t *testing.T) {
	t.Parallel()

	for name, fault := range map[string]itgluetest.Fault{
		"RateLimit":     {Kind: itgluetest.FaultStatus, Status: 429, Style: itgluetest.BodyMessage, After: 1, Times: 2},
		"Unavailable":   {Kind: itgluetest.FaultStatus, Status: 503, After: 1, Times: 2},
		"BrokenAnswer":  {Kind: itgluetest.FaultWrongLength, After: 1, Times: 2},
		"NumbersForIDs": {Kind: itgluetest.FaultIDsAsNumbers},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, 250)
			b.server.Inject(fault)

			got, err := b.client.OrganizationsByID(t.Context(), idsOf(b.server))
			if err != nil {
				t.Fatal(err)
			}

			sameIDs(t, got, b.server)

			if count := b.server.CallCount(); count != 3+fault.Times {
				t.Errorf("got %d calls", count)
			}
		})
	}
}
