package itglue_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

func status(code int, style itgluetest.BodyStyle) itgluetest.Fault {
	return itgluetest.Fault{Kind: itgluetest.FaultStatus, Status: code, Style: style}
}

func TestErrors(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		fault  itgluetest.Fault
		kind   itglue.Kind
		detail string
		calls  int
	}{
		"RejectedKeyOn401":        {status(401, itgluetest.BodyErrors), itglue.KindRejectedKey, "Unauthorized", 1},
		"RejectedKeyOn403":        {status(403, itgluetest.BodyMessage), itglue.KindRejectedKey, "Forbidden", 1},
		"UnavailableOnBlockPage":  {status(403, itgluetest.BodyHTML), itglue.KindUnavailable, "<html>", 3},
		"NotFoundOn404":           {status(404, itgluetest.BodyErrors), itglue.KindNotFound, "Not Found", 1},
		"RateLimitedOn429":        {itgluetest.RateLimited(""), itglue.KindRateLimited, "Too Many Requests", 3},
		"RateLimitedOn429Errors":  {status(429, itgluetest.BodyErrors), itglue.KindRateLimited, "Too Many Requests", 3},
		"UnavailableOn500":        {status(500, itgluetest.BodyEmpty), itglue.KindUnavailable, "", 3},
		"UnavailableOn502HTML":    {status(502, itgluetest.BodyHTML), itglue.KindUnavailable, "Bad Gateway", 3},
		"UnavailableOn503":        {status(503, itgluetest.BodyMessage), itglue.KindUnavailable, "Service Unavailable", 3},
		"TimeoutOn504":            {status(504, itgluetest.BodyHTML), itglue.KindTimeout, "Gateway Timeout", 3},
		"TimeoutOnTookTooLong":    {itgluetest.TookTooLong(0), itglue.KindTimeout, "took too long", 3},
		"MalformedOn422":          {status(422, itgluetest.BodyErrors), itglue.KindMalformed, "Unprocessable", 1},
		"MalformedOn418":          {status(418, itgluetest.BodyEmpty), itglue.KindMalformed, "", 1},
		"MalformedOnHTML":         {itgluetest.Fault{Kind: itgluetest.FaultHTML}, itglue.KindMalformed, "JSON", 1},
		"MalformedOnEmptyBody":    {itgluetest.Fault{Kind: itgluetest.FaultEmptyBody}, itglue.KindMalformed, "JSON", 1},
		"MalformedOnOtherShape":   {itgluetest.Fault{Kind: itgluetest.FaultOtherJSON}, itglue.KindMalformed, "data is missing", 1},
		"MalformedOnBOM":          {itgluetest.Fault{Kind: itgluetest.FaultBOM}, itglue.KindMalformed, "JSON", 1},
		"MalformedOnTrailing":     {itgluetest.Fault{Kind: itgluetest.FaultTrailing}, itglue.KindMalformed, "JSON", 1},
		"MalformedOnTruncated":    {itgluetest.Fault{Kind: itgluetest.FaultTruncate}, itglue.KindMalformed, "JSON", 1},
		"UnavailableOnCutOff":     {itgluetest.Fault{Kind: itgluetest.FaultWrongLength}, itglue.KindUnavailable, "EOF", 3},
		"UnavailableOnDrop":       {itgluetest.Fault{Kind: itgluetest.FaultDrop}, itglue.KindUnavailable, "EOF", 3},
		"MalformedOnDataNull":     {otherJSON(`{"data":null}`), itglue.KindMalformed, "data is missing", 1},
		"MalformedOnDataObject":   {otherJSON(`{"data":{}}`), itglue.KindMalformed, "JSON", 1},
		"MalformedOnNoMeta":       {otherJSON(`{"data":[]}`), itglue.KindMalformed, "not that page", 1},
		"MalformedOnNoTotal":      {otherJSON(`{"data":[],"meta":{"current-page":1}}`), itglue.KindMalformed, "total-count", 1},
		"MalformedOnOtherType":    {otherJSON(`{"data":[{"id":"1","type":"groups","attributes":{}}]}`), itglue.KindMalformed, "groups", 1},
		"MalformedOnNoAttributes": {otherJSON(`{"data":[{"id":"1"}]}`), itglue.KindMalformed, "attributes", 1},
		"MalformedOnNoName":       {otherJSON(onePage(`{}`)), itglue.KindMalformed, "no name", 1},
		"MalformedOnNullName":     {otherJSON(onePage(`{"name":null}`)), itglue.KindMalformed, "no name", 1},
		"MalformedOnNumberName":   {otherJSON(onePage(`{"name":7}`)), itglue.KindMalformed, "JSON", 1},
		"TimeoutOnErrorsWith200":  {otherJSON(`{"errors":[{"detail":"The request took too long to process"}]}`), itglue.KindTimeout, "too long", 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, 3)
			b.server.Inject(test.fault)

			_, err := b.client.OrganizationsPage(t.Context(), 1, 10)

			got := failure(t, err, test.kind)
			if !strings.Contains(got.Detail, test.detail) {
				t.Errorf("got detail %q, want %q in it", got.Detail, test.detail)
			}

			if got.Op != "list organizations" {
				t.Errorf("got op %q", got.Op)
			}

			if count := b.server.CallCount(); count != test.calls {
				t.Errorf("got %d calls, want %d", count, test.calls)
			}
		})
	}
}

