package api

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/idempotency"
)

const (
	idempotencyKeyHeader = "Idempotency-Key"
	replayedHeader       = "Idempotency-Replayed"
	maxIdempotencyKey    = 255
	// keepTime bounds the writing down of an answer, which is done also when the request's own time is over.
	keepTime = 5 * time.Second
)

// KeyStore keeps the Idempotency-Keys of requests, and how these were answered.
type KeyStore interface {
	// ClaimKey answers [errs.IdempotencyKeyInUse] while another attempt has the claim, and [errs.IdempotencyKeyReused] when the key came
	// with another request.
	ClaimKey(ctx context.Context, accountID string, r idempotency.Request) (*idempotency.Claim, error)
	// RenewKey, AnswerKey and ReleaseKey are for as long as nobody else has the claim.
	RenewKey(ctx context.Context, c *idempotency.Claim) error
	AnswerKey(ctx context.Context, c *idempotency.Claim, a idempotency.Answer) error
	ReleaseKey(ctx context.Context, c *idempotency.Claim) error
}

// resumption answers a request that an earlier attempt has done and not answered, from what was done. It tells false when what it was
// about has not been done; then the request is served like a new one.
type resumption func(c echo.Context, done []idempotency.Effect) (answered bool, err error)

// idempotent serves a request with an Idempotency-Key once, and answers it in the same way whenever it is sent again.
func (s *server) idempotent(as route, next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		key, err := idempotencyKey(r.Header.Values(idempotencyKeyHeader))
		if err != nil {
			return err
		}
		if key == "" {
			return next(c)
		}
		body, err := readAll(c)
		if err != nil {
			return err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		request := idempotency.NewRequest(key, []byte(r.Method), []byte(r.URL.RequestURI()), body)
		claim, err := s.Keys.ClaimKey(r.Context(), accountID(c), request)
		if err != nil {
			return err
		}
		if claim.Answer != nil {
			return replay(c, claim.Answer)
		}
		return s.serveOnce(c, claim, as, next)
	}
}

// idempotencyKey reads the header: one key of visible ASCII characters, bare or, as the standard has it, in double quotes. A bare one
// has neither quotes nor commas, which would make it a list.
func idempotencyKey(headers []string) (string, error) {
	if len(headers) == 0 {
		return "", nil
	}
	key, fine := headers[0], len(headers) == 1
	if quoted, ok := strings.CutPrefix(key, `"`); ok {
		key = unquote(quoted)
	} else {
		fine = fine && !strings.ContainsAny(key, `",`)
	}
	if !fine || len(key) > maxIdempotencyKey || !only(key, '!', '~') {
		return "", errs.New(errs.IdempotencyKeyInvalid, "An Idempotency-Key is one text of 1 to %d visible ASCII characters, "+
			"in double quotes or without quotes and commas.", maxIdempotencyKey)
	}
	return key, nil
}

// unquote reads a string of a structured field (RFC 9651) after its opening quote; empty when it is none.
func unquote(s string) string {
	var text strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"' && i == len(s)-1:
			return text.String()
		case s[i] == '"':
			return ""
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
		case s[i] == '\\':
			return ""
		}
		text.WriteByte(s[i])
	}
	return ""
}

// serveOnce serves the request under its claim. The answer is kept before it is sent: a client that has seen it gets it again.
func (s *server) serveOnce(c echo.Context, claim *idempotency.Claim, as route, next echo.HandlerFunc) error {
	ctx := c.Request().Context()
	c.SetRequest(c.Request().WithContext(idempotency.With(ctx, claim)))
	response := c.Response()
	written := &writtenAnswer{ResponseWriter: response.Writer}
	response.Writer = written
	settled := false
	stop := s.keepClaim(ctx, claim)
	defer func() {
		stop()
		response.Writer = written.ResponseWriter
		if !settled { // a panic, which is answered outside
			s.settle(c, claim, nil)
		}
	}()
	err := s.resumeOrServe(c, claim, as.resume, next)
	if err != nil {
		c.Error(err)
	}
	answer := written.answer(response)
	stop()
	settled = true
	if !kept(answer.Status, err) || as.secret && err == nil {
		answer = nil
	}
	s.settle(c, claim, answer)
	return written.send(response)
}

