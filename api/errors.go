package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/orgbridge/orgbridge/internal/errs"
)

const (
	problemMediaType = "application/problem+json"
	// problemTypes is followed by the code: the type of a problem is a stable name, not an address to fetch.
	problemTypes = "urn:orgbridge:problem:"
)

// Problem is how every failure is answered (RFC 9457).
type Problem struct {
	// Stands for the code; not an address to fetch.
	Type  string `json:"type" validate:"required" format:"uri" example:"urn:orgbridge:problem:validation-failed"`
	Title string `json:"title" validate:"required" example:"Invalid request"`
	// Status of the answer.
	Status int `json:"status" validate:"required" minimum:"400" maximum:"599" example:"422"`
	// What is wrong, for people.
	Detail string `json:"detail" validate:"required" example:"The request has invalid values."`
	// Path of the request; empty when it could not be read.
	Instance string `json:"instance" validate:"required" example:"/api/v1/organizations"`
	// What is wrong, for programs. Never changes its meaning.
	Code string `json:"code" validate:"required" enums:"internal,unavailable,unauthenticated,forbidden,not-found,method-not-allowed,not-acceptable,unsupported-media-type,malformed-body,payload-too-large,uri-too-long,headers-too-large,malformed-request,request-timeout,validation-failed,conflict,already-connected,not-connected,not-mapped,domain-taken,domain-required,domain-immutable,itglue-organization-already-mapped,different-itglue-account,confirmation-required,sync-active,sync-ended,not-held,held-set-changed,precondition-failed,idempotency-key-invalid,idempotency-key-in-use,idempotency-key-reused,quota-exceeded,too-many-tokens,secret-not-kept,itglue-key-rejected,itglue-rate-limited,itglue-unavailable,itglue-timeout,itglue-bad-answer,itglue-listing-incomplete" example:"validation-failed"` //nolint:lll // a tag cannot be wrapped
	// Same as `X-Request-Id`. Name it when you ask the operator for help.
	RequestID string `json:"requestId" validate:"required" example:"0198c5d0-5a4e-7c3b-9d2e-6f1a2b3c4d5e"`
	// All faults of the request; present only with `validation-failed`.
	Errors []FieldProblem `json:"errors,omitempty"`
	// Values used in `detail`, for building your own message.
	Params map[string]any `json:"params,omitempty"`
} //	@name	Problem

// FieldProblem is one fault of a request. It names either a place in the body or a query parameter.
type FieldProblem struct {
	// JSON Pointer (RFC 6901) to the field in the body; empty means the whole body.
	Pointer *string `json:"pointer,omitempty" example:"/apiKey"`
	// Name of the query parameter, or of the header, instead of a pointer.
	Parameter string `json:"parameter,omitempty"`
	// - `required`: missing or empty.
	// - `unknown-field`, `unknown-parameter`: there is no such field or query parameter.
	// - `repeated`: the query parameter is given more than once.
	// - `wrong-type`: of another JSON type than it has to be.
	// - `too-long`, `out-of-range`, `not-one-of`: breaks the rule of that name.
	// - `invalid`: breaks another rule, told in `detail`.
	// - `name-blank`, `name-too-long`, `name-not-legal`: cannot be the name of an organization.
	// - `domain-invalid`: is not a domain below a public suffix.
	// - `unknown`: IT Glue has no organization with this id.
	// - `time-zone-unknown`: is not a name of the IANA time zone database.
	// - `time-of-day-invalid`: is not HH:MM from 00:00 to 23:59.
	Code string `json:"code" validate:"required" enums:"required,unknown-field,unknown-parameter,repeated,wrong-type,too-long,out-of-range,not-one-of,invalid,name-blank,name-too-long,name-not-legal,domain-invalid,unknown,time-zone-unknown,time-of-day-invalid" example:"required"` //nolint:lll // a tag cannot be wrapped
	// What is wrong, for people.
	Detail string `json:"detail" validate:"required" example:"This field is required."`
} //	@name	FieldProblem

// answer is how a code is told over HTTP. RetryAfter stands in when the failure does not know how long to wait.
type answer struct {
	status     int
	title      string
	retryAfter time.Duration
}

