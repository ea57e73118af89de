package e2e

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Message is one message of a stream of server-sent events, or a comment.
type Message struct {
	ID      string
	Event   string
	Data    string
	Comment string
}

// Stream is a stream that is being followed.
type Stream struct {
	Answer *http.Response
	// LastID is the id that came last.
	LastID string

	lines  *bufio.Reader
	cancel context.CancelFunc
}

// NotFollowedError is the error of a stream that was not opened.
type NotFollowedError struct {
	Status int
	Header http.Header
	Body   string
}

func (e *NotFollowedError) Error() string { return fmt.Sprintf("status %d: %s", e.Status, e.Body) }

// TryFollow opens a stream behind the id, from where the server likes when that is empty.
func (c Client) TryFollow(path, lastID string) (*Stream, error) {
	ctx, cancel := context.WithCancel(c.T.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Base+path, http.NoBody)
	if err != nil {
		cancel()
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.Token)
	request.Header.Set("Accept", "text/event-stream")
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	impatient := time.AfterFunc(Patience, cancel)
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	impatient.Stop()
	if err != nil {
		cancel()
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		cancel()
		return nil, &NotFollowedError{Status: answer.StatusCode, Header: answer.Header, Body: string(body)}
	}
	s := &Stream{Answer: answer, LastID: lastID, lines: bufio.NewReader(answer.Body), cancel: cancel}
	c.T.Cleanup(s.Close)
	return s, nil
}

// Follow opens a stream that must open.
func (c Client) Follow(path, lastID string) *Stream {
	c.T.Helper()
	s, err := c.TryFollow(path, lastID)
	if err != nil {
		c.T.Fatalf("follow %s from %q: %v", path, lastID, err)
	}
	return s
}

// Close leaves the stream.
func (s *Stream) Close() {
	s.cancel()
	_ = s.Answer.Body.Close()
}

// Next waits for the next message or comment. The error is [io.EOF] after the end of a stream that the server has ended.
func (s *Stream) Next() (m Message, err error) {
	impatient := time.AfterFunc(Patience, s.cancel)
	defer impatient.Stop()
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			if errors.Is(err, io.EOF) && line != "" {
				err = io.ErrUnexpectedEOF
			}
			return m, err
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			m.ID = value
		case "event":
			m.Event = value
		case "data":
			m.Data += value
		case "":
			if line != "\n" {
				m.Comment = value
				continue
			}
			if m != (Message{}) {
				s.LastID = cmp.Or(m.ID, s.LastID)
				return m, nil
			}
		}
	}
}

// NextData waits for the next message that has data, and decodes it.
func (s *Stream) NextData(into any) (Message, error) {
	for {
		m, err := s.Next()
		if err != nil {
			return m, err
		}
		if m.Data != "" {
			return m, json.Unmarshal([]byte(m.Data), into)
		}
	}
}
