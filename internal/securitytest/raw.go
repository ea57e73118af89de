package securitytest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/contract"
	"github.com/orgbridge/orgbridge/internal/e2e"
)

// Wire is a connection on which a test writes bytes as it likes.
type Wire struct {
	*net.TCPConn

	t testing.TB
	r *bufio.Reader
}

// Dial opens a connection to a server; it is closed when the test ends.
func Dial(tb testing.TB, address string) *Wire {
	tb.Helper()
	var d net.Dialer
	c, err := d.DialContext(tb.Context(), "tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	w := &Wire{t: tb, r: bufio.NewReader(c)}
	w.TCPConn = c.(*net.TCPConn) //nolint:forcetypeassert // that is what "tcp" dials
	w.Within(e2e.Patience)
	return w
}

// Within bounds all that is read and written from now on.
func (w *Wire) Within(limit time.Duration) {
	w.t.Helper()
	if err := w.SetDeadline(time.Now().Add(limit)); err != nil {
		w.t.Fatal(err)
	}
}

// Send writes text. The server may have refused and closed before the end of it.
func (w *Wire) Send(text string) { _, _ = io.WriteString(w, text) }

// Answers reads answers until the server closes the connection or there are as many as asked for, and tells whether it was closed.
func (w *Wire) Answers(most int) (answers []contract.Answer, closed bool) {
	w.t.Helper()
	for len(answers) < most {
		if _, err := w.r.Peek(1); err != nil {
			return answers, ended(w.t, err)
		}
		response, err := http.ReadResponse(w.r, nil)
		if err != nil {
			w.t.Errorf("what came back is no answer: %v", err)
			return answers, true
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			w.t.Errorf("the answer %d breaks off: %v", response.StatusCode, err)
			return answers, true
		}
		answers = append(answers, contract.Answer{Status: response.StatusCode, Header: response.Header, Body: string(body)})
	}
	return answers, false
}

// ended tells whether a connection was closed, rather than that nothing came in time.
func ended(tb testing.TB, err error) bool {
	tb.Helper()
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		tb.Errorf("the server neither answers nor closes: %v", err)
		return false
	}
	return true
}

var counter atomic.Int64

// Unique returns the prefix with a number that no other call returns.
func Unique(prefix string) string { return prefix + strconv.FormatInt(counter.Add(1), 10) }
