package itglue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// MaxPageSize is the largest page IT Glue serves.
	MaxPageSize = 1000

	organizationsType = "organizations"
)

// Organization is an IT Glue organization.
type Organization struct {
	// ID is IT Glue's id: digits, to be kept as text because JSON readers
	// that use floating point would round it.
	ID string

	// Name is the name as IT Glue sent it, neither trimmed nor normalized.
	// It is not unique. Where IT Glue sends what is no Unicode (a lone
	// surrogate escape, a broken UTF-8 sequence), encoding/json puts U+FFFD,
	// so a name that holds U+FFFD may differ from the one in IT Glue.
	Name string

	// ShortName, TypeName and StatusName are "" where IT Glue has null.
	ShortName  string
	TypeName   string
	StatusName string

	// Primary marks the organization of the IT Glue account's own company.
	Primary bool

	// ParentID is the id of the organization this one is a part of, or "".
	ParentID string

	// UpdatedAt is zero if IT Glue sent no readable time.
	UpdatedAt time.Time
}

// Page is one page of the organizations, sorted by id. Organizations that are
// added or deleted while pages are read move others between pages: a listing
// is whole only if no id came twice and as many came as TotalCount says.
type Page struct {
	Organizations []Organization

	// Number and Size are the page number, from 1, and the page size that
	// were asked for.
	Number int
	Size   int

	// TotalCount is how many organizations IT Glue says there are.
	TotalCount int

	// Last says that IT Glue has no further page.
	Last bool
}

type organizationAttributes struct {
	Name       *string    `json:"name"`
	ShortName  string     `json:"short-name"`
	TypeName   string     `json:"organization-type-name"`
	StatusName string     `json:"organization-status-name"`
	Primary    bool       `json:"primary"`
	ParentID   identifier `json:"parent-id"`
	UpdatedAt  string     `json:"updated-at"`
}

// Organization reads one organization by its id. An id that is not 1 to 20
// digits is KindNotFound without a call. The other errors are those of every
// call, see Kind.
func (c *Client) Organization(ctx context.Context, id string) (Organization, error) {
	const op = "read organization"

	if !validID(id) {
		return Organization{}, &Error{Kind: KindNotFound, Op: op, Detail: "an IT Glue id is 1 to 20 digits"}
	}

	body, err := c.get(ctx, request{op: op, path: []string{"organizations", id}, timeout: c.config.RequestTimeout})
	if err != nil {
		return Organization{}, err
	}

	row, err := decodeDocument[organizationAttributes](body, organizationsType)
	if err != nil {
		return Organization{}, c.decodeError(op, err)
	}

	if string(row.ID) != id {
		return Organization{}, c.malformed(op, "asked for %s, got %s", id, row.ID)
	}

	organization, err := toOrganization(row)
	if err != nil {
		return Organization{}, c.decodeError(op, err)
	}

	return organization, nil
}

// OrganizationsPage reads one page, sorted by id: number from 1, size from 1
// to MaxPageSize. A page beyond the end is empty, and Last.
func (c *Client) OrganizationsPage(ctx context.Context, number, size int) (Page, error) {
	return c.organizationsPage(ctx, number, size, request{op: "list organizations", timeout: c.config.PageTimeout})
}

// CountOrganizations returns how many organizations the key can see. It is
// the cheapest call that proves a key.
func (c *Client) CountOrganizations(ctx context.Context) (int, error) {
	r := request{op: "count organizations", timeout: c.config.RequestTimeout}

	found, err := c.organizationsPage(ctx, 1, 1, r)
	if err != nil {
		return 0, err
	}

	return found.TotalCount, nil
}

// organizationsPage completes r, which may bring filters in its query.
func (c *Client) organizationsPage(ctx context.Context, number, size int, r request) (Page, error) {
	if number < 1 || size < 1 || size > MaxPageSize {
		return Page{}, fmt.Errorf("itglue: %s: there is no page %d of size %d", r.op, number, size)
	}

	filters := r.query
	r.path = []string{"organizations"}
	r.query = pageQuery(number, size, "id")
	maps.Copy(r.query, filters)

	body, err := c.get(ctx, r)
	if err != nil {
		return Page{}, err
	}

	decoded, err := decodePage[organizationAttributes](body, organizationsType, number)
	if err != nil {
		return Page{}, c.decodeError(r.op, err)
	}

	organizations := make([]Organization, len(decoded.resources))
	for i, row := range decoded.resources {
		if organizations[i], err = toOrganization(row); err != nil {
			return Page{}, c.decodeError(r.op, err)
		}
	}

	return Page{
		Organizations: organizations, Number: number, Size: size,
		TotalCount: decoded.totalCount, Last: decoded.last,
	}, nil
}

func pageQuery(number, size int, sort string) url.Values {
	return url.Values{
		"page[number]": {strconv.Itoa(number)},
		"page[size]":   {strconv.Itoa(size)},
		"sort":         {sort},
	}
}

// toOrganization refuses a row without a name: taken as "", it would one day
// overwrite somebody's name.
func toOrganization(row resource[organizationAttributes]) (Organization, error) {
	attributes := row.Attributes
	if attributes.Name == nil {
		return Organization{}, fmt.Errorf("organization %s has no name", row.ID)
	}

	organization := Organization{
		ID:         string(row.ID),
		Name:       *attributes.Name,
		ShortName:  attributes.ShortName,
		TypeName:   attributes.TypeName,
		StatusName: attributes.StatusName,
		Primary:    attributes.Primary,
	}

	if validID(string(attributes.ParentID)) {
		organization.ParentID = string(attributes.ParentID)
	}

	if updatedAt, err := time.Parse(time.RFC3339, attributes.UpdatedAt); err == nil {
		organization.UpdatedAt = updatedAt
	}

	return organization, nil
}

func (c *Client) decodeError(op string, err error) *Error {
	failure := c.malformed(op, "%w", err)
	if errors.Is(err, errTookTooLong) {
		failure.Kind = KindTimeout
	}

	failure.Status = http.StatusOK

	return failure
}
