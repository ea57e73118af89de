// Package errs is the closed set of errors that leave a feature package. An error that is not of this set is [Internal]: its text
// goes to the log and never to a client.
package errs

import (
	"errors"
	"fmt"
	"maps"
	"time"
)

// Code names one kind of failure. Codes are stable: clients branch on them.
type Code string

// The codes of the HTTP contract. The api package maps each to one status.
const (
	Internal                Code = "internal"
	Unavailable             Code = "unavailable"
	Unauthenticated         Code = "unauthenticated"
	Forbidden               Code = "forbidden"
	NotFound                Code = "not-found"
	MethodNotAllowed        Code = "method-not-allowed"
	NotAcceptable           Code = "not-acceptable"
	UnsupportedMediaType    Code = "unsupported-media-type"
	MalformedBody           Code = "malformed-body"
	PayloadTooLarge         Code = "payload-too-large"
	URITooLong              Code = "uri-too-long"
	HeadersTooLarge         Code = "headers-too-large"
	MalformedRequest        Code = "malformed-request" // is not HTTP as it has to be
	RequestTimeout          Code = "request-timeout"   // its body did not come in time
	ValidationFailed        Code = "validation-failed"
	Conflict                Code = "conflict"
	AlreadyConnected        Code = "already-connected"
	NotConnected            Code = "not-connected"
	NotMapped               Code = "not-mapped"
	DomainTaken             Code = "domain-taken"
	DomainRequired          Code = "domain-required"  // an import names none, and IT Glue has not just one
	DomainImmutable         Code = "domain-immutable" // a domain never changes
	AlreadyMapped           Code = "itglue-organization-already-mapped"
	DifferentITGlueAccount  Code = "different-itglue-account"
	ConfirmationRequired    Code = "confirmation-required"
	SyncActive              Code = "sync-active" // another sync has to end first
	SyncEnded               Code = "sync-ended"
	NotHeld                 Code = "not-held"
	HeldSetChanged          Code = "held-set-changed"
	PreconditionFailed      Code = "precondition-failed" // not as the client saw it
	IdempotencyKeyInvalid   Code = "idempotency-key-invalid"
	IdempotencyKeyInUse     Code = "idempotency-key-in-use" // an earlier request with the key is still being served
	IdempotencyKeyReused    Code = "idempotency-key-reused" // the key came with another request
	QuotaExceeded           Code = "quota-exceeded"         // too many requests
	TooManyTokens           Code = "too-many-tokens"
	SecretNotKept           Code = "secret-not-kept" // a token's secret is in one answer only
	ITGlueKeyRejected       Code = "itglue-key-rejected"
	ITGlueRateLimited       Code = "itglue-rate-limited"
	ITGlueUnavailable       Code = "itglue-unavailable"
	ITGlueTimeout           Code = "itglue-timeout"
	ITGlueBadAnswer         Code = "itglue-bad-answer"
	ITGlueListingIncomplete Code = "itglue-listing-incomplete"
	// Fenced says that a sync is no longer owned by the caller: another worker took it over, it was cancelled or its integration
	// is gone. It stays inside the process.
	Fenced Code = "fenced"
)

// Field is one fault of a request. Exactly one of Pointer (RFC 6901, into the body) and Parameter (query or
// header) is set.
type Field struct {
	Pointer   string
	Parameter string
	Code      string
	Detail    string
}

// Error is a failure with a stable code and a sentence for the client. The cause, if any, is for the log only.
type Error struct {
	Code   Code
	Detail string
	// Fields lists all faults of a request at once; only with [ValidationFailed].
	Fields []Field
	// Params are the values behind the detail, for clients that build their own sentence.
	Params map[string]any
	// RetryAfter is how long to wait before the same request may succeed; zero when unknown.
	RetryAfter time.Duration

	cause error
}

// New returns an error with a sentence that the client may read.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Invalid returns a [ValidationFailed] error with all faults found.
func Invalid(fields ...Field) *Error {
	return &Error{Code: ValidationFailed, Detail: "The request has invalid values.", Fields: fields}
}

// Because returns a copy that carries the cause for the log.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// With returns a copy with one more value behind the detail.
func (e *Error) With(name string, value any) *Error {
	c := *e
	c.Params = make(map[string]any, len(e.Params)+1)
	maps.Copy(c.Params, e.Params)
	c.Params[name] = value
	return &c
}

// After returns a copy that asks the client to wait.
func (e *Error) After(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Detail
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.cause }

// CodeOf returns the code of the first [Error] in the chain; [Internal] when there is none, empty for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}

// DetailOf returns the sentence of the first [Error] in the chain; empty when there is none.
func DetailOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Detail
	}
	return ""
}

// Is tells whether err carries the code.
func Is(err error, code Code) bool { return err != nil && CodeOf(err) == code }
