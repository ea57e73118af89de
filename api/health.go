package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/orgbridge/orgbridge/internal/errs"
)

type healthDTO struct {
	Status  string `json:"status" validate:"required" enums:"ok" example:"ok"`
	Version string `json:"version" validate:"required" example:"1.0.0"`
} //	@name	Health

// health tells that the process is alive, whatever the state of what it depends on.
//
// @Summary Check that the process is alive
// @Description Answers 200 as long as the process runs, whatever the state of its database.
// @ID getHealth
// @Tags Health
// @Success 200 {object} healthDTO "The process is alive"
// @Router /healthz [get]
func (s *server) health(c echo.Context) error {
	return c.JSON(http.StatusOK, healthDTO{Status: "ok", Version: s.Version})
}

// ready tells whether requests can be served.
//
// @Summary Check that requests can be served
// @Description Answers 503 while the database cannot be reached or is not migrated, and when the process is about to end.
// @ID getReadiness
// @Tags Health
// @Success 200 {object} healthDTO "Requests can be served"
// @Failure 503 {object} Problem "`unavailable`: requests cannot be served at the moment."
// @Header 503 {integer} Retry-After "Seconds to wait"
// @Router /readyz [get]
func (s *server) ready(c echo.Context) error {
	if s.Draining() {
		return errs.New(errs.Unavailable, "The process is about to end.")
	}
	if err := s.Ready(c.Request().Context()); err != nil {
		return errs.New(errs.Unavailable, "Requests cannot be served at the moment.").Because(err)
	}
	return c.JSON(http.StatusOK, healthDTO{Status: "ok", Version: s.Version})
}
