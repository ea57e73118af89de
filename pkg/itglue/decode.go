package itglue

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// maxIDLength is the length of the largest unsigned 64-bit number. IT Glue's
// ids have 7 to 18 digits.
const maxIDLength = 20

var errTookTooLong = errors.New("the request took too long to process")

// identifier is an id that may arrive as a JSON string or number. Anything
// else becomes "", and it is for the reader to judge whether that will do.
type identifier string

// UnmarshalJSON never fails: one odd foreign key must not spoil a page.
func (id *identifier) UnmarshalJSON(raw []byte) error {
	var text string

	switch {
	case raw[0] == '"':
		// The scanner has validated the string already.
		_ = json.Unmarshal(raw, &text)
	case raw[0] == '-', raw[0] >= '0' && raw[0] <= '9':
		text = string(raw)
	}

	*id = identifier(text)

	return nil
}

// validID reports whether the text can be an id: 1 to 20 ASCII digits.
func validID(id string) bool {
	if id == "" || len(id) > maxIDLength {
		return false
	}

	for i := range len(id) {
		if id[i] < '0' || id[i] > '9' {
			return false
		}
	}

	return true
}

// resource is one JSON:API resource object with the attributes A.
type resource[A any] struct {
	ID         identifier `json:"id"`
	Type       string     `json:"type"`
	Attributes *A         `json:"attributes"`
}

func (r resource[A]) check(resourceType string) error {
	switch {
	case !validID(string(r.ID)):
		return fmt.Errorf("%q is not an id", string(r.ID))
	case r.Type != "" && r.Type != resourceType:
		return fmt.Errorf("%s %s where one of %s was expected", r.Type, r.ID, resourceType)
	case r.Attributes == nil:
		return fmt.Errorf("%s %s has no attributes", resourceType, r.ID)
	}

	return nil
}

// document is an answer with one resource object.
type document[A any] struct {
	Data *resource[A] `json:"data"`
}

func decodeDocument[A any](body []byte, resourceType string) (resource[A], error) {
	var (
		answer document[A]
		none   resource[A]
	)

	if err := json.Unmarshal(body, &answer); err != nil {
		return none, fmt.Errorf("not the documented JSON: %w", err)
	}

	if answer.Data == nil {
		return none, missing(body, "data")
	}

	if err := answer.Data.check(resourceType); err != nil {
		return none, err
	}

	return *answer.Data, nil
}

// listing is one page of an index.
type listing[A any] struct {
	Data *[]resource[A] `json:"data"`
	Meta struct {
		CurrentPage *json.Number `json:"current-page"`
		NextPage    *json.Number `json:"next-page"`
		TotalPages  *json.Number `json:"total-pages"`
		TotalCount  *json.Number `json:"total-count"`
	} `json:"meta"`
}

// page is a checked listing.
type page[A any] struct {
	resources  []resource[A]
	totalCount int
	last       bool
}

// decodePage checks that the body is page number of an index and nothing else.
func decodePage[A any](body []byte, resourceType string, number int) (page[A], error) {
	var (
		answer listing[A]
		none   page[A]
	)

	if err := json.Unmarshal(body, &answer); err != nil {
		return none, fmt.Errorf("not the documented JSON: %w", err)
	}

	if answer.Data == nil {
		return none, missing(body, "data")
	}

	for _, row := range *answer.Data {
		if err := row.check(resourceType); err != nil {
			return none, err
		}
	}

	currentPage, ok := natural(answer.Meta.CurrentPage)
	if !ok || currentPage != number {
		return none, fmt.Errorf("page %d was asked for, the answer is not that page", number)
	}

	totalCount, ok := natural(answer.Meta.TotalCount)
	if !ok {
		return none, errors.New("meta.total-count is missing or not a count")
	}

	totalPages, ok := natural(answer.Meta.TotalPages)

	return page[A]{
		resources:  *answer.Data,
		totalCount: totalCount,
		last:       answer.Meta.NextPage == nil || ok && number >= totalPages,
	}, nil
}

// missing reports that a member is not there, unless the answer says why.
func missing(body []byte, member string) error {
	if tookTooLong(errorText(body)) {
		return errTookTooLong
	}

	return fmt.Errorf("%s is missing", member)
}

func natural(number *json.Number) (int, bool) {
	if number == nil {
		return 0, false
	}

	n, err := strconv.Atoi(number.String())

	return n, err == nil && n >= 0 && n <= math.MaxInt32
}
