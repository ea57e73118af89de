package itgluetest

import (
	"cmp"
	"compress/gzip"
	"context"
	"io"
	"maps"
	"net/http"
	"time"
)

const defaultBombSize = 1 << 30

// deliver sends the answer, with the faults of the transport.
func (s *Server) deliver(ctx context.Context, w http.ResponseWriter, x *exchange, a answer, call *Call) {
	if f, ok := x.fault(FaultDelay); ok && !pause(ctx, f.Delay) {
		panic(http.ErrAbortHandler)
	}

	if x.has(FaultDrop) {
		panic(http.ErrAbortHandler)
	}

	maps.Copy(w.Header(), a.header)

	s.calls.finish(call, a.status)

	switch f, _ := x.fault(FaultGzipBomb, FaultEndlessBody, FaultSlowBody); f.Kind {
	case FaultGzipBomb:
		sendBomb(w, cmp.Or(f.Size, defaultBombSize))
	case FaultEndlessBody:
		sendEndless(w)
	case FaultSlowBody:
		w.WriteHeader(a.status)
		sendSlowly(ctx, w, a.body, max(f.BytesPerSecond, 1))
	default:
		x.send(w, a)
	}
}

func (x *exchange) send(w http.ResponseWriter, a answer) {
	body := a.body
	announced := 0

	for _, f := range x.faults {
		switch f.Kind {
		case FaultBOM:
			body = append([]byte("\uFEFF"), body...)
		case FaultTrailing:
			body = append(body, "\n<!-- cached -->"...)
		case FaultTruncate:
			body = body[:len(body)/2]
		case FaultWrongLength:
			announced = 1
		default:
		}
	}

	w.Header().Set("Content-Length", itoa(len(body)+announced))
	w.WriteHeader(a.status)

	// Once sent, a failure is the caller's loss.
	_, _ = w.Write(body)
}

// sendBomb compresses size bytes, which is about 1/1000 of them on the wire.
func sendBomb(w http.ResponseWriter, size int64) {
	w.Header().Set("Content-Encoding", "gzip")
	w.WriteHeader(http.StatusOK)

	compressed, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return
	}

	_, _ = io.CopyN(compressed, blanks{}, size)
	_ = compressed.Close()
}

// sendEndless returns when the caller has had enough and hangs up.
func sendEndless(w http.ResponseWriter) {
	w.WriteHeader(http.StatusOK)

	_, _ = io.WriteString(w, `{"data":[`)
	_, _ = io.Copy(w, blanks{})
}

// blanks reads as endless white space.
type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}

	return len(p), nil
}

// sendSlowly sends in ten portions a second, or a byte at a time.
func sendSlowly(ctx context.Context, w http.ResponseWriter, body []byte, bytesPerSecond int) {
	portion := max(bytesPerSecond/10, 1)
	interval := time.Second * time.Duration(portion) / time.Duration(bytesPerSecond)
	controller := http.NewResponseController(w)

	for len(body) > 0 {
		n := min(portion, len(body))

		if _, err := w.Write(body[:n]); err != nil {
			return
		}

		if controller.Flush() != nil || !pause(ctx, interval) {
			return
		}

		body = body[n:]
	}
}

// pause reports whether ctx outlived the pause.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()

	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
