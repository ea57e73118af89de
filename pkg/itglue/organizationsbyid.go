package itglue

import (
	"context"
	"net/url"
	"slices"
	"strings"
)

// maxIDsPerRequest keeps the query of a request below 2.5 KB even if all ids
// have 20 digits, so that no proxy finds it too long.
const maxIDsPerRequest = 100

// OrganizationsByID reads many organizations by their ids, in one request per
// 100 ids. They come in the order of the ids, each once, however often its id
// is given.
//
// An id that is absent from the result is not visible to this key. That is no
// proof of a deletion: ask Organization for a KindNotFound. Absent without
// being asked for are ids that are not 1 to 20 digits or begin with a zero,
// which IT Glue's never do.
//
// It is all or nothing: after an error there is no result, whatever was read
// before. IT Glue ignores a filter it does not understand and answers with
// everything; an organization that was not asked for, one that came twice,
// and a number of them that is not the announced one are KindMalformed.
func (c *Client) OrganizationsByID(ctx context.Context, ids []string) ([]Organization, error) {
	wanted := askable(ids)
	organizations := make([]Organization, 0, len(wanted))

	for some := range slices.Chunk(wanted, maxIDsPerRequest) {
		found, err := c.organizationsByID(ctx, some)
		if err != nil {
			return nil, err
		}

		for _, id := range some {
			if organization, ok := found[id]; ok {
				organizations = append(organizations, organization)
			}
		}
	}

	return organizations, nil
}

// askable returns the ids that IT Glue can have, each once, in their order. A
// leading zero is left out because IT Glue, to which ids are numbers, would
// answer with another spelling than was asked for.
func askable(ids []string) []string {
	wanted := make([]string, 0, len(ids))
	seen := make(map[string]bool, len(ids))

	for _, id := range ids {
		if validID(id) && id[0] != '0' && !seen[id] {
			seen[id] = true
			wanted = append(wanted, id)
		}
	}

	return wanted
}

// organizationsByID makes one request. All that match fit on its only page.
func (c *Client) organizationsByID(ctx context.Context, ids []string) (map[string]Organization, error) {
	r := request{
		op:      "read organizations",
		query:   url.Values{"filter[id]": {strings.Join(ids, ",")}},
		timeout: c.config.RequestTimeout,
	}

	answer, err := c.organizationsPage(ctx, 1, MaxPageSize, r)
	if err != nil {
		return nil, err
	}

	found := make(map[string]Organization, len(answer.Organizations))

	for _, organization := range answer.Organizations {
		if !slices.Contains(ids, organization.ID) {
			return nil, c.malformed(r.op, "organization %s was not asked for", organization.ID)
		}

		if _, twice := found[organization.ID]; twice {
			return nil, c.malformed(r.op, "organization %s came twice", organization.ID)
		}

		found[organization.ID] = organization
	}

	if !answer.Last || answer.TotalCount != len(found) {
		return nil, c.malformed(r.op, "got %d organizations where %d were announced", len(found), answer.TotalCount)
	}

	return found, nil
}
