package api

import (
	"net/http"
	"time"
)

type state string

const (
	stateOn  state = "on"
	stateOff state = "off"
)

// One thing.
type thing struct {
	// The id.
	ID    string     `json:"id" validate:"required" format:"uuid" example:"0197"`
	Count int        `json:"count" validate:"required" minimum:"0" example:"3"`
	Since *time.Time `json:"since" validate:"required" format:"date-time" extensions:"x-nullable"`
	State *state     `json:"state" validate:"required" enums:"on,off" extensions:"x-nullable"`
	// Who has it.
	Owner *owner   `json:"owner" validate:"required" extensions:"x-nullable"`
	Tags  []string `json:"tags" validate:"required" example:"old,red"`
	Plain owner    `json:"plain" validate:"required"`
} // @name Thing

type owner struct {
	Name string `json:"name" validate:"required"`
}

type list[T any] struct {
	Items      []T     `json:"items" validate:"required"`
	NextCursor *string `json:"nextCursor" validate:"required" extensions:"x-nullable"`
}

type createThing struct {
	Name   string        `json:"name" validate:"required" minLength:"1" maxLength:"10"`
	Nested *nestedThings `json:"nested,omitempty"`
}

type nestedThings struct {
	On bool `json:"on"`
}

type problem struct {
	Title  string `json:"title" validate:"required"`
	Status int    `json:"status" validate:"required"`
}

// listThings lists.
//
// @Summary List the things
// @Tags things
// @ID listThings
// @Security BearerAuth
// @Param limit query int false "How many" minimum(1) maximum(200) default(50)
// @Param state query string false "Only these" Enums(on, off)
// @Success 200 {object} list[thing]
// @Router /things [get]
func listThings(http.ResponseWriter, *http.Request) {}

// createOne creates.
//
// @Summary Create a thing
// @Tags things
// @ID createThing
// @Accept json
// @Produce json
// @Security BearerAuth[writer] || BearerAuth[owner]
// @Param X-Label header string false "Names the thing"
// @Param body body createThing true "The thing"
// @Success 201 {object} thing
// @Header 201 {string} Location "Where it is"
// @Failure 409 {object} problem "`taken`: it is there already"
// @Router /things [post]
func createOne(http.ResponseWriter, *http.Request) {}

// deleteOne deletes.
//
// @Summary Delete a thing
// @Tags things
// @ID deleteThing
// @Security BearerAuth
// @Param id path string true "Its id"
// @Success 204 "It is gone"
// @Failure 404 {object} problem "There is no such thing"
// @Router /things/{id} [delete]
func deleteOne(http.ResponseWriter, *http.Request) {}

// health answers.
//
// @Summary Alive
// @Tags health
// @ID health
// @Success 200 {object} map[string]string
// @Failure 503 {object} problem "Not alive"
// @Router /healthz [get]
func health(http.ResponseWriter, *http.Request) {}
