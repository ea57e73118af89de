package itglue

import (
	"context"
)

const domainsType = "domains"

// Domain is an entry of an organization's domain tracker in IT Glue.
type Domain struct {
	ID string

	// Name is the host name as a person typed it, neither folded nor checked.
	Name string

	// OrganizationID is the one organization the domain belongs to.
	OrganizationID string
}

type domainAttributes struct {
	Name           string     `json:"name"`
	OrganizationID identifier `json:"organization-id"`
}

// Domains lists all domains of an organization, oldest first; many have none.
// It is KindNotFound if IT Glue does not know the organization, or if the id
// is not 1 to 20 digits, then without a call; KindMalformed if not as many
// domains came as IT Glue announced.
func (c *Client) Domains(ctx context.Context, organizationID string) ([]Domain, error) {
	const op = "list domains"

	if !validID(organizationID) {
		return nil, &Error{Kind: KindNotFound, Op: op, Detail: "an IT Glue id is 1 to 20 digits"}
	}

	var (
		domains   []Domain
		seen      = make(map[string]bool)
		announced int
	)

	for number := 1; ; number++ {
		found, err := c.domainsPage(ctx, op, organizationID, number)
		if err != nil {
			return nil, err
		}

		if number == 1 {
			announced = pagesFor(found.totalCount, MaxPageSize)
		}

		for _, domain := range found.domains {
			if !seen[domain.ID] {
				seen[domain.ID] = true
				domains = append(domains, domain)
			}
		}

		if found.last {
			if len(domains) != found.totalCount {
				return nil, c.malformed(op, "got %d domains where %d were announced", len(domains), found.totalCount)
			}

			return domains, nil
		}

		if number >= announced+2 {
			return nil, c.malformed(op, "the listing does not end")
		}
	}
}

type domainsPage struct {
	domains    []Domain
	totalCount int
	last       bool
}

func (c *Client) domainsPage(ctx context.Context, op, organizationID string, number int) (domainsPage, error) {
	body, err := c.get(ctx, request{
		op:   op,
		path: []string{"organizations", organizationID, "relationships", "domains"},
		// Of the two sort keys of domains this is the one that never moves.
		query:   pageQuery(number, MaxPageSize, "created_at"),
		timeout: c.config.RequestTimeout,
	})
	if err != nil {
		return domainsPage{}, err
	}

	decoded, err := decodePage[domainAttributes](body, domainsType, number)
	if err != nil {
		return domainsPage{}, c.decodeError(op, err)
	}

	found := domainsPage{totalCount: decoded.totalCount, last: decoded.last}

	for _, row := range decoded.resources {
		owner := string(row.Attributes.OrganizationID)
		if owner != "" && owner != organizationID {
			return domainsPage{}, c.malformed(op, "domain %s belongs to another organization", row.ID)
		}

		found.domains = append(found.domains, Domain{
			ID: string(row.ID), Name: row.Attributes.Name, OrganizationID: organizationID,
		})
	}

	return found, nil
}
