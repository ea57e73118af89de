package organization

import (
	"cmp"
	"slices"
	"strings"
)

// DomainChoice is a domain offered for import.
type DomainChoice struct {
	// Name is the domain as IT Glue has it.
	Name string
	// Domain is the form of [Domain], empty when the domain cannot be used.
	Domain string
	// Problem says why the domain cannot be used and goes on after "The domain"; empty when it can.
	Problem string
	// ProviderDefault marks a usable domain that an email provider gives its customers and that is not their own.
	ProviderDefault bool
}

// DomainChoices turns the domains of an IT Glue organization into what a person chooses from, each domain once: first those that can be
// used, then the provider defaults, then those that cannot be used; in the order of names within each of the three.
func DomainChoices(names []string) []DomainChoice {
	choices := make([]DomainChoice, 0, len(names))
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		choice := domainChoice(name)
		// No unusable name is the normal form of a usable one.
		if key := cmp.Or(choice.Domain, name); !seen[key] {
			seen[key] = true
			choices = append(choices, choice)
		}
	}
	slices.SortStableFunc(choices, func(a, b DomainChoice) int { return cmp.Compare(a.rank(), b.rank()) })
	return choices
}

// OnlyDomain returns the domain to take when an import names none: the only one of the choices that can be used, be it a provider
// default. With none or several it is for a person to say.
func OnlyDomain(choices []DomainChoice) (string, bool) {
	only := ""
	for _, choice := range choices {
		if choice.Domain == "" {
			continue
		}
		if only != "" {
			return "", false
		}
		only = choice.Domain
	}
	return only, only != ""
}

func domainChoice(name string) DomainChoice {
	domain, err := Domain(name)
	if err != nil {
		return DomainChoice{Name: name, Problem: err.Error()}
	}
	return DomainChoice{Name: name, Domain: domain, ProviderDefault: isProviderDefault(domain)}
}

func (c DomainChoice) rank() int {
	switch {
	case c.Problem != "":
		return 2
	case c.ProviderDefault:
		return 1
	default:
		return 0
	}
}

// isProviderDefault tells whether the domain is at or below one that an email provider owns and its customers use.
func isProviderDefault(domain string) bool {
	return slices.ContainsFunc(slices.Concat(customerSuffixes(), mailboxDomains()), func(provider string) bool {
		return domain == provider || strings.HasSuffix(domain, "."+provider)
	})
}

// customerSuffixes returns the domains below which an email provider gives every customer one. They are public suffixes in all but name:
// the list of those does not have them.
func customerSuffixes() []string {
	return []string{
		"onmicrosoft.com",      // Microsoft 365: contoso.onmicrosoft.com from the start, contoso.mail.onmicrosoft.com beside an own Exchange
		"onmicrosoft.us",       // Microsoft 365 for the US government: GCC High and DoD
		"onmicrosoft.de",       // Microsoft Cloud Germany, closed in 2021; its customers kept the domains
		"onmschina.cn",         // Microsoft 365 operated by 21Vianet: contoso.partner.onmschina.cn, contoso.partner.mail.onmschina.cn
		"partner.onmschina.cn", // where all of these lie; nobody's own
		"microsoftonline.com",  // Microsoft's service before Office 365: contoso.microsoftonline.com, contoso.emea.microsoftonline.com
		"test-google-a.com",    // Google Workspace: contoso.com.test-google-a.com, a test alias of every domain
	}
}

// mailboxDomains returns the domains at which anybody gets a mailbox. They are only those of the two email platforms' own providers, for
// which it is certain that they are nobody else's.
func mailboxDomains() []string {
	return []string{
		"gmail.com",      // Google
		"googlemail.com", // Google, Gmail's other name
		"hotmail.com",    // Microsoft, Outlook.com's first name
		"live.com",       // Microsoft, Outlook.com's second name
		"msn.com",        // Microsoft, also served by Outlook.com
		"outlook.com",    // Microsoft; also contoso-com.mail.protection.outlook.com, where Exchange Online takes a customer's mail
	}
}
