package itgluetest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

func TestFaultsThatReplaceTheAnswer(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		fault  itgluetest.Fault
		status int
		body   string
		header http.Header
	}{
		"RateLimited": {itgluetest.RateLimited("7"), 429, `{"message":"Too Many Requests"}`, http.Header{"Retry-After": {"7"}}},
		"RateLimitedErrors": {
			itgluetest.Fault{Kind: itgluetest.FaultStatus, Status: 429}, 429, `{"errors":[{"status":429,"title":"Too Many Requests"}]}`, nil,
		},
		"EmptyBody500": {itgluetest.Fault{Kind: itgluetest.FaultStatus, Status: 500, Style: itgluetest.BodyEmpty}, 500, "", nil},
		"HTML504":      {itgluetest.Fault{Kind: itgluetest.FaultStatus, Status: 504, Style: itgluetest.BodyHTML}, 504, "<h1>Gateway Timeout</h1>", nil},
		"Raw401":       {itgluetest.Fault{Kind: itgluetest.FaultStatus, Status: 401, Style: itgluetest.BodyRaw, Body: "no"}, 401, "no", nil},
		"TookTooLong":  {itgluetest.TookTooLong(50), 500, "The request took too long to process and timed out.", nil},
		"Redirect": {
			itgluetest.Fault{Kind: itgluetest.FaultRedirect, Location: "http://169.254.169.254/"}, 302, "",
			http.Header{"Location": {"http://169.254.169.254/"}},
		},
		"HTML":      {itgluetest.Fault{Kind: itgluetest.FaultHTML}, 200, "<form>", nil},
		"Empty":     {itgluetest.Fault{Kind: itgluetest.FaultEmptyBody}, 200, "", nil},
		"OtherJSON": {itgluetest.Fault{Kind: itgluetest.FaultOtherJSON}, 200, `{"organizations":`, nil},
		"GzipBomb":  {itgluetest.Fault{Kind: itgluetest.FaultGzipBomb, Size: 1 << 20}, 200, "\x1f\x8b", http.Header{"Content-Encoding": {"gzip"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			server := newServer(itgluetest.Generate(1))
			remove := server.Inject(test.fault)

			got := get(t, server, "/organizations")
			if got.status != test.status || !strings.Contains(got.text, test.body) || test.body == "" && got.text != "" {
				t.Errorf("got %d %.200q", got.status, got.text)
			}

			for header := range test.header {
				if got.header.Get(header) != test.header.Get(header) {
					t.Errorf("%s: got %q", header, got.header.Get(header))
				}
			}

			if calls := server.Calls(); calls[0].Status != test.status {
				t.Errorf("logged %+v", calls[0])
			}

			remove()

			if got := get(t, server, "/organizations"); got.status != 200 || len(got.rows(t)) != 1 {
				t.Errorf("after removal: got %d %s", got.status, got.text)
			}
		})
	}
}

func TestFaultsOfTheTransport(t *testing.T) {
	t.Parallel()

	server := newServer(itgluetest.Generate(2))
	right := get(t, server, "/organizations").text

	for name, test := range map[string]struct {
		fault itgluetest.Fault
		want  string
	}{
		"Truncate": {itgluetest.Fault{Kind: itgluetest.FaultTruncate}, right[:len(right)/2]},
		"BOM":      {itgluetest.Fault{Kind: itgluetest.FaultBOM}, "\uFEFF" + right},
		"Trailing": {itgluetest.Fault{Kind: itgluetest.FaultTrailing}, right + "\n<!-- cached -->"},
		"Delay":    {itgluetest.Fault{Kind: itgluetest.FaultDelay, Delay: time.Nanosecond}, right},
		"Slow":     {itgluetest.Fault{Kind: itgluetest.FaultSlowBody, BytesPerSecond: 1_000_000}, right},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			server := newServer(itgluetest.Generate(2))
			server.Inject(test.fault)

			if got := get(t, server, "/organizations"); got.text != test.want {
				t.Errorf("got %q", got.text)
			}
		})
	}

	t.Run("WrongLength", func(t *testing.T) {
		t.Parallel()

		server := newServer(itgluetest.Generate(2))
		server.Inject(itgluetest.Fault{Kind: itgluetest.FaultWrongLength})

		got := get(t, server, "/organizations")
		if got.header.Get("Content-Length") == "" || got.header.Get("Content-Length") == right {
			t.Errorf("got %v", got.header)
		}
	})

	t.Run("Drop", func(t *testing.T) {
		t.Parallel()

		server := newServer(nil)
		server.Inject(itgluetest.Fault{Kind: itgluetest.FaultDrop})

		defer func() {
			if recover() != http.ErrAbortHandler { //nolint:errorlint // compared as net/http does
				t.Error("does not drop the connection")
			}
		}()

		get(t, server, "/organizations")
	})
}

