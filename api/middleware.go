package api

import (
	"context"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/observe"
)

const (
	maxURI     = 8 << 10
	maxHeaders = 32 << 10
	// maxTime is above what a check of a key against three slow regions takes.
	maxTime      = time.Minute
	maxRequestID = 128

	requestIDKey = "requestId"
	untimedKey   = "untimed"   // the request's context without maxTime
	streamingKey = "streaming" // when a stream began to be answered
	failureKey   = "failure"   // the code of the problem that was answered
)

// identify gives the request an id, the caller's own if it is harmless, and sets the headers that every answer carries. Handlers
// that serve something else than API answers overwrite them.
func (*server) identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := c.Request().Header.Get(echo.HeaderXRequestID)
		if !harmlessID(id) {
			fresh, err := uuid.NewV7()
			if err != nil {
				return fmt.Errorf("make a request id: %w", err)
			}
			id = fresh.String()
		}
		c.Set(requestIDKey, id)
		c.SetRequest(c.Request().WithContext(observe.With(c.Request().Context(), observe.RequestID, id)))
		setCommonHeaders(c.Response().Header(), id)
		return next(c)
	}
}

// trace has the request traced, under the pattern of its path: the path itself has ids in it, or whatever a client writes there.
func (s *server) trace(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		method := methodOf(r)
		ctx, span := s.Traces.Request(r.Context(), r.Header.Get("Traceparent"), method+" "+routeOf(c))
		c.SetRequest(r.WithContext(ctx))
		err := next(c)
		status := c.Response().Status
		span.Set("http.request.method", method)
		span.Set("http.route", routeOf(c))
		span.SetInt("http.response.status_code", status)
		span.Set("orgbridge.request.id", requestID(c))
		span.Set("orgbridge.account.id", accountID(c))
		var failure string
		if status >= http.StatusInternalServerError {
			failure, _ = c.Get(failureKey).(string)
		}
		span.EndAs(failure)
		return err
	}
}

// methodOf is the method of a request, or what OpenTelemetry calls one that nobody knows: clients write there what they like.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	default:
		return "_OTHER"
	}
}

func setCommonHeaders(h http.Header, requestID string) {
	h.Set(echo.HeaderXRequestID, requestID)
	h.Set(echo.HeaderCacheControl, "no-store")
	h.Set(echo.HeaderXContentTypeOptions, "nosniff")
	h.Set(echo.HeaderContentSecurityPolicy, "default-src 'none'; frame-ancestors 'none'")
	h.Set(echo.HeaderReferrerPolicy, "no-referrer")
	h.Set(echo.HeaderXFrameOptions, "DENY") // says to old browsers what the policy says to others
}

func harmlessID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for _, r := range id {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (r < '0' || r > '9') && !strings.ContainsRune("-_.", r) {
			return false
		}
	}
	return true
}

func requestID(c echo.Context) string {
	id, _ := c.Get(requestIDKey).(string)
	return id
}

// routeOf is the pattern that matched, without the values in it.
func routeOf(c echo.Context) string {
	if c.Path() == "" {
		return "none"
	}
	return c.Path()
}

// logAccess counts each request and writes one line for it. It names neither query, headers nor bodies: any of them may hold a secret.
func (s *server) logAccess(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := s.Now()
		if err := next(c); err != nil {
			c.Error(err)
		}
		took := s.Now().Sub(began)
		if s.Observe != nil {
			answered := took
			if streaming, ok := c.Get(streamingKey).(time.Time); ok {
				answered = streaming.Sub(began) // how long a stream lasts is up to the client
			}
			s.Observe(c.Request().Method, routeOf(c), c.Response().Status, answered)
		}
		s.Log.LogAttrs(c.Request().Context(), slog.LevelInfo, "request",
			slog.String("method", c.Request().Method), slog.String("route", routeOf(c)), slog.Int("status", c.Response().Status),
			slog.Duration("duration", took), slog.String("requestId", requestID(c)),
			slog.String("accountId", accountID(c)))
		return nil
	}
}

// recoverPanics makes a panic an internal error. The stack goes to the log.
func (s *server) recoverPanics(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler { //nolint:errorlint,err113 // net/http compares it so
				panic(v)
			}
			s.Log.LogAttrs(c.Request().Context(), slog.LevelError, "panic", slog.String("requestId", requestID(c)),
				slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("panic: %v", v)
		}()
		return next(c)
	}
}

func limitAddress(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if len(c.Request().RequestURI) > maxURI {
			return errs.New(errs.URITooLong, "The address is longer than %d bytes.", maxURI)
		}
		return next(c)
	}
}

// limitHeaders is exact; the server's own limit is not, and leaves room for the address.
func limitHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if sizeOf(c.Request()) > maxHeaders {
			return errs.New(errs.HeadersTooLarge, "The headers are larger than %d bytes.", maxHeaders)
		}
		return next(c)
	}
}

// sizeOf is how many bytes the headers of a request are as they were sent, one line each.
func sizeOf(r *http.Request) int {
	const colonSpaceAndEnd = 4
	size := len("Host") + len(r.Host) + colonSpaceAndEnd
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + colonSpaceAndEnd
		}
	}
	return size
}

// endAfterChunks closes the connection after a body of unknown length. A proxy in front may have found another end of such a body than
// we did, for instance because it also came with a length: then what follows it is a request that nobody sent.
func endAfterChunks(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if c.Request().ContentLength < 0 {
			c.Response().Header().Set(echo.HeaderConnection, "close")
		}
		return next(c)
	}
}

// limitTime comes before all that answers or logs, so that the context ends after them.
func limitTime(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		ctx, cancel := context.WithTimeout(c.Request().Context(), maxTime)
		defer cancel()
		c.Set(untimedKey, c.Request().Context())
		c.SetRequest(c.Request().WithContext(ctx))
		return next(c)
	}
}

// whole is the request's context without the limit of its time: it ends when the client goes away.
func whole(c echo.Context) context.Context {
	if ctx, ok := c.Get(untimedKey).(context.Context); ok {
		return ctx
	}
	return c.Request().Context()
}

// acceptable refuses clients that say they can read none of the media types that the answer may have.
func acceptable(next echo.HandlerFunc, mediaTypes ...string) echo.HandlerFunc {
	return func(c echo.Context) error {
		accept := strings.Join(c.Request().Header.Values(echo.HeaderAccept), ",")
		if accept == "" || slices.ContainsFunc(mediaTypes, func(offered string) bool { return accepts(accept, offered) }) {
			return next(c)
		}
		return errs.New(errs.NotAcceptable, "The Accept header admits no media type that the answer could have.")
	}
}

// accepts tells whether an Accept header admits the media type: the most specific range that covers it decides (RFC 9110, 12.5.1).
func accepts(header, mediaType string) bool {
	group, _, _ := strings.Cut(mediaType, "/")
	specificity := map[string]int{"*/*": 1, group + "/*": 2, mediaType: 3}
	best, admitted := 0, false
	for part := range strings.SplitSeq(header, ",") {
		pattern, params, err := mime.ParseMediaType(part)
		if err != nil || specificity[pattern] <= best {
			continue
		}
		best, admitted = specificity[pattern], true
		if q, ok := params["q"]; ok {
			weight, err := strconv.ParseFloat(q, 64)
			admitted = err == nil && weight > 0
		}
	}
	return admitted
}
