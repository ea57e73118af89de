package api

import "github.com/labstack/echo/v4"

// registerMetrics adds the address that Prometheus reads. It is no part of the API's document: what it answers is for operators, who show
// a token like everybody else, and also there in a process that serves no API.
func (s *server) registerMetrics(e *echo.Echo) {
	if s.Metrics == nil {
		return
	}
	h := s.authorize(operate, withoutQuery(withoutBody(echo.WrapHandler(s.Metrics))))
	e.GET("/metrics", h)
	e.HEAD("/metrics", h)
}
