package api

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"
	swaggerui "github.com/swaggo/files/v2"

	"github.com/orgbridge/orgbridge/docs"
)

// swaggerPolicy lets Swagger UI run from our own files and talk to our own API, and nothing else.
const swaggerPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// swaggerPage is the page and the script that starts Swagger UI. The library's own page has scripts that no policy allows.
//
//go:embed swagger/index.html swagger/init.js
var swaggerPage embed.FS

// document is a file that is kept in memory and served as it is.
type document struct {
	mediaType string
	etag      string
	body      []byte
}

func newDocument(mediaType string, body []byte) document {
	sum := sha256.Sum256(body)
	return document{mediaType: mediaType, etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`, body: body}
}

// serve answers GET and HEAD. A client may keep its copy and asks each time whether it is still the current one, since the
// address stays the same from one version of the program to the next.
func (d document) serve(c echo.Context) error {
	h := c.Response().Header()
	h.Set(echo.HeaderCacheControl, "no-cache")
	h.Set(etagHeader, d.etag)
	if tagsOf(c.Request().Header.Values(ifNoneMatchHeader)).match(d.etag, weakly) {
		return c.NoContent(http.StatusNotModified)
	}
	h.Set(echo.HeaderContentLength, strconv.Itoa(len(d.body)))
	if c.Request().Method == http.MethodHead {
		h.Set(echo.HeaderContentType, d.mediaType)
		return c.NoContent(http.StatusOK)
	}
	return c.Blob(http.StatusOK, d.mediaType, d.body)
}

// registerDocs adds the routes of the API's own documentation: the OpenAPI document, and Swagger UI to read and try it.
func registerDocs(e *echo.Echo) error {
	addDocument(e, "/openapi.json", newDocument(echo.MIMEApplicationJSON, docs.OpenAPI()).serve)
	addDocument(e, "/swagger", func(c echo.Context) error { return c.Redirect(http.StatusMovedPermanently, "swagger/") })
	for _, f := range swaggerFiles() {
		body, err := fs.ReadFile(f.from, f.name)
		if err != nil {
			return fmt.Errorf("read Swagger UI: %w", err)
		}
		addDocument(e, f.path, underSwaggerPolicy(newDocument(f.mediaType, body).serve))
	}
	return nil
}

func addDocument(e *echo.Echo, path string, h echo.HandlerFunc) {
	e.GET(path, h)
	e.HEAD(path, h)
}

// swaggerFile is a file of the Swagger UI page, and where it is served.
type swaggerFile struct {
	path, mediaType string
	from            fs.FS
	name            string
}

// swaggerFiles names each file that is served: the library brings more, among them a page that shows any document of the web.
func swaggerFiles() []swaggerFile {
	const (
		html = "text/html; charset=utf-8"
		css  = "text/css; charset=utf-8"
		js   = "text/javascript; charset=utf-8"
		png  = "image/png"
	)
	return []swaggerFile{
		{"/swagger/", html, swaggerPage, "swagger/index.html"},
		{"/swagger/init.js", js, swaggerPage, "swagger/init.js"},
		{"/swagger/swagger-ui.css", css, swaggerui.FS, "swagger-ui.css"},
		{"/swagger/swagger-ui-bundle.js", js, swaggerui.FS, "swagger-ui-bundle.js"},
		{"/swagger/favicon-16x16.png", png, swaggerui.FS, "favicon-16x16.png"},
		{"/swagger/favicon-32x32.png", png, swaggerui.FS, "favicon-32x32.png"},
	}
}

func underSwaggerPolicy(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderContentSecurityPolicy, swaggerPolicy)
		return next(c)
	}
}
