package itglue

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Defaults of a Config.
const (
	DefaultUserAgent      = "orgbridge-itglue"
	DefaultPageTimeout    = 90 * time.Second
	DefaultRequestTimeout = 30 * time.Second
	DefaultMaxAttempts    = 3
	DefaultRetryBase      = 250 * time.Millisecond
	DefaultMaxRetryAfter  = 5 * time.Second
	DefaultMaxBodyBytes   = 16 << 20
)

// Config configures a Client. The zero value of every field but BaseURL and
// APIKey is a useful default.
type Config struct {
	// BaseURL is the root of the API, normally Region.BaseURL. It may carry
	// a path, under which all routes are then asked for. Required.
	BaseURL string

	// APIKey is sent as x-api-key. It is refused if it is empty or holds
	// anything but visible ASCII. Required.
	APIKey string

	// Limiter bounds the rate of requests. All clients of one key should
	// share one. Nil means no limit.
	Limiter *Limiter

	// Breaker spares an IT Glue that fails. All clients of one account should
	// share one. Nil means that every call is made.
	Breaker *Breaker

	// Before is asked right before each request is sent, retries included. Its
	// error is returned as it is, and nothing is sent. Nil means no question.
	Before func(context.Context) error

	// Watch is told of each attempt at a request before it begins, retries
	// included. The attempt is made with the context that it returns, and
	// the function that it returns is told how it went. Nil watches nothing.
	Watch func(ctx context.Context, op string) (context.Context, func(Attempt))

	// Transport sends the requests. A program with many clients should share
	// one NewTransport between them; nil makes one for this client alone.
	Transport http.RoundTripper

	// UserAgent is sent with every request.
	UserAgent string

	// PageTimeout and RequestTimeout bound one attempt, from connecting to
	// the last byte of the body: PageTimeout for a page of the listing of all
	// organizations, RequestTimeout for everything else.
	PageTimeout    time.Duration
	RequestTimeout time.Duration

	// MaxAttempts is how often a request is tried when it is rate limited,
	// fails in IT Glue or on the network, or times out; 1 never retries.
	MaxAttempts int

	// RetryBase is the upper bound of the first random wait between
	// attempts; it doubles with each further one.
	RetryBase time.Duration

	// MaxRetryAfter is the longest wait, asked for by a Retry-After header or
	// by the Limiter, that the client sits out itself. A longer one is handed
	// to the caller in Error.RetryAfter.
	MaxRetryAfter time.Duration

	// MaxBodyBytes caps the body of an answer after decompression.
	MaxBodyBytes int64
}

// String hides the key, so that a logged Config does not carry it.
func (c Config) String() string {
	return fmt.Sprintf("itglue.Config{BaseURL: %q, APIKey: [redacted]}", c.BaseURL)
}

// GoString hides the key from %#v.
func (c Config) GoString() string { return c.String() }

// NewTransport returns a transport suited to IT Glue, meant to be shared by
// many clients: it gives up on connecting and on the TLS handshake after 10 s
// each and on the first byte of an answer after 60 s, and honours the proxy
// environment variables.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}

	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  60 * time.Second,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        60 * time.Second,
		MaxIdleConns:           100,
		MaxIdleConnsPerHost:    16,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

func (c Config) withDefaults() Config {
	c.UserAgent = orDefault(c.UserAgent, DefaultUserAgent)
	c.PageTimeout = orDefault(c.PageTimeout, DefaultPageTimeout)
	c.RequestTimeout = orDefault(c.RequestTimeout, DefaultRequestTimeout)
	c.MaxAttempts = orDefault(c.MaxAttempts, DefaultMaxAttempts)
	c.RetryBase = orDefault(c.RetryBase, DefaultRetryBase)
	c.MaxRetryAfter = orDefault(c.MaxRetryAfter, DefaultMaxRetryAfter)
	c.MaxBodyBytes = orDefault(c.MaxBodyBytes, DefaultMaxBodyBytes)

	if c.Transport == nil {
		c.Transport = NewTransport()
	}

	return c
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}

	return value
}

func parseBaseURL(raw string) (*url.URL, error) {
	base, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("itglue: base URL cannot be parsed")
	}

	switch {
	case base.Scheme != "https" && base.Scheme != "http", base.Host == "":
		return nil, errors.New("itglue: base URL must be an absolute http or https URL")
	case base.User != nil, base.RawQuery != "", base.Fragment != "":
		return nil, errors.New("itglue: base URL must not carry credentials, a query or a fragment")
	}

	return base, nil
}

// checkAPIKey refuses what could break out of the header the key is sent in.
// The key is otherwise opaque: IT Glue documents no format.
func checkAPIKey(key string) error {
	if key == "" {
		return errors.New("itglue: API key is empty")
	}

	invalid := func(r rune) bool { return r <= ' ' || r > '~' }
	if strings.ContainsFunc(key, invalid) {
		return errors.New("itglue: API key holds white space, control or non-ASCII characters")
	}

	return nil
}
