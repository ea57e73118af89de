package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/live"
	"github.com/orgbridge/orgbridge/internal/observe"
)

const (
	streamMediaType = "text/event-stream"
	lastEventName   = "Last-Event-ID"
	// retryAfter is how long clients wait before they follow again, in milliseconds: a node that ends goes on to answer for a second.
	retryAfter = 3000
)

// Streams admits those who follow what happens in an account.
type Streams interface {
	// Watch answers [errs.QuotaExceeded] when the caller or the account follows too much already, and [errs.Unavailable] when this process
	// cannot have another one.
	Watch(accountID, caller string) (*live.Watcher, error)
}

// message is one event of a stream, as clients of server-sent events understand the word. Without data it only moves the client on.
type message struct {
	id    string
	event string // empty for the usual kind
	data  any
}

// progress says how far a stream has come.
type progress int

const (
	waiting progress = iota // for something to happen
	behind                  // there may be more already
	over                    // nothing follows
)

// feed returns what is new since it was asked last.
type feed func(ctx context.Context) (news []message, at progress, err error)

// stream answers with what the feed tells, for as long as the client, its token and the process last. The first news come before the
// answer begins, so that they can still fail with a problem.
func (s *server) stream(c echo.Context, next feed) error {
	ctx, cancel := untimed(c)
	defer cancel()
	watcher, err := s.Streams.Watch(accountID(c), caller(c).Key())
	if err != nil {
		return err
	}
	defer watcher.Close()
	news, at, err := next(ctx)
	if err != nil {
		return err
	}
	if len(news) == 0 && at == over {
		return c.NoContent(http.StatusNoContent) // has clients not follow again
	}
	c.Set(streamingKey, s.Now())
	out := beginStream(c, watcher.Patience())
	defer out.hurry() // the end of the answer is written after this
	if c.Request().Method == http.MethodHead {
		return nil
	}
	ctx = observe.Untraced(ctx) // what a stream reads in days is no trace
	for out.send(news) == nil && at != over {
		if heartbeatDue(ctx, watcher, at) {
			if err := s.stillAllowed(ctx, c); err != nil || out.beat() != nil {
				return err
			}
		}
		if watcher.Ended(ctx) {
			return nil
		}
		news = nil
		watcher.Read(ctx, func() { news, at, err = next(ctx) })
		if err != nil {
			return err
		}
	}
	return nil
}

// heartbeatDue waits for something to happen, unless more may be there already, and tells whether it is time for a sign of life.
func heartbeatDue(ctx context.Context, w *live.Watcher, at progress) bool {
	if at == behind {
		return w.Due()
	}
	return w.Wait(ctx) == live.Heartbeat
}

// untimed is the request's context for as long as the client and the server last.
func untimed(c echo.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.Request().Context()))
	stop := context.AfterFunc(whole(c), cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// stillAllowed tells whether the token of the request is still good. Its account and role never change.
func (s *server) stillAllowed(ctx context.Context, c echo.Context) error {
	secret, _ := bearer(c.Request().Header.Values(echo.HeaderAuthorization))
	_, err := s.Authenticator.Authenticate(ctx, secret)
	return err
}

// lastEvent is the id of the message that the client has seen last, empty when it names none.
func lastEvent(c echo.Context, valid func(id string) bool) (string, error) {
	sent := c.Request().Header.Values(lastEventName)
	if len(sent) == 0 || len(sent) == 1 && sent[0] == "" {
		return "", nil
	}
	if len(sent) > 1 {
		return "", invalidLastEvent(faultRepeated, "This header may be given once.")
	}
	if !valid(sent[0]) {
		return "", invalidLastEvent(faultInvalid, "This is not the id of a message of this stream.")
	}
	return sent[0], nil
}

func invalidLastEvent(code, detail string) error {
	return errs.Invalid(errs.Field{Parameter: lastEventName, Code: code, Detail: detail})
}

// outlet writes a stream to a client that has to read it.
type outlet struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
	text     []byte // not written yet
}

// beginStream begins the answer. The deadlines of the server, which are for whole requests and answers, end with it.
func beginStream(c echo.Context, patience time.Duration) *outlet {
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, streamMediaType)
	h.Set("X-Accel-Buffering", "no") // has nginx pass on at once what comes
	out := &outlet{w: c.Response(), control: http.NewResponseController(c.Response()), patience: patience}
	_ = out.control.SetReadDeadline(time.Time{}) // as in hurry
	c.Response().WriteHeader(http.StatusOK)
	out.text = fmt.Appendf(out.text, "retry: %d\n\n", retryAfter)
	return out
}

// send writes messages at once. It fails when the client is gone, or does not read.
func (o *outlet) send(news []message) error {
	for _, m := range news {
		if err := o.add(m); err != nil {
			return err
		}
	}
	return o.flush()
}

// beat has the client, and what is between, know that the stream is alive.
func (o *outlet) beat() error {
	o.text = append(o.text, ": heartbeat\n\n"...)
	return o.flush()
}

// hurry begins the time in which the client has to read.
func (o *outlet) hurry() {
	_ = o.control.SetWriteDeadline(time.Now().Add(o.patience)) // where there is no connection there is no deadline
}

func (o *outlet) flush() error {
	if len(o.text) == 0 {
		return nil
	}
	o.hurry()
	_, err := o.w.Write(o.text)
	o.text = nil // it may have been large
	if err != nil {
		return err
	}
	return o.control.Flush()
}

func (o *outlet) add(m message) error {
	if m.event != "" {
		o.text = fmt.Appendf(o.text, "event: %s\n", m.event)
	}
	if m.id != "" {
		o.text = fmt.Appendf(o.text, "id: %s\n", m.id)
	}
	if m.data != nil {
		data, err := json.Marshal(m.data)
		if err != nil {
			return err
		}
		o.text = fmt.Appendf(o.text, "data: %s\n", data)
	}
	o.text = append(o.text, '\n')
	return nil
}
