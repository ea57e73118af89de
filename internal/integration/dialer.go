package integration

import (
	"errors"
	"net/http"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// Dialer makes IT Glue clients that share connections and, per key, the rate limit.
type Dialer struct {
	transport http.RoundTripper
	limiters  *itglue.LimiterPool
	urls      map[itglue.Region]string
}

// NewDialer returns a dialer. urls overrides the address of a region, for a simulator; requestsPer5Minutes is the limit per key.
func NewDialer(urls map[itglue.Region]string, requestsPer5Minutes int) *Dialer {
	return &Dialer{transport: itglue.NewTransport(), limiters: itglue.NewLimiters(requestsPer5Minutes), urls: urls}
}

// Dial returns a client. It makes no call; the region comes from the closed set, so no address is ever taken from a request.
func (d *Dialer) Dial(apiKey string, region itglue.Region) (*itglue.Client, error) {
	if !region.Valid() {
		return nil, errs.Invalid(errs.Field{Pointer: "/region", Code: "not-one-of", Detail: "must be us, eu or au"})
	}
	base := d.urls[region]
	if base == "" {
		base = region.BaseURL()
	}
	client, err := itglue.New(itglue.Config{
		BaseURL: base, APIKey: apiKey, Transport: d.transport, Limiter: d.limiters.ForKey(apiKey), UserAgent: "orgbridge",
	})
	if err != nil {
		return nil, errs.Invalid(errs.Field{Pointer: "/apiKey", Code: "invalid", Detail: "must be visible ASCII without spaces"}).Because(err)
	}
	return client, nil
}

// FromITGlue turns a failed call to IT Glue into an error for the client. IT Glue's own words stay in the log: they may name its
// internals. Errors that are not IT Glue's come back as they are or as [errs.Internal].
func FromITGlue(err error) *errs.Error {
	var known *errs.Error
	if errors.As(err, &known) {
		return known
	}
	var failed *itglue.Error
	if !errors.As(err, &failed) {
		return errs.New(errs.Internal, "The call to IT Glue failed.").Because(err)
	}
	code, detail := explain(failed.Kind)
	return errs.New(code, "%s", detail).Because(err).After(failed.RetryAfter)
}

func explain(kind itglue.Kind) (errs.Code, string) {
	switch kind {
	case itglue.KindRejectedKey:
		return errs.ITGlueKeyRejected, "IT Glue refused the API key. It may be wrong or revoked, belong to another region, or not be allowed from this address."
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

// Entry is the directory's copy of an IT Glue organization.
func Entry(o itglue.Organization) DirectoryEntry {
	return DirectoryEntry{
		ID: o.ID, Name: o.Name, ShortName: o.ShortName, TypeName: o.TypeName, StatusName: o.StatusName, Primary: o.Primary,
	}
}
