package itglue_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// canaryKey must never turn up in an error.
const canaryKey = "ITG.CANARY0123456789abcdef0123456789abcdef"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type bundle struct {
	server *itgluetest.Listening
	client *itglue.Client
}

// setup starts a simulated IT Glue with n organizations under a base path,
// which catches absolute paths, and a client of it that retries at once.
func setup(t *testing.T, n int, change ...func(*itglue.Config)) bundle {
	t.Helper()

	server := itgluetest.StartTB(t, itgluetest.WithKey(canaryKey), itgluetest.WithBasePath("/gateway/v1"))
	server.Add(itgluetest.Generate(n)...)

	cfg := itglue.Config{BaseURL: server.URL, APIKey: canaryKey, RetryBase: time.Nanosecond}
	for _, f := range change {
		f(&cfg)
	}

	return bundle{server: server, client: newClient(t, cfg)}
}

func newClient(t *testing.T, cfg itglue.Config) *itglue.Client {
	t.Helper()

	client, err := itglue.New(cfg)
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(client.CloseIdleConnections)

	return client
}

// failure checks the kind of err, and that nothing in it carries the key.
func failure(t *testing.T, err error, kind itglue.Kind) itglue.Error {
	t.Helper()

	var got *itglue.Error
	if !errors.As(err, &got) {
		t.Fatalf("got error %v, want an *itglue.Error", err)
	}

	if got.Kind != kind {
		t.Errorf("got kind %q (%v), want %q", got.Kind, err, kind)
	}

	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		if strings.Contains(fmt.Sprintf("%v %+v %#v", cause, cause, cause), "CANARY") {
			t.Errorf("the key is in %#v", cause)
		}
	}

	if length := len([]rune(got.Detail)); length > 200 {
		t.Errorf("the detail has %d characters", length)
	}

	return *got
}

func TestNew(t *testing.T) {
	t.Parallel()

	good := itglue.Config{BaseURL: itglue.RegionUS.BaseURL(), APIKey: canaryKey}
	with := func(change func(*itglue.Config)) itglue.Config {
		cfg := good
		change(&cfg)

		return cfg
	}

	refused := map[string]itglue.Config{
		"NoBaseURL":          with(func(c *itglue.Config) { c.BaseURL = "" }),
		"RelativeBaseURL":    with(func(c *itglue.Config) { c.BaseURL = "/organizations" }),
		"FileBaseURL":        with(func(c *itglue.Config) { c.BaseURL = "file:///etc/passwd" }),
		"BaseURLWithUser":    with(func(c *itglue.Config) { c.BaseURL = "https://a:b@api.itglue.com" }),
		"BaseURLWithQuery":   with(func(c *itglue.Config) { c.BaseURL += "?a=b" }),
		"UnparsableBaseURL":  with(func(c *itglue.Config) { c.BaseURL = "https://[" }),
		"NoKey":              with(func(c *itglue.Config) { c.APIKey = "" }),
		"KeyWithNewline":     with(func(c *itglue.Config) { c.APIKey += "\r\nHost: evil.example" }),
		"KeyWithSpace":       with(func(c *itglue.Config) { c.APIKey += " " }),
		"KeyWithControl":     with(func(c *itglue.Config) { c.APIKey += "\x7f" }),
		"KeyWithNonASCII":    with(func(c *itglue.Config) { c.APIKey += "é" }),
		"KeyWithInvalidUTF8": with(func(c *itglue.Config) { c.APIKey += "\xff" }),
	}
	for name, cfg := range refused {
		t.Run("Refuses"+name, func(t *testing.T) {
			t.Parallel()

			_, err := itglue.New(cfg)
			if err == nil {
				t.Fatal("got no error")
			}

			if strings.Contains(err.Error(), "CANARY") {
				t.Errorf("the key is in %q", err)
			}
		})
	}

	t.Run("PrintsWithoutTheKey", func(t *testing.T) {
		t.Parallel()

		client, err := itglue.New(good)
		if err != nil {
			t.Fatal(err)
		}

		printed := fmt.Sprintf("%v %+v %#v %v %+v %#v", client, client, client, good, good, good)
		if strings.Contains(printed, "CANARY") {
			t.Errorf("the key is in %q", printed)
		}
	})
}