// answers is the one map from codes to statuses. A code that is missing here is answered as internal. errs.Fenced is missing on
// purpose: see publicError.
func answers() map[errs.Code]answer {
	return map[errs.Code]answer{
		errs.Internal:                {status: http.StatusInternalServerError, title: "Internal error"},
		errs.Unavailable:             {status: http.StatusServiceUnavailable, title: "Temporarily unavailable", retryAfter: 5 * time.Second},
		errs.Unauthenticated:         {status: http.StatusUnauthorized, title: "Authentication required"},
		errs.Forbidden:               {status: http.StatusForbidden, title: "Not allowed"},
		errs.NotFound:                {status: http.StatusNotFound, title: "Not found"},
		errs.MethodNotAllowed:        {status: http.StatusMethodNotAllowed, title: "Method not allowed"},
		errs.NotAcceptable:           {status: http.StatusNotAcceptable, title: "Not acceptable"},
		errs.UnsupportedMediaType:    {status: http.StatusUnsupportedMediaType, title: "Unsupported media type"},
		errs.MalformedBody:           {status: http.StatusBadRequest, title: "Malformed body"},
		errs.PayloadTooLarge:         {status: http.StatusRequestEntityTooLarge, title: "Body too large"},
		errs.URITooLong:              {status: http.StatusRequestURITooLong, title: "Address too long"},
		errs.HeadersTooLarge:         {status: http.StatusRequestHeaderFieldsTooLarge, title: "Headers too large"},
		errs.MalformedRequest:        {status: http.StatusBadRequest, title: "Malformed request"},
		errs.RequestTimeout:          {status: http.StatusRequestTimeout, title: "Body too slow"},
		errs.ValidationFailed:        {status: http.StatusUnprocessableEntity, title: "Invalid request"},
		errs.Conflict:                {status: http.StatusConflict, title: "Conflict"},
		errs.AlreadyConnected:        {status: http.StatusConflict, title: "Already connected"},
		errs.NotConnected:            {status: http.StatusConflict, title: "Not connected"},
		errs.NotMapped:               {status: http.StatusConflict, title: "Not mapped"},
		errs.DomainTaken:             {status: http.StatusConflict, title: "Domain taken"},
		errs.DomainRequired:          {status: http.StatusUnprocessableEntity, title: "Domain required"},
		errs.DomainImmutable:         {status: http.StatusUnprocessableEntity, title: "Domain immutable"},
		errs.DifferentITGlueAccount:  {status: http.StatusConflict, title: "Different IT Glue account"},
		errs.ConfirmationRequired:    {status: http.StatusConflict, title: "Confirmation required"},
		errs.SyncActive:              {status: http.StatusConflict, title: "Sync active"},
		errs.SyncEnded:               {status: http.StatusConflict, title: "Sync ended"},
		errs.NotHeld:                 {status: http.StatusConflict, title: "Not held"},
		errs.HeldSetChanged:          {status: http.StatusPreconditionFailed, title: "Held set changed"},
		errs.AlreadyMapped:           {status: http.StatusConflict, title: "IT Glue organization already mapped"},
		errs.PreconditionFailed:      {status: http.StatusPreconditionFailed, title: "Precondition failed"},
		errs.IdempotencyKeyInvalid:   {status: http.StatusBadRequest, title: "Invalid Idempotency-Key"},
		errs.IdempotencyKeyInUse:     {status: http.StatusConflict, title: "Idempotency-Key in use", retryAfter: time.Second},
		errs.IdempotencyKeyReused:    {status: http.StatusUnprocessableEntity, title: "Idempotency-Key reused"},
		errs.QuotaExceeded:           {status: http.StatusTooManyRequests, title: "Too many requests", retryAfter: time.Second},
		errs.TooManyTokens:           {status: http.StatusConflict, title: "Too many tokens"},
		errs.SecretNotKept:           {status: http.StatusConflict, title: "Secret not kept"},
		errs.ITGlueKeyRejected:       {status: http.StatusUnprocessableEntity, title: "IT Glue rejected the key"},
		errs.ITGlueRateLimited:       {status: http.StatusServiceUnavailable, title: "IT Glue is rate limiting", retryAfter: time.Minute},
		errs.ITGlueUnavailable:       {status: http.StatusBadGateway, title: "IT Glue unavailable"},
		errs.ITGlueTimeout:           {status: http.StatusGatewayTimeout, title: "IT Glue timed out"},
		errs.ITGlueBadAnswer:         {status: http.StatusBadGateway, title: "Bad answer from IT Glue"},
		errs.ITGlueListingIncomplete: {status: http.StatusBadGateway, title: "Incomplete listing from IT Glue"},
	}
}

// fixedDetails are the sentences of codes whose answer must not depend on the cause: an id that never existed reads like one of
// another account, an expired token like a revoked one, and what went wrong inside stays inside.
func fixedDetails() map[errs.Code]string {
	return map[errs.Code]string{
		errs.Internal:         "Something went wrong. The request id tells the operator where to look.",
		errs.Unauthenticated:  "A valid bearer token is required.",
		errs.NotFound:         "There is nothing at this address.",
		errs.MethodNotAllowed: "This address does not offer that method.",
	}
}

