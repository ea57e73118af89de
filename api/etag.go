package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/precondition"
)

const (
	etagHeader        = "ETag"
	ifMatchHeader     = "If-Match"
	ifNoneMatchHeader = "If-None-Match"
	// tagSize is how many bytes of the hash a tag has.
	tagSize = 18
)

// tagOf is the strong entity tag of a resource as it is shown: another one when anything of it is another.
func tagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:tagSize]) + `"`
}

// isTag tells whether a text is a tag without its quotes.
func isTag(text string) bool {
	sum, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return err == nil && len(sum) == tagSize && base64.RawURLEncoding.EncodeToString(sum) == text
}

// answerShown answers a single resource with its tag; a read of what the client has already is answered 304.
func answerShown(c echo.Context, status int, shown any) error {
	body, err := json.Marshal(shown)
	if err != nil {
		return err
	}
	tag := tagOf(body)
	c.Response().Header().Set(etagHeader, tag)
	if known := tagsOf(c.Request().Header.Values(ifNoneMatchHeader)); isRead(c) && known.match(tag, weakly) {
		return c.NoContent(http.StatusNotModified)
	}
	return c.JSONBlob(status, append(body, '\n'))
}

// setTag is for an answer that shows more than the resource itself does when it is read.
func setTag(c echo.Context, shown any) {
	if body, err := json.Marshal(shown); err == nil {
		c.Response().Header().Set(etagHeader, tagOf(body))
	}
}

func isRead(c echo.Context) bool {
	return c.Request().Method == http.MethodGet || c.Request().Method == http.MethodHead
}

// ifMatch has the write of this request made only if the resource is then as one of the tags of If-Match says, when there are any. show
// is how the resource is shown.
func ifMatch[T, D any](c echo.Context, show func(T) D) {
	wanted := tagsOf(c.Request().Header.Values(ifMatchHeader))
	if len(wanted) == 0 {
		return
	}
	check := func(now T) error {
		body, err := json.Marshal(show(now))
		if err != nil {
			return err
		}
		if wanted.match(tagOf(body), strongly) {
			return nil
		}
		return errs.New(errs.PreconditionFailed, "This is no longer as the If-Match header says. Read it again. Nothing was done.")
	}
	c.SetRequest(c.Request().WithContext(precondition.With(c.Request().Context(), check)))
}

// comparison is how tags are compared (RFC 9110, 8.8.3.2).
type comparison bool

const (
	strongly comparison = false
	weakly   comparison = true
)

// tags are those of a header, "*" standing for any. What is no tag stays in the list and matches nothing. Tags of ours have no commas.
type tags []string

func tagsOf(headers []string) tags {
	if len(headers) == 0 {
		return nil
	}
	list := strings.Split(strings.Join(headers, ","), ",")
	for i := range list {
		list[i] = strings.Trim(list[i], " \t")
	}
	return list
}

func (t tags) match(tag string, how comparison) bool {
	return slices.ContainsFunc(t, func(other string) bool {
		if how == weakly {
			other = strings.TrimPrefix(other, "W/")
		}
		return other == tag || other == "*" && len(t) == 1
	})
}
