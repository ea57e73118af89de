package api

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

// corsMaxAge is for how many seconds a browser need not ask again.
const corsMaxAge = 600

// shareWith lets pages of the origins use the API from a browser. Other pages get the same answers, without the headers that would let
// them read these. There are no cookies, so nobody's credentials are ever sent along.
func shareWith(origins []string) echo.MiddlewareFunc {
	if len(origins) == 0 {
		return func(next echo.HandlerFunc) echo.HandlerFunc { return next }
	}
	return middleware.CORSWithConfig(middleware.CORSConfig{
		// Its own list knows patterns.
		AllowOriginFunc: func(origin string) (bool, error) { return slices.Contains(origins, origin), nil },
		AllowMethods: []string{
			http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		},
		AllowHeaders: []string{
			echo.HeaderAuthorization, echo.HeaderContentType, idempotencyKeyHeader, ifMatchHeader, ifNoneMatchHeader, lastEventName,
			echo.HeaderXRequestID,
		},
		ExposeHeaders: []string{
			etagHeader, echo.HeaderLocation, echo.HeaderRetryAfter, replayedHeader, "RateLimit", "RateLimit-Policy", echo.HeaderXRequestID,
		},
		MaxAge: corsMaxAge,
	})
}