func otherJSON(body string) itgluetest.Fault {
	return itgluetest.Fault{Kind: itgluetest.FaultOtherJSON, Body: body}
}

func onePage(attributes string) string {
	return `{"data":[{"id":"1","type":"organizations","attributes":` + attributes +
		`}],"meta":{"current-page":1,"total-pages":1,"total-count":1}}`
}

func TestRejectedKey(t *testing.T) {
	t.Parallel()

	b := setup(t, 1)
	client := newClient(t, itglue.Config{BaseURL: b.server.URL, APIKey: "ITG.another"})

	_, err := client.CountOrganizations(t.Context())
	failure(t, err, itglue.KindRejectedKey)

	if !itglue.IsRejectedKey(err) {
		t.Errorf("got %v", err)
	}
}

func TestAPI10BodiesAreCapped(t *testing.T) {
	t.Parallel()

	for name, fault := range map[string]itgluetest.Fault{
		"GzipBomb": {Kind: itgluetest.FaultGzipBomb},
		"Endless":  {Kind: itgluetest.FaultEndlessBody},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, 1)
			b.server.Inject(fault)

			_, err := b.client.CountOrganizations(t.Context())
			if got := failure(t, err, itglue.KindMalformed); !strings.Contains(got.Detail, "larger than allowed") {
				t.Errorf("got %v", err)
			}

			if count := b.server.CallCount(); count != 1 {
				t.Errorf("got %d calls, want 1", count)
			}
		})
	}

	t.Run("AtTheCapIsFine", func(t *testing.T) {
		t.Parallel()

		body := `{"data":[],"meta":{"current-page":1,"total-count":0}}`
		for limit, kind := range map[int64]itglue.Kind{int64(len(body)): "", int64(len(body)) - 1: itglue.KindMalformed} {
			b := setup(t, 1, func(c *itglue.Config) { c.MaxBodyBytes = limit })
			b.server.Inject(otherJSON(body))

			if _, err := b.client.CountOrganizations(t.Context()); itglue.KindOf(err) != kind {
				t.Errorf("limit %d: got %v", limit, err)
			}
		}
	})
}

func TestDeadlines(t *testing.T) {
	t.Parallel()

	short := func(c *itglue.Config) { c.RequestTimeout, c.MaxAttempts = time.Second, 2 }

	for name, fault := range map[string]itgluetest.Fault{
		"NoFirstByte": {Kind: itgluetest.FaultDelay, Delay: time.Hour},
		"SlowBody":    {Kind: itgluetest.FaultSlowBody, BytesPerSecond: 1},
	} {
		t.Run("TimeoutOn"+name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, 1, short)
			b.server.Inject(fault)

			_, err := b.client.CountOrganizations(t.Context())
			failure(t, err, itglue.KindTimeout)

			if b.server.CallCount() != 2 {
				t.Errorf("got %d calls, want 2", b.server.CallCount())
			}
		})
	}

	t.Run("TimeoutOnCallersDeadline", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 1)
		b.server.Inject(itgluetest.Fault{Kind: itgluetest.FaultDelay, Delay: time.Hour})

		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()

		_, _, err := list(ctx, b.client)
		failure(t, err, itglue.KindTimeout)

		if !errors.Is(err, context.DeadlineExceeded) || b.server.CallCount() != 1 {
			t.Errorf("got %v after %d calls", err, b.server.CallCount())
		}
	})

	t.Run("TimeoutOnConnecting", func(t *testing.T) {
		t.Parallel()

		transport := itglue.NewTransport()
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()

			return nil, ctx.Err()
		}
		client := newClient(t, itglue.Config{
			BaseURL: "https://api.itglue.com", APIKey: canaryKey, Transport: transport,
			RequestTimeout: 50 * time.Millisecond, MaxAttempts: 1,
		})

		_, err := client.CountOrganizations(t.Context())
		failure(t, err, itglue.KindTimeout)
	})
}

func TestUnreachable(t *testing.T) {
	t.Parallel()

	t.Run("UnavailableWhenNobodyListens", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 1)
		b.server.Close()

		_, err := b.client.CountOrganizations(t.Context())
		failure(t, err, itglue.KindUnavailable)
	})

	t.Run("UnavailableWhenTheNameIsUnknown", func(t *testing.T) {
		t.Parallel()

		transport := itglue.NewTransport()
		transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.DNSError{Err: "no such host", Name: "api.itglue.com", IsNotFound: true}
		}
		client := newClient(t, itglue.Config{
			BaseURL: "https://api.itglue.com", APIKey: canaryKey, Transport: transport, RetryBase: 1,
		})

		_, err := client.CountOrganizations(t.Context())
		failure(t, err, itglue.KindUnavailable)
	})

	t.Run("UnavailableWhenTheCertificateIsWrong", func(t *testing.T) {
		t.Parallel()

		server := httptest.NewUnstartedServer(itgluetest.New())
		server.Config.ErrorLog = nil
		server.StartTLS()
		t.Cleanup(server.Close)

		client := newClient(t, itglue.Config{BaseURL: server.URL, APIKey: canaryKey, RetryBase: 1})

		_, err := client.CountOrganizations(t.Context())
		if got := failure(t, err, itglue.KindUnavailable); !strings.Contains(got.Detail, "certificate") {
			t.Errorf("got %v", err)
		}
	})
}

