package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/orgbridge/orgbridge/internal/errs"
)

// Listener is for a server of net/http. What that server refuses by itself, before any handler sees it, it answers in plain text; over
// this listener the client gets a problem instead.
func Listener(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok && err == nil {
		return &connection{TCPConn: tcp}, nil
	}
	return c, err
}

// connection has all of a TCP connection: the server closes one direction of it.
type connection struct{ *net.TCPConn }

func (c *connection) Write(b []byte) (int, error) {
	public := refusal(b)
	if public == nil {
		return c.TCPConn.Write(b)
	}
	if _, err := c.TCPConn.Write(refused(public)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// refusal tells what the server refuses a request for when this is such an answer of its own; nil when it is another one. Answers of
// ours have other headers first, and no line of what they contain ends in the way that the lines of headers do.
func refusal(b []byte) *errs.Error {
	status, rest, _ := bytes.Cut(b, []byte("\r\n"))
	own := bytes.HasPrefix(rest, []byte("Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"))
	switch {
	case bytes.HasPrefix(status, []byte("HTTP/1.1 417 ")):
		return errs.New(errs.MalformedRequest, "The Expect header has something else than 100-continue.")
	case !own || !bytes.HasPrefix(status, []byte("HTTP/1.1 ")):
		return nil
	case bytes.HasPrefix(status, []byte("HTTP/1.1 431 ")):
		return errs.New(errs.HeadersTooLarge, "The headers are larger than %d bytes.", maxHeaders)
	default:
		return errs.New(errs.MalformedRequest, "The request is not HTTP as it has to be.")
	}
}

// refused is the whole answer, with the headers that every answer has.
func refused(public *errs.Error) []byte {
	id := "unknown"
	if fresh, err := uuid.NewV7(); err == nil {
		id = fresh.String()
	}
	a := answers()[public.Code]
	body, _ := json.Marshal(Problem{ //nolint:errchkjson // strings and numbers
		Type: problemTypes + string(public.Code), Title: a.title, Status: a.status, Detail: public.Detail, Code: string(public.Code),
		RequestID: id,
	})
	h := http.Header{}
	setCommonHeaders(h, id)
	h.Set(echo.HeaderContentType, problemMediaType)
	h.Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	h.Set(echo.HeaderConnection, "close")
	var out bytes.Buffer
	fmt.Fprintf(&out, "HTTP/1.1 %d %s\r\n", a.status, http.StatusText(a.status))
	_ = h.Write(&out) // a buffer takes everything
	out.WriteString("\r\n")
	out.Write(body)
	return out.Bytes()
}
