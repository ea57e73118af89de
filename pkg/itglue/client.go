package itglue

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Client calls the IT Glue API with one key. It is safe for concurrent use.
type Client struct {
	config Config
	base   *url.URL
	http   *http.Client
}

// New returns a client for the configuration. It makes no call; use
// CountOrganizations to check the key. It fails if BaseURL or APIKey is
// missing or unusable.
func New(cfg Config) (*Client, error) {
	base, err := parseBaseURL(cfg.BaseURL)
	if err != nil {
		return nil, err
	}

	if err := checkAPIKey(cfg.APIKey); err != nil {
		return nil, err
	}

	cfg = cfg.withDefaults()

	return &Client{
		config: cfg,
		base:   base,
		http: &http.Client{
			Transport: cfg.Transport,
			// Go would forward x-api-key to whatever host a redirect names.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// String names the host and hides the key, so that a logged Client does not
// carry it.
func (c *Client) String() string { return fmt.Sprintf("itglue.Client(%s)", c.base.Host) }

// GoString hides the key from %#v.
func (c *Client) GoString() string { return c.String() }

// CloseIdleConnections closes the transport's unused connections. Other
// clients of the same transport are affected alike.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// request is one read. All requests of this client are idempotent.
type request struct {
	op      string
	path    []string
	query   url.Values
	timeout time.Duration

	// timeoutIsFinal hands a time-out to the caller at once, who will ask
	// for less instead of for the same again.
	timeoutIsFinal bool
}

// get returns the body of the 2xx answer to r, retrying what may pass.
func (c *Client) get(ctx context.Context, r request) ([]byte, error) {
	for attempt := 1; ; attempt++ {
		body, err := c.attempt(ctx, r)
		if err == nil {
			return body, nil
		}

		delay, again := c.retryDelay(ctx, err, r, attempt)
		if !again || !fitsDeadline(ctx, delay) {
			return nil, err
		}

		if sleep(ctx, delay) != nil {
			return nil, contextError(ctx, r.op)
		}
	}
}

// Attempt is how one attempt at a request went.
type Attempt struct {
	// Waited is how long the Limiter held it back.
	Waited time.Duration

	// Sent is false when the Limiter, the Breaker or Config.Before refused.
	Sent bool

	// Took is the time from sending to the last byte of the answer.
	Took time.Duration

	// Err is why it failed, if it did.
	Err error
}

func (c *Client) attempt(ctx context.Context, r request) ([]byte, error) {
	var a Attempt

	if c.config.Watch == nil {
		return c.try(ctx, r, &a)
	}

	ctx, ended := c.config.Watch(ctx, r.op)
	defer func() { ended(a) }()

	body, err := c.try(ctx, r, &a)
	a.Err = err

	return body, err
}

// try makes one attempt and notes in a what it did.
func (c *Client) try(ctx context.Context, r request, a *Attempt) ([]byte, error) {
	began := time.Now()
	err := c.config.Limiter.wait(ctx, r.op, c.config.MaxRetryAfter)
	a.Waited = time.Since(began)

	if err != nil {
		return nil, err
	}

	if c.config.Before != nil {
		if err := c.config.Before(ctx); err != nil {
			return nil, err
		}
	}

	probe, err := c.config.Breaker.enter(r.op)
	if err != nil {
		return nil, err
	}

	a.Sent, began = true, time.Now()
	body, err := c.send(ctx, r)
	a.Took = time.Since(began)
	c.config.Breaker.leave(probe, err, r)

	return body, err
}

func (c *Client) send(parent context.Context, r request) ([]byte, error) {
	ctx, cancel := context.WithTimeout(parent, r.timeout)
	defer cancel()

	req, err := c.newRequest(ctx, r)
	if err != nil {
		return nil, err
	}

	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.transportError(parent, r.op, err)
	}
	defer resp.Body.Close()

	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, c.statusError(r.op, resp)
	}

	body, err := c.readBody(resp.Body)
	if err != nil {
		return nil, c.bodyError(parent, r.op, resp.StatusCode, err)
	}

	return body, nil
}

func (c *Client) newRequest(ctx context.Context, r request) (*http.Request, error) {
	target := c.base.JoinPath(r.path...)
	target.RawQuery = r.query.Encode()

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("itglue: %s: build request: %w", r.op, err)
	}

	req.Header.Set("X-Api-Key", c.config.APIKey)
	req.Header.Set("Accept", "application/vnd.api+json")
	req.Header.Set("User-Agent", c.config.UserAgent)

	return req, nil
}

// contextError reports the end of the caller's own context. A cancellation is
// the caller's doing and no *Error; a deadline is a time-out like any other.
func contextError(ctx context.Context, op string) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("itglue: %s: %w", op, context.Canceled)
	}

	return &Error{Kind: KindTimeout, Op: op, Detail: "the caller's deadline passed", err: context.DeadlineExceeded}
}