func TestRegions(t *testing.T) {
	t.Parallel()

	want := map[itglue.Region]string{
		itglue.RegionUS: "https://api.itglue.com",
		itglue.RegionEU: "https://api.eu.itglue.com",
		itglue.RegionAU: "https://api.au.itglue.com",
	}

	regions := itglue.Regions()
	if len(regions) != len(want) {
		t.Errorf("got %v", regions)
	}

	for _, region := range regions {
		if !region.Valid() || region.BaseURL() != want[region] {
			t.Errorf("%s: valid %t, base URL %q", region, region.Valid(), region.BaseURL())
		}
	}

	for _, region := range []itglue.Region{"", "US", "xx", "https://evil.example"} {
		if region.Valid() || region.BaseURL() != "" {
			t.Errorf("%q is a region with base URL %q", region, region.BaseURL())
		}
	}
}

func TestOrganization(t *testing.T) {
	t.Parallel()

	t.Run("ReadsAllFields", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 0)
		updatedAt := time.Date(2025, 11, 19, 8, 30, 10, 0, time.UTC)
		id := b.server.Add(itgluetest.Organization{
			Name: "  Fundação <Ometto> & \"Sons\"\t", ShortName: "FHO", TypeName: "Customer", StatusName: "Active",
			Primary: true, ParentID: "4489414129010794", UpdatedAt: updatedAt,
		})[0]

		got, err := b.client.Organization(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}

		want := itglue.Organization{
			ID: id, Name: "  Fundação <Ometto> & \"Sons\"\t", ShortName: "FHO", TypeName: "Customer",
			StatusName: "Active", Primary: true, ParentID: "4489414129010794", UpdatedAt: updatedAt,
		}
		if got != want {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})

	t.Run("TakesNullForEmpty", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 0)
		id := b.server.Add(itgluetest.Organization{Name: "Bare"})[0]

		got, err := b.client.Organization(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}

		if got.ShortName+got.TypeName+got.StatusName+got.ParentID != "" {
			t.Errorf("got %+v", got)
		}
	})

	t.Run("AcceptsNumberForID", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 1)
		b.server.Inject(itgluetest.Fault{Kind: itgluetest.FaultIDsAsNumbers})
		id := b.server.Organizations()[0].ID

		got, err := b.client.Organization(t.Context(), id)
		if err != nil || got.ID != id {
			t.Errorf("got %+v, %v", got, err)
		}
	})

	t.Run("NotFoundWhenDeleted", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 3)
		id := b.server.Organizations()[1].ID
		b.server.Delete(id)

		_, err := b.client.Organization(t.Context(), id)
		failure(t, err, itglue.KindNotFound)

		if !itglue.IsNotFound(err) || itglue.IsRejectedKey(err) {
			t.Errorf("got %v", err)
		}
	})

	t.Run("NotFoundWithoutCallForNoID", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 1)

		for _, id := range []string{
			"", "abc", "-1", "1.5", "1/relationships", "../domains", "1?x=1", "١٢٣", "123456789012345678901", " 1",
		} {
			_, err := b.client.Organization(t.Context(), id)
			failure(t, err, itglue.KindNotFound)

			_, err = b.client.Domains(t.Context(), id)
			failure(t, err, itglue.KindNotFound)
		}

		if count := b.server.CallCount(); count != 0 {
			t.Errorf("got %d calls, want none", count)
		}
	})

	t.Run("MalformedWhenAnotherOneIsAnswered", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 0)
		b.server.Inject(itgluetest.Fault{
			Kind: itgluetest.FaultOtherJSON,
			Body: `{"data":{"id":"2","type":"organizations","attributes":{"name":"Other"}}}`,
		})

		_, err := b.client.Organization(t.Context(), "1")
		failure(t, err, itglue.KindMalformed)
	})
}

