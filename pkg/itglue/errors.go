package itglue

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind is the closed set of ways in which a call can fail.
type Kind string

const (
	// KindRejectedKey: IT Glue answered 401 or 403. It gives the same answer
	// to a wrong or revoked key, to a key of another region, and to an
	// address outside the account's allow-list. With a web page for a body it
	// is KindUnavailable: that is something between us and IT Glue.
	KindRejectedKey Kind = "rejected-key"

	// KindNotFound: IT Glue itself said that the organization does not exist,
	// or is not visible to this key; it does not tell which. A 404 in any
	// other form is KindMalformed.
	KindNotFound Kind = "not-found"

	// KindRateLimited: IT Glue answered 429, or the Limiter would have to
	// wait longer than Config.MaxRetryAfter. Error.RetryAfter says how long,
	// if that is known.
	KindRateLimited Kind = "rate-limited"

	// KindTimeout: a deadline passed, or IT Glue said (504, 408 or in words)
	// that the request took it too long. A smaller page may succeed.
	KindTimeout Kind = "timeout"

	// KindUnavailable: IT Glue answered 5xx, could not be reached, or the
	// connection broke.
	KindUnavailable Kind = "unavailable"

	// KindMalformed: the answer is not one of IT Glue's: a redirect, an
	// unexpected 4xx, a body over the cap, or a 2xx that is not the
	// documented JSON.
	KindMalformed Kind = "malformed"
)

// Error is the error of every call that reached for IT Glue, except one that
// was cancelled by its context: that one is a plain error wrapping
// context.Canceled.
type Error struct {
	Kind Kind

	// Status is the HTTP status of the answer, 0 if there was none.
	Status int

	// Detail is a sentence from IT Glue or about the failure: at most 200
	// characters, without control characters, never with the API key.
	Detail string

	// RetryAfter is how long to wait before calling again, at most 1 h; 0
	// if that is not known.
	RetryAfter time.Duration

	// Op says what was attempted, such as "list organizations".
	Op string

	err error
}

// Error implements the error interface.
func (e *Error) Error() string {
	var text strings.Builder

	fmt.Fprintf(&text, "itglue: %s: %s", e.Op, e.Kind)

	if e.Status != 0 {
		fmt.Fprintf(&text, " (HTTP %d)", e.Status)
	}

	if e.Detail != "" {
		fmt.Fprintf(&text, ": %s", e.Detail)
	}

	if e.RetryAfter > 0 {
		fmt.Fprintf(&text, " (retry after %s)", e.RetryAfter.Round(time.Millisecond))
	}

	return text.String()
}

// Unwrap returns the cause, nil if there is none besides the answer itself.
func (e *Error) Unwrap() error { return e.err }

// KindOf returns the Kind of the first *Error in err's tree, "" if there is
// none.
func KindOf(err error) Kind {
	if failure, ok := errors.AsType[*Error](err); ok {
		return failure.Kind
	}

	return ""
}

// IsNotFound reports whether err is of KindNotFound.
func IsNotFound(err error) bool { return KindOf(err) == KindNotFound }

// IsRejectedKey reports whether err is of KindRejectedKey.
func IsRejectedKey(err error) bool { return KindOf(err) == KindRejectedKey }