func (s *server) resumeOrServe(c echo.Context, claim *idempotency.Claim, resume resumption, next echo.HandlerFunc) error {
	if resume != nil && len(claim.Effects) > 0 {
		if answered, err := resume(c, claim.Effects); answered || err != nil {
			return err
		}
	}
	return next(c)
}

// keepClaim gives signs of life until it is stopped, which can be done more than once.
func (s *server) keepClaim(ctx context.Context, claim *idempotency.Claim) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var beats sync.WaitGroup
	beats.Go(func() {
		ticker := time.NewTicker(idempotency.Lease / 3)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				_ = s.Keys.RenewKey(ctx, claim) // if it is lost, so is what is done under it; anything else is tried again
			}
		}
	})
	return func() {
		cancel()
		beats.Wait()
	}
}

// kept tells whether an answer is for good. What went wrong on our side or IT Glue's, what happened to cross something else and what is
// wrong with the form of the request may go better when it is sent again.
func kept(status int, err error) bool {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusTooManyRequests:
		return false
	default:
		return status < http.StatusInternalServerError &&
			!errs.Is(err, errs.ValidationFailed) && !errs.Is(err, errs.Conflict) && !errs.Is(err, errs.IdempotencyKeyInUse)
	}
}

// settle keeps the answer of a claim, or releases it when there is none to keep. If that fails, the claim runs out by itself, and a retry
// is answered from what was done.
func (s *server) settle(c echo.Context, claim *idempotency.Claim, answer *idempotency.Answer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), keepTime)
	defer cancel()
	var err error
	if answer != nil {
		err = s.Keys.AnswerKey(ctx, claim, *answer)
	} else {
		err = s.Keys.ReleaseKey(ctx, claim)
	}
	if err != nil {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "answer not kept for its Idempotency-Key", slog.String("requestId", requestID(c)),
			slog.String("error", err.Error()))
	}
}

// writtenAnswer holds back what a handler writes. Headers are those of the answer itself.
type writtenAnswer struct {
	http.ResponseWriter

	status int
	body   bytes.Buffer
}

func (w *writtenAnswer) WriteHeader(status int)      { w.status = status }
func (w *writtenAnswer) Write(b []byte) (int, error) { return w.body.Write(b) }

// keptHeaders are those of the answer; others are of the exchange. A problem names the request that it came of.
func keptHeaders() []string {
	return []string{echo.HeaderContentType, echo.HeaderLocation, etagHeader, echo.HeaderRetryAfter}
}

func (w *writtenAnswer) answer(response *echo.Response) *idempotency.Answer {
	a := &idempotency.Answer{Status: w.status, Header: map[string]string{}, Body: w.body.Bytes()}
	names := keptHeaders()
	if response.Header().Get(echo.HeaderContentType) == problemMediaType {
		names = append(names, echo.HeaderXRequestID)
	}
	for _, name := range names {
		if value := response.Header().Get(name); value != "" {
			a.Header[name] = value
		}
	}
	return a
}

// send writes what was held back.
func (w *writtenAnswer) send(response *echo.Response) error {
	response.Writer, response.Committed, response.Size = w.ResponseWriter, false, 0
	response.WriteHeader(w.status)
	_, err := response.Write(w.body.Bytes())
	return err
}

func replay(c echo.Context, a *idempotency.Answer) error {
	h := c.Response().Header()
	for name, value := range a.Header {
		h.Set(name, value)
	}
	h.Set(replayedHeader, "true")
	c.Response().WriteHeader(a.Status)
	_, err := c.Response().Write(a.Body)
	return err
}

// find returns the first effect of a type.
func find(done []idempotency.Effect, t event.Type) (idempotency.Effect, bool) {
	for _, e := range done {
		if e.Type == t {
			return e, true
		}
	}
	return idempotency.Effect{}, false
}
