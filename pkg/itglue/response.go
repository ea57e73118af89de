package itglue

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
)

const (
	maxErrorBodyBytes = 64 << 10
	maxDetailLength   = 200
)

var errBodyTooLarge = errors.New("body is larger than allowed")

// readBody reads a whole body up to the cap. The transport has decompressed it
// by now, so that a small compressed body cannot become a large one unnoticed.
func (c *Client) readBody(body io.Reader) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(body, c.config.MaxBodyBytes+1))
	if err != nil {
		return nil, err
	}

	if int64(len(content)) > c.config.MaxBodyBytes {
		return nil, errBodyTooLarge
	}

	return content, nil
}

// statusError turns an answer outside 2xx into an error. The status decides;
// the body, which may be anything, only words it. The exception is a 404,
// which callers take for a deletion: it must be in IT Glue's own form, because
// proxies, firewalls and wrong addresses say 404 too. And a web page is never
// IT Glue's word on a key: a firewall that blocks for a while shows one.
func (c *Client) statusError(op string, resp *http.Response) *Error {
	// A body that breaks off is as good as a shorter one here.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBodyBytes))
	if len(body) == maxErrorBodyBytes {
		body = body[:maxErrorBodyBytes-min(len(c.config.APIKey), maxErrorBodyBytes)] // may end in part of an echoed key
	}

	detail := errorText(body)
	kind := kindOfStatus(resp.StatusCode)

	if kind == KindNotFound && !isApplicationError(body) {
		kind = KindMalformed
	}

	if kind == KindRejectedKey && isWebPage(resp.Header, body) {
		kind = KindUnavailable
	}

	if (kind == KindUnavailable || kind == KindMalformed) && tookTooLong(detail) {
		kind = KindTimeout
	}

	if isRedirect(resp.StatusCode) {
		detail = "refused to follow a redirect"
	}

	failure := &Error{Kind: kind, Status: resp.StatusCode, Op: op, Detail: c.sanitize(detail)}
	if kind == KindRateLimited || kind == KindUnavailable {
		failure.RetryAfter = parseRetryAfter(resp.Header.Get("Retry-After"), time.Now())
	}

	return failure
}

func isRedirect(status int) bool { return status >= 300 && status <= 399 }

func kindOfStatus(status int) Kind {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return KindRejectedKey
	case status == http.StatusNotFound:
		return KindNotFound
	case status == http.StatusTooManyRequests:
		return KindRateLimited
	case status == http.StatusRequestTimeout, status == http.StatusGatewayTimeout:
		return KindTimeout
	case status >= http.StatusInternalServerError:
		return KindUnavailable
	default:
		return KindMalformed
	}
}

// transportError classifies a failure before an answer arrived. The url.Error
// around it only adds the address, which is dropped.
func (c *Client) transportError(parent context.Context, op string, err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}

	return c.bodyError(parent, op, 0, err)
}

// bodyError classifies a failure to read an answer.
func (c *Client) bodyError(parent context.Context, op string, status int, err error) error {
	if parent.Err() != nil {
		return contextError(parent, op)
	}

	failure := &Error{Kind: kindOfReadError(err), Status: status, Op: op, Detail: c.sanitize(err.Error())}
	if !strings.Contains(err.Error(), c.config.APIKey) {
		failure.err = err
	}

	return failure
}

func kindOfReadError(err error) Kind {
	var (
		timeout net.Error
		corrupt flate.CorruptInputError
	)

	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return KindTimeout
	case errors.Is(err, errBodyTooLarge),
		errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		return KindMalformed
	default:
		return KindUnavailable
	}
}

func (c *Client) malformed(op, format string, args ...any) *Error {
	detail := fmt.Errorf(format, args...)

	return &Error{Kind: KindMalformed, Status: http.StatusOK, Op: op, Detail: c.sanitize(detail.Error())}
}

// apiErrors covers both error bodies of IT Glue: the application's list and
// the single message of the gateway in front of it.
type apiErrors struct {
	Errors []struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
	} `json:"errors"`
	Message string `json:"message"`
}

func errorText(body []byte) string {
	var answer apiErrors
	if json.Unmarshal(body, &answer) != nil {
		return string(body)
	}

	if len(answer.Errors) > 0 {
		if detail := answer.Errors[0].Detail; detail != "" {
			return detail
		}

		return answer.Errors[0].Title
	}

	return answer.Message
}

// isApplicationError tells IT Glue's own errors from those of what stands
// before it: they are JSON with a list of errors.
func isApplicationError(body []byte) bool {
	var answer apiErrors

	return json.Unmarshal(body, &answer) == nil && len(answer.Errors) > 0
}

// isWebPage tells the pages of proxies and firewalls from answers of an API.
func isWebPage(header http.Header, body []byte) bool {
	media, _, _ := strings.Cut(header.Get("Content-Type"), ";")

	return strings.EqualFold(strings.TrimSpace(media), "text/html") || bytes.HasPrefix(bytes.TrimSpace(body), []byte("<"))
}

// tookTooLong recognises IT Glue's way of saying that a page is too large for
// it: "The request took too long to process and timed out."
func tookTooLong(detail string) bool {
	return strings.Contains(strings.ToLower(detail), "took too long")
}

// sanitize makes foreign text fit for logs and for people: one line, no
// control or formatting characters, not the key, not long.
func (c *Client) sanitize(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return -1
		default:
			return r
		}
	}, strings.ToValidUTF8(text, "\uFFFD"))

	// Redacting comes before shortening, which could leave a part of the key.
	text = strings.ReplaceAll(strings.Join(strings.Fields(text), " "), c.config.APIKey, "[redacted]")

	if runes := []rune(text); len(runes) > maxDetailLength {
		return string(runes[:maxDetailLength-1]) + "…"
	}

	return text
}
