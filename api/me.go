package api

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// me tells who the caller is.
//
// @Summary Read who the caller is
// @Description The account, the role and the token of the request, or the person that its JWT is about.
// @ID getMe
// @Tags Access
// @Security BearerAuth[viewer]
// @Security BearerAuth[admin]
// @Security BearerAuth[operator]
// @Success 200 {object} meDTO "The caller"
// @Router /me [get]
func (*server) me(c echo.Context) error {
	return c.JSON(http.StatusOK, toMe(caller(c)))
}
