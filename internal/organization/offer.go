package organization

import (
	"context"

	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// Offer is a domain of an IT Glue organization as it is offered for import.
type Offer struct {
	DomainChoice

	// OrganizationID is the organization that has the domain already; empty when none has.
	OrganizationID string
}

// Domains reads the domains of an IT Glue organization from IT Glue, in the order of [DomainChoices]. It answers [errs.NotConnected],
// [errs.NotFound] when IT Glue has no such organization, or an IT Glue code.
func (s *Service) Domains(ctx context.Context, accountID, itglueID string) ([]Offer, error) {
	client, _, err := s.Connections.Client(ctx, accountID)
	if err != nil {
		return nil, err
	}
	choices, err := s.readChoices(ctx, client, itglueID)
	if err != nil {
		return nil, err
	}
	return s.offers(ctx, accountID, choices)
}

func (s *Service) readChoices(ctx context.Context, client *itglue.Client, itglueID string) ([]DomainChoice, error) {
	ctx, cancel := s.patience(ctx)
	defer cancel()
	choices, err := readChoices(ctx, client, itglueID)
	if err != nil {
		return nil, integration.FromITGlue(err)
	}
	return choices, nil
}

func readChoices(ctx context.Context, client *itglue.Client, itglueID string) ([]DomainChoice, error) {
	domains, err := client.Domains(ctx, itglueID)
	if err != nil {
		return nil, err
	}
	found := make([]string, len(domains))
	for i, domain := range domains {
		found[i] = domain.Name
	}
	return DomainChoices(found), nil
}

// offers adds who has the domains already.
func (s *Service) offers(ctx context.Context, accountID string, choices []DomainChoice) ([]Offer, error) {
	usable := make([]string, 0, len(choices))
	for _, choice := range choices {
		if choice.Domain != "" {
			usable = append(usable, choice.Domain)
		}
	}
	holders, err := s.Store.DomainHolders(ctx, accountID, usable)
	if err != nil {
		return nil, err
	}
	offers := make([]Offer, len(choices))
	for i, choice := range choices {
		offers[i] = Offer{DomainChoice: choice, OrganizationID: holders[choice.Domain]}
	}
	return offers, nil
}
