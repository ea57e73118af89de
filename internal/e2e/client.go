package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"testing"
)

// Client speaks JSON.
type Client struct {
	T      testing.TB
	Base   string
	Token  string
	Header http.Header // of every request, besides those of a JSON API
}

// Answer is an answer as it came.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// WithHeader is the same client that sends one more header.
func (c Client) WithHeader(name, value string) Client {
	c.Header = c.Header.Clone()
	if c.Header == nil {
		c.Header = make(http.Header)
	}
	c.Header.Set(name, value)
	return c
}

// Try sends a request. After an error nobody knows whether it has been carried out, unless the connection was refused.
func (c Client) Try(ctx context.Context, method, path string, body any) (answer Answer, err error) {
	var content io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return Answer{}, err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.Base+path, content)
	if err != nil {
		return Answer{}, err
	}
	maps.Copy(request.Header, c.Header)
	request.Header.Set("Content-Type", "application/json")
	if c.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.Token)
	}
	response, err := (&http.Client{Timeout: Patience}).Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	answer = Answer{Status: response.StatusCode, Header: response.Header}
	answer.Body, err = ReadSome(response)
	return answer, err
}

// ReadSome reads the body of an answer. Of a stream, which may have no end, it reads what comes first.
func ReadSome(answer *http.Response) ([]byte, error) {
	if answer.Header.Get("Content-Type") != "text/event-stream" {
		return io.ReadAll(answer.Body)
	}
	first := make([]byte, 64<<10)
	n, err := answer.Body.Read(first)
	if n == 0 && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return first[:n], nil
}

// Do sends a request that must be answered and returns the status and the body.
func (c Client) Do(method, path string, body any) (status int, answer []byte) {
	c.T.Helper()
	got, err := c.Try(c.T.Context(), method, path, body)
	if err != nil {
		c.T.Fatal(err)
	}
	return got.Status, got.Body
}

// Call demands one of the statuses and decodes the answer.
func Call[T any](c Client, method, path string, body any, statuses ...int) (answer T) {
	c.T.Helper()
	status, text := c.Do(method, path, body)
	if !slices.Contains(statuses, status) {
		c.T.Fatalf("%s %s: status %d instead of %v: %s", method, path, status, statuses, text)
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &answer); err != nil {
			c.T.Fatalf("%s %s: %v: %s", method, path, err, text)
		}
	}
	return answer
}

// All reads a list to its last page.
func All[T any](c Client, path string) (items []T) {
	c.T.Helper()
	cursor := ""
	for {
		page := Call[ListView[T]](c, "GET", path+"?limit=200"+cursor, nil, http.StatusOK)
		items = append(items, page.Items...)
		if page.NextCursor == "" {
			return items
		}
		cursor = "&cursor=" + page.NextCursor
	}
}