// problems writes failures. It is the only place that turns an error into an answer, and the only one that logs it.
type problems struct {
	log     *slog.Logger
	answers map[errs.Code]answer
	details map[errs.Code]string
}

func newProblems(log *slog.Logger) *problems {
	return &problems{log: log, answers: answers(), details: fixedDetails()}
}

// handle is echo's HTTPErrorHandler.
func (p *problems) handle(err error, c echo.Context) {
	public := p.publicError(err, c)
	p.record(c, public, err)
	if c.Response().Committed {
		return
	}
	body, err := json.Marshal(p.problem(public, c))
	if err != nil { // a param that JSON cannot say
		public.Params = nil
		body, _ = json.Marshal(p.problem(public, c)) //nolint:errchkjson // strings and numbers
	}
	a := p.answers[public.Code]
	p.setHeaders(c.Response().Header(), public, a)
	if err := c.Blob(a.status, problemMediaType, body); err != nil {
		p.log.LogAttrs(c.Request().Context(), slog.LevelDebug, "problem not delivered", slog.String("requestId", requestID(c)))
	}
}

// publicError finds what the client may know of an error.
func (p *problems) publicError(err error, c echo.Context) *errs.Error {
	public := &errs.Error{Code: errs.Internal}
	if coded, ok := errors.AsType[*errs.Error](err); ok {
		e := *coded
		public = &e
	} else if routing, ok := errors.AsType[*echo.HTTPError](err); ok {
		public.Code = codeOfStatus(routing.Code)
	}
	switch {
	case public.Code == errs.Fenced:
		public = errs.New(errs.Conflict, "The sync was ended or taken over meanwhile.")
	case public.Code == errs.Internal && outOfTime(err, c):
		public = errs.New(errs.Unavailable, "The request took too long.")
	}
	if _, ok := p.answers[public.Code]; !ok || public.Code == errs.Internal {
		public = &errs.Error{Code: errs.Internal}
	}
	if detail, ok := p.details[public.Code]; ok {
		public.Detail = detail
	}
	return public
}

// outOfTime tells whether a request failed because its time was over or its client gave up.
func outOfTime(err error, c echo.Context) bool {
	return c.Request().Context().Err() != nil &&
		(errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded))
}

// codeOfStatus translates what echo itself answers.
func codeOfStatus(status int) errs.Code {
	switch status {
	case http.StatusNotFound:
		return errs.NotFound
	case http.StatusMethodNotAllowed:
		return errs.MethodNotAllowed
	case http.StatusRequestEntityTooLarge:
		return errs.PayloadTooLarge
	default:
		return errs.Internal
	}
}

func (p *problems) problem(e *errs.Error, c echo.Context) Problem {
	a := p.answers[e.Code]
	detail := e.Detail
	if detail == "" {
		detail = a.title + "."
	}
	out := Problem{
		Type: problemTypes + string(e.Code), Title: a.title, Status: a.status, Detail: detail,
		Instance: c.Request().URL.EscapedPath(), Code: string(e.Code), RequestID: requestID(c), Params: e.Params,
	}
	for _, f := range e.Fields {
		fault := FieldProblem{Parameter: f.Parameter, Code: f.Code, Detail: f.Detail}
		if f.Parameter == "" {
			fault.Pointer = &f.Pointer
		}
		out.Errors = append(out.Errors, fault)
	}
	return out
}

func (p *problems) setHeaders(h http.Header, e *errs.Error, a answer) {
	if e.Code == errs.Unauthenticated {
		h.Set(echo.HeaderWWWAuthenticate, "Bearer")
	}
	wait := e.RetryAfter
	if wait <= 0 {
		wait = a.retryAfter
	}
	if wait > 0 {
		h.Set(echo.HeaderRetryAfter, strconv.Itoa(seconds(wait)))
	}
}

// record logs the cause of a failure once. Failures of the client's own making are told to the client only, and a client that went
// away is no failure.
func (p *problems) record(c echo.Context, public *errs.Error, err error) {
	c.Set(failureKey, string(public.Code))
	ctx := c.Request().Context()
	level := slog.LevelDebug
	switch {
	case errors.Is(whole(c).Err(), context.Canceled):
	case public.Code == errs.Internal:
		level = slog.LevelError
	case p.answers[public.Code].status >= http.StatusInternalServerError:
		level = slog.LevelWarn
	}
	p.log.LogAttrs(ctx, level, "request failed", slog.String("requestId", requestID(c)), slog.String("route", routeOf(c)),
		slog.String("code", string(public.Code)), slog.String("error", err.Error()))
}
