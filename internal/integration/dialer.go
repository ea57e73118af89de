package integration

import (
	"context"
	"errors"
	"strings"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/failpoint"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// Dialer makes IT Glue clients that share connections and, per key, the rate limit and what is known of an IT Glue that fails.
type Dialer struct {
	base     itglue.Config
	limiters *itglue.LimiterPool
	breakers *itglue.BreakerPool
	urls     map[itglue.Region]string
}

// DialerOption changes what all clients of a dialer have in common.
type DialerOption func(*Dialer)

// Configured changes the clients' configuration, but for what is the integration's own: address, key and limiter.
func Configured(change func(c *itglue.Config)) DialerOption {
	return func(d *Dialer) { change(&d.base) }
}

// RequestLimit is what the processes that use a key tell each other.
type RequestLimit = itglue.LedgerState

// Sharing has all processes with the ledger keep to the limit of a key together.
func Sharing(ledger itglue.Ledger, requestsPer5Minutes int) DialerOption {
	return func(d *Dialer) { d.limiters = itglue.NewSharedLimiters(requestsPer5Minutes, ledger) }
}

// NewDialer returns a dialer. urls overrides the address of a region, for a simulator; requestsPer5Minutes is the limit per key.
func NewDialer(urls map[itglue.Region]string, requestsPer5Minutes int, options ...DialerOption) *Dialer {
	d := &Dialer{
		base:     itglue.Config{Transport: failpoint.Transport(itglue.NewTransport()), UserAgent: "orgbridge"},
		limiters: itglue.NewLimiters(requestsPer5Minutes),
		breakers: itglue.NewBreakers(),
		urls:     urls,
	}
	for _, option := range options {
		option(d)
	}
	return d
}

// Dial returns a client. It makes no call; the region comes from the closed set, so no address is ever taken from a request.
func (d *Dialer) Dial(apiKey string, region itglue.Region) (*itglue.Client, error) {
	return d.dial(apiKey, region, nil)
}

// dial is [Dialer.Dial] for a client that asks before each of its requests.
func (d *Dialer) dial(apiKey string, region itglue.Region, before func(context.Context) error) (*itglue.Client, error) {
	if !region.Valid() {
		return nil, errs.Invalid(errs.Field{Pointer: "/region", Code: "not-one-of", Detail: "The region must be one of: us, eu, au."})
	}
	config := d.base
	config.APIKey, config.Limiter, config.Before = apiKey, d.limiters.ForKey(apiKey), before
	if config.BaseURL = d.urls[region]; config.BaseURL == "" {
		config.BaseURL = region.BaseURL()
	}
	config.Breaker = d.breakers.ForKey(apiKey, config.BaseURL)
	client, err := itglue.New(config)
	if err != nil {
		return nil, errs.Invalid(errs.Field{
			Pointer: "/apiKey", Code: "invalid", Detail: "The API key must be visible ASCII characters without spaces.",
		}).Because(err)
	}
	return client, nil
}

// FromITGlue turns a failed call to IT Glue into an error for the client. IT Glue's own words stay in the log: they may name its
// internals. Errors that are not IT Glue's come back as they are or as [errs.Internal].
func FromITGlue(err error) *errs.Error {
	if known, ok := errors.AsType[*errs.Error](err); ok {
		return known
	}
	failed, ok := errors.AsType[*itglue.Error](err)
	if !ok {
		return errs.New(errs.Internal, "The call to IT Glue failed.").Because(err)
	}
	code, detail := explain(failed.Kind)
	return errs.New(code, "%s", detail).Because(err).After(failed.RetryAfter)
}

func explain(kind itglue.Kind) (code errs.Code, detail string) {
	switch kind {
	case itglue.KindRejectedKey:
		return errs.ITGlueKeyRejected, "IT Glue refused the API key: it is wrong or revoked, of another region, or not allowed from this address."
	case itglue.KindRateLimited:
		return errs.ITGlueRateLimited, "IT Glue accepts no more requests for this key at the moment."
	case itglue.KindTimeout:
		return errs.ITGlueTimeout, "IT Glue did not answer in time."
	case itglue.KindUnavailable:
		return errs.ITGlueUnavailable, "IT Glue cannot be reached or has a fault of its own."
	case itglue.KindNotFound:
		return errs.NotFound, "IT Glue has no such organization."
	case itglue.KindMalformed:
		return errs.ITGlueBadAnswer, "IT Glue gave an answer that cannot be understood."
	default:
		return errs.Internal, "The call to IT Glue failed."
	}
}

// Entry is the directory's copy of an IT Glue organization. A NUL, which no database keeps as text, becomes U+FFFD: such a name is
// shown and never taken over.
func Entry(o itglue.Organization) DirectoryEntry {
	return DirectoryEntry{
		ID: o.ID, Name: strings.ReplaceAll(o.Name, "\x00", "\uFFFD"), ShortName: o.ShortName,
		TypeName: o.TypeName, StatusName: o.StatusName, Primary: o.Primary,
	}
}
