package api

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// me tells who the caller is.
//
// @Summary Read the caller's account, role and token
// @ID getMe
// @Tags Access
// @Security BearerAuth
// @Success 200 {object} meDTO
// @Router /me [get]
func (*server) me(c echo.Context) error {
	return c.JSON(http.StatusOK, toMe(caller(c)))
}