func TestFaultsOfTheContent(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		fault itgluetest.Fault
		page  string
		want  []string
	}{
		"TotalCount":   {itgluetest.Fault{Kind: itgluetest.FaultTotalCount, Count: -3}, "1", []string{`"total-count":117`}},
		"TotalPages":   {itgluetest.Fault{Kind: itgluetest.FaultTotalPages, Count: 2}, "2", []string{`"next-page":null`, `"total-pages":2`}},
		"NextPageLoop": {itgluetest.Fault{Kind: itgluetest.FaultNextPageLoop}, "3", []string{`"next-page":1`, `"total-pages":4`}},
		"CurrentPage":  {itgluetest.Fault{Kind: itgluetest.FaultCurrentPage, Count: 2}, "1", []string{`"current-page":2`, "Customer 000051"}},
		"EmptyList":    {itgluetest.Fault{Kind: itgluetest.FaultEmptyList}, "1", []string{`"data":[]`, `"total-count":0`, `"links":{}`}},
		"MissingRows":  {itgluetest.Fault{Kind: itgluetest.FaultMissingRows}, "1", []string{`"data":[]`, `"total-count":120`}},
		"IDsAsNumbers": {itgluetest.Fault{Kind: itgluetest.FaultIDsAsNumbers}, "1", []string{`{"data":[{"id":1234500000000000,`}},
		"OddID":        {itgluetest.Fault{Kind: itgluetest.FaultOddID, Body: "-1"}, "1", []string{`{"data":[{"id":-1,`}},
		"Duplicate":    {itgluetest.Fault{Kind: itgluetest.FaultDuplicateRow, Name: "Twin"}, "1", []string{`{"id":"1234500000000000","type":"organizations","attributes":{"psa-integration":null,"name":"Twin"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			server := newServer(itgluetest.Generate(120))
			server.Inject(test.fault)

			got := get(t, server, "/organizations", "page[number]", test.page)
			for _, want := range test.want {
				if !strings.Contains(got.text, want) {
					t.Errorf("%s is not in %.300s ... %.500s", want, got.text, got.text[max(0, len(got.text)-900):])
				}
			}

			if !json.Valid([]byte(got.text)) {
				t.Error("is no JSON")
			}
		})
	}

	t.Run("IgnoredFilters", func(t *testing.T) {
		t.Parallel()

		server := newServer(itgluetest.Generate(120))
		ids := server.Organizations()[0].ID + "," + server.Organizations()[1].ID
		remove := server.Inject(itgluetest.Fault{Kind: itgluetest.FaultIgnoredFilters})

		got := get(t, server, "/organizations", "filter[id]", ids, "filter[created_at]", "nonsense")
		if got.body.Meta["total-count"] != 120.0 || strings.Contains(fmt.Sprint(got.body.Links), "filter") {
			t.Errorf("got %v, %v", got.body.Meta, got.body.Links)
		}

		remove()

		if got := get(t, server, "/organizations", "filter[id]", ids); got.body.Meta["total-count"] != 2.0 {
			t.Errorf("after removal: got %v", got.body.Meta)
		}
	})

	t.Run("StatusAsString", func(t *testing.T) {
		t.Parallel()

		server := newServer(nil)
		server.Inject(itgluetest.Fault{Kind: itgluetest.FaultStatusAsString})

		if got := get(t, server, "/organizations/1"); !strings.Contains(got.text, `"status":"404"`) {
			t.Errorf("got %s", got.text)
		}
	})
}

func TestFaultMatching(t *testing.T) {
	t.Parallel()

	statuses := func(t *testing.T, server *itgluetest.Server, paths ...string) string {
		t.Helper()

		got := make([]string, 0, len(paths))
		for _, path := range paths {
			got = append(got, http.StatusText(call(t, server, http.MethodGet, path, "").status))
		}

		return strings.Join(got, ",")
	}

	for name, test := range map[string]struct {
		fault itgluetest.Fault
		paths []string
		want  string
	}{
		"Path": {
			itgluetest.Fault{Path: "/organizations/*"},
			[]string{"/organizations", "/organizations/1234500000000000", "/domains"}, "OK,Bad Gateway,OK",
		},
		"Page":  {itgluetest.Fault{Page: 2}, []string{"/organizations", "/organizations?page[number]=2", "/organizations/1234500000000000"}, "OK,Bad Gateway,OK"},
		"Size":  {itgluetest.Fault{MinPageSize: 100}, []string{"/domains?page[size]=99", "/domains?page[size]=100"}, "OK,Bad Gateway"},
		"After": {itgluetest.Fault{After: 1, Times: 1}, []string{"/domains", "/domains", "/domains"}, "OK,Bad Gateway,OK"},
		"Method": {
			itgluetest.Fault{Method: http.MethodPost}, []string{"/domains"}, "OK",
		},
		"Never": {itgluetest.Fault{Probability: 1e-12}, []string{"/domains", "/domains"}, "OK,OK"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			server := newServer(itgluetest.Generate(120))
			test.fault.Kind, test.fault.Status = itgluetest.FaultStatus, 502
			server.Inject(test.fault)

			if got := statuses(t, server, test.paths...); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}

	t.Run("ChangesBetweenPages", func(t *testing.T) {
		t.Parallel()

		server := newServer(itgluetest.Generate(60))
		first := server.Organizations()[0].ID
		server.Inject(itgluetest.Fault{Kind: itgluetest.FaultCall, Page: 2, Do: func() { server.Delete(first) }})

		a, b := get(t, server, "/organizations").rows(t), get(t, server, "/organizations", "page[number]", "2").rows(t)
		if len(a)+len(b) != 59 {
			t.Errorf("got %d and %d rows", len(a), len(b))
		}
	})

	t.Run("RefusesImpossibleFaults", func(t *testing.T) {
		t.Parallel()

		for _, fault := range []itgluetest.Fault{{}, {Kind: "nonsense"}, {Kind: itgluetest.FaultStatus}, {Kind: itgluetest.FaultHTML, Path: "["}} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("accepts %+v", fault)
					}
				}()

				itgluetest.New().Inject(fault)
			}()
		}
	})
}