func TestAPI10RedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()

	for _, code := range []int{301, 302, 303, 307, 308} {
		t.Run(http.StatusText(code), func(t *testing.T) {
			t.Parallel()

			b := setup(t, 1)
			other := itgluetest.StartTB(t, itgluetest.WithKey(canaryKey))
			b.server.Inject(itgluetest.Fault{
				Kind: itgluetest.FaultRedirect, Status: code, Location: other.URL + "/organizations",
			})

			_, err := b.client.CountOrganizations(t.Context())
			if got := failure(t, err, itglue.KindMalformed); !strings.Contains(got.Detail, "redirect") || got.Status != code {
				t.Errorf("got %v", err)
			}

			if calls := other.Calls(); len(calls) != 0 {
				t.Errorf("the other host got %+v", calls)
			}
		})
	}

	t.Run("NorAreLinks", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 0)
		other := itgluetest.StartTB(t, itgluetest.WithKey(canaryKey))
		b.server.Inject(otherJSON(`{"data":[],"meta":{"current-page":1,"next-page":2,"total-pages":2,"total-count":2},` +
			`"links":{"next":"` + other.URL + `/organizations?page%5Bnumber%5D=2"}}`))

		_, _, err := list(t.Context(), b.client)
		failure(t, err, itglue.KindMalformed)

		if other.CallCount() != 0 {
			t.Errorf("the other host got %+v", other.Calls())
		}
	})
}

// TestKeyStaysOutOfErrors has IT Glue echo the key in every way.
func TestKeyStaysOutOfErrors(t *testing.T) {
	t.Parallel()

	for name, body := range map[string]string{
		"Text":         "invalid key " + canaryKey,
		"Detail":       `{"errors":[{"detail":"` + canaryKey + ` is wrong"}]}`,
		"Escaped":      `{"message":"\u0049TG.CANARY` + canaryKey[len("ITG.CANARY"):] + `"}`,
		"Interspersed": canaryKey[:8] + "\x00\u200b" + canaryKey[8:],
		"AtTheEnd":     strings.Repeat("x", 180) + canaryKey,
		"AtTheBound":   strings.Repeat(" ", 64<<10-len(canaryKey)+4) + canaryKey,
	} {
		t.Run("InAnError"+name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, 1)
			b.server.Inject(itgluetest.Fault{
				Kind: itgluetest.FaultStatus, Status: 401, Style: itgluetest.BodyRaw, Body: body,
			})

			_, err := b.client.CountOrganizations(t.Context())
			failure(t, err, itglue.KindRejectedKey)
		})
	}

	t.Run("InAnID", func(t *testing.T) {
		t.Parallel()

		b := setup(t, 1)
		b.server.Inject(itgluetest.Fault{Kind: itgluetest.FaultOddID, Body: `"` + canaryKey + `"`})

		_, err := b.client.CountOrganizations(t.Context())
		failure(t, err, itglue.KindMalformed)
	})

	t.Run("InTheStatusLine", func(t *testing.T) {
		t.Parallel()

		client := newClient(t, itglue.Config{
			BaseURL: rawServer(t, canaryKey+"\r\n\r\n"), APIKey: canaryKey, RetryBase: 1,
		})

		_, err := client.CountOrganizations(t.Context())
		failure(t, err, itglue.KindUnavailable)
	})
}

// rawServer answers every connection with the same bytes.
func rawServer(t *testing.T, answer string) string {
	t.Helper()

	var config net.ListenConfig

	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	done := make(chan struct{})
	t.Cleanup(func() {
		_ = listener.Close()

		<-done
	})

	go func() {
		defer close(done)

		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}

			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
		}
	}()

	return "http://" + listener.Addr().String()
}

func TestDetailIsFitForALog(t *testing.T) {
	t.Parallel()

	b := setup(t, 1)
	b.server.Inject(itgluetest.Fault{
		Kind: itgluetest.FaultStatus, Status: 401, Style: itgluetest.BodyRaw,
		Body: "line\r\nbreak\x1b[31m\x00 \u202eabc \xff" + strings.Repeat("é", 500),
	})

	_, err := b.client.CountOrganizations(t.Context())

	got := failure(t, err, itglue.KindRejectedKey)
	if !strings.HasPrefix(got.Detail, "line break[31m abc \uFFFDéé") || len([]rune(got.Detail)) != 200 {
		t.Errorf("got %q", got.Detail)
	}

	if want := "itglue: count organizations: rejected-key (HTTP 401): line break"; !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %q, want %q at its start", err, want)
	}
}