func TestDomains(t *testing.T) {
	t.Parallel()

	t.Run("ListsAllOfOneOrganization", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 3)
		names := make([]string, 2001)
		for i := range names {
			names[i] = fmt.Sprintf("host%d.example.com", i)
		}
		id := b.server.Add(itgluetest.Organization{Name: "Many", Domains: names})[0]

		domains, err := b.client.Domains(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}

		if len(domains) != len(names) || domains[2000].Name != names[2000] || domains[0].OrganizationID != id {
			t.Errorf("got %d domains", len(domains))
		}

		if count := b.server.CallCount(); count != 3 {
			t.Errorf("got %d calls, want 3", count)
		}
	})

	t.Run("EmptyWithoutDomains", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 0)
		id := b.server.Add(itgluetest.Organization{Name: "None"})[0]

		domains, err := b.client.Domains(t.Context(), id)
		if err != nil || len(domains) != 0 {
			t.Errorf("got %v, %v", domains, err)
		}
	})

	t.Run("NotFoundForUnknownOrganization", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 1)

		_, err := b.client.Domains(t.Context(), "42")
		failure(t, err, itglue.KindNotFound)
	})

	t.Run("MalformedWhenFewerCameThanAnnounced", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 0)
		id := b.server.Add(itgluetest.Organization{Name: "Two", Domains: []string{"one.example.com", "two.example.com"}})[0]
		b.server.Inject(itgluetest.Fault{Kind: itgluetest.FaultMissingRows, Count: 1})

		_, err := b.client.Domains(t.Context(), id)
		failure(t, err, itglue.KindMalformed)
	})

	t.Run("OnceEachWhenPagesOverlap", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 1)
		row := `{"id":"7","type":"domains","attributes":{"organization-id":1,"name":"a.example"}}`
		b.server.Inject(otherJSON(`{"data":[` + row + `,` + row + `],"meta":{"current-page":1,"total-count":1}}`))

		domains, err := b.client.Domains(t.Context(), "1")
		if err != nil || len(domains) != 1 {
			t.Errorf("got %+v, %v", domains, err)
		}
	})

	t.Run("MalformedWhenOfAnotherOrganization", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 1)
		b.server.Inject(itgluetest.Fault{Kind: itgluetest.FaultOtherJSON, Body: `{"data":[{"id":"7","type":"domains",` +
			`"attributes":{"organization-id":2,"name":"a.example"}}],"meta":{"current-page":1,"total-count":1}}`})

		_, err := b.client.Domains(t.Context(), "1")
		failure(t, err, itglue.KindMalformed)
	})

	t.Run("MalformedWhenEndless", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 1)
		b.server.Inject(itgluetest.Fault{Kind: itgluetest.FaultNextPageLoop})

		_, err := b.client.Domains(t.Context(), b.server.Organizations()[0].ID)
		failure(t, err, itglue.KindMalformed)

		if count := b.server.CallCount(); count != 3 {
			t.Errorf("got %d calls, want 3", count)
		}
	})
}

func TestCountOrganizations(t *testing.T) {
	t.Parallel()

	b := setup(t, 123)

	count, err := b.client.CountOrganizations(t.Context())
	if err != nil || count != 123 {
		t.Errorf("got %d, %v", count, err)
	}

	calls := b.server.Calls()
	if len(calls) != 1 || calls[0].Query.Get("page[size]") != "1" || !calls[0].KeyValid {
		t.Errorf("got calls %+v", calls)
	}
}

func TestCancelledContextStaysCancelled(t *testing.T) {
	t.Parallel()

	t.Run("BeforeTheCall", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 1)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()

		_, err := b.client.CountOrganizations(ctx)
		if !errors.Is(err, context.Canceled) || itglue.KindOf(err) != "" || b.server.CallCount() != 0 {
			t.Errorf("got %v after %d calls", err, b.server.CallCount())
		}
	})

	t.Run("DuringTheCall", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 1)
		ctx, cancel := context.WithCancel(t.Context())
		b.server.Inject(itgluetest.Fault{Kind: itgluetest.FaultDelay, Delay: time.Hour, Do: cancel})

		_, err := b.client.CountOrganizations(ctx)
		if !errors.Is(err, context.Canceled) || itglue.KindOf(err) != "" {
			t.Errorf("got %v", err)
		}
	})

	t.Run("BetweenAttempts", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 1, func(c *itglue.Config) { c.RetryBase = 1000 * time.Hour })
		ctx, cancel := context.WithCancel(t.Context())
		b.server.Inject(itgluetest.Fault{Kind: itgluetest.FaultStatus, Status: 500, Do: cancel})

		_, err := b.client.CountOrganizations(ctx)
		if !errors.Is(err, context.Canceled) || itglue.KindOf(err) != "" || b.server.CallCount() != 1 {
			t.Errorf("got %v after %d calls", err, b.server.CallCount())
		}
	})
}

// handlerTransport answers without a network, so that time can be a test's own.
type handlerTransport struct{ handler http.Handler }

func (h handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.RequestURI = r.URL.RequestURI()

	recorder := httptest.NewRecorder()
	h.handler.ServeHTTP(recorder, r)

	return recorder.Result(), nil
}
