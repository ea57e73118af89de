package organization_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/orgbridge/orgbridge/internal/organization"
)

func usable(name, domain string) organization.DomainChoice {
	return organization.DomainChoice{Name: name, Domain: domain}
}

func provided(name, domain string) organization.DomainChoice {
	return organization.DomainChoice{Name: name, Domain: domain, ProviderDefault: true}
}

func unusable(name, problem string) organization.DomainChoice {
	return organization.DomainChoice{Name: name, Problem: problem}
}

func TestDomainChoices(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		names []string
		want  []organization.DomainChoice
	}{
		"NoneOfNone":        {nil, []organization.DomainChoice{}},
		"KeepsITGluesOrder": {[]string{"b.com", "a.com", "c.com"}, []organization.DomainChoice{usable("b.com", "b.com"), usable("a.com", "a.com"), usable("c.com", "c.com")}},
		"Normalizes": {[]string{"Bücher.DE.", "MAIL.contoso.com"}, []organization.DomainChoice{
			usable("Bücher.DE.", "xn--bcher-kva.de"), usable("MAIL.contoso.com", "mail.contoso.com"),
		}},
		"TakesTheSameDomainOnce": {[]string{"Contoso.com", "contoso.com", "contoso.com.", "CONTOSO.COM", "xn--bcher-kva.de", "bücher.de"}, []organization.DomainChoice{
			usable("Contoso.com", "contoso.com"), usable("xn--bcher-kva.de", "xn--bcher-kva.de"),
		}},
		"TakesTheSameUnusableNameOnce": {[]string{"localhost", "a_b.com", "localhost"}, []organization.DomainChoice{
			unusable("localhost", noSuffix), unusable("a_b.com", noDomain),
		}},
		"PutsUsableFirstThenProviderDefaultsThenUnusable": {
			[]string{"10.0.0.1", "z.onmicrosoft.com", "z.com", "", "a.com.test-google-a.com", "a.com"}, []organization.DomainChoice{
				usable("z.com", "z.com"), usable("a.com", "a.com"),
				provided("z.onmicrosoft.com", "z.onmicrosoft.com"), provided("a.com.test-google-a.com", "a.com.test-google-a.com"),
				unusable("10.0.0.1", address), unusable("", noDomain),
			},
		},
		"KeepsSpacesInTheName": {[]string{" contoso.com "}, []organization.DomainChoice{unusable(" contoso.com ", noDomain)}},
		"RefusesWhatIsNobodys": {[]string{"onmicrosoft.com"}, []organization.DomainChoice{unusable("onmicrosoft.com", noSuffix)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := slices.Clone(c.names)
			if diff := cmp.Diff(c.want, organization.DomainChoices(c.names)); diff != "" {
				t.Errorf("mismatch (-want, +got):\n%s", diff)
			}
			if !slices.Equal(before, c.names) {
				t.Errorf("the names are now %q", c.names)
			}
		})
	}
	t.Run("TakesAThousand", func(t *testing.T) {
		t.Parallel()
		var names []string
		for i := range 1000 {
			names = append(names, fmt.Sprintf("host%d.example.com", i))
		}
		got := organization.DomainChoices(append(names, names...))
		if len(got) != 1000 || got[0].Name != names[0] || got[999].Domain != names[999] {
			t.Errorf("got %d", len(got))
		}
	})
}

func TestProviderDefaults(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"contoso.onmicrosoft.com", "Contoso.OnMicrosoft.COM.", "contoso.mail.onmicrosoft.com", "contoso.onmicrosoft.us", "contoso.onmicrosoft.de",
		"contoso.partner.onmschina.cn", "contoso.partner.mail.onmschina.cn", "contoso.microsoftonline.com", "contoso.emea.microsoftonline.com",
		"contoso.com.test-google-a.com", "gmail.com", "googlemail.com", "hotmail.com", "live.com", "msn.com", "outlook.com",
		"contoso-com.mail.protection.outlook.com",
	} {
		if got := organization.DomainChoices([]string{name}); !got[0].ProviderDefault || got[0].Domain == "" {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	for _, name := range []string{
		"contoso.com", "notonmicrosoft.com", "onmicrosoft.com.contoso.com", "onmicrosoft.contoso.com", "onmicrosoft.net", "mygmail.com",
		"gmail.contoso.com", "gmail.co.uk", "microsoft.com", "google.com", "test-google-b.com", "alive.com",
	} {
		if got := organization.DomainChoices([]string{name}); got[0].ProviderDefault || got[0].Domain != name {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestOnlyDomain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		names []string
		want  string
	}{
		"NoneOfNone":                    {nil, ""},
		"NoneOfUnusable":                {[]string{"localhost", "com"}, ""},
		"TheOne":                        {[]string{"Contoso.COM"}, "contoso.com"},
		"TheOneGivenTwice":              {[]string{"contoso.com", "CONTOSO.com."}, "contoso.com"},
		"TheOneBesideUnusable":          {[]string{"localhost", "contoso.com", "a_b.com"}, "contoso.com"},
		"TheOneThatIsAProviderDefault":  {[]string{"contoso.onmicrosoft.com"}, "contoso.onmicrosoft.com"},
		"NoneOfTwo":                     {[]string{"contoso.com", "contoso.de"}, ""},
		"NoneOfOneAndAProviderDefault":  {[]string{"contoso.com", "contoso.onmicrosoft.com"}, ""},
		"NoneOfTwoProviderDefaults":     {[]string{"contoso.onmicrosoft.com", "contoso.mail.onmicrosoft.com"}, ""},
		"NoneOfThree":                   {[]string{"a.com", "b.com", "c.com"}, ""},
		"NoneOfADomainAndItsSubdomains": {[]string{"contoso.com", "www.contoso.com"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, ok := organization.OnlyDomain(organization.DomainChoices(c.names)); got != c.want || ok != (c.want != "") {
				t.Errorf("%q: got %q, %t; want %q", c.names, got, ok, c.want)
			}
		})
	}
}

func TestEveryDomainIsOfferedOnceAndInOrder(t *testing.T) {
	t.Parallel()
	name := rapid.OneOf(
		rapid.StringMatching(`[abAB]{1,2}\.(com|de|local|onmicrosoft\.com)\.?`),
		rapid.SampledFrom([]string{"", "localhost", "127.0.0.1", "gmail.com", "Gmail.com", "onmicrosoft.com", "bücher.de", "xn--bcher-kva.de"}),
	)
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOf(name).Draw(t, "names")
		choices := organization.DomainChoices(names)
		group := func(c organization.DomainChoice) int {
			switch {
			case c.Domain == "":
				return 2
			case c.ProviderDefault:
				return 1
			default:
				return 0
			}
		}
		// Where the choice comes first in the names.
		place := func(c organization.DomainChoice) int {
			return slices.IndexFunc(names, func(name string) bool {
				domain, err := organization.Domain(name)
				return err == nil && domain == c.Domain || err != nil && c.Domain == "" && name == c.Name
			})
		}
		offered := make(map[string]bool)
		for i, c := range choices {
			if (c.Domain == "") != strings.HasPrefix(c.Problem, "must ") || c.Domain == "" && c.ProviderDefault {
				t.Fatalf("%+v contradicts itself", c)
			}
			if p := place(c); p < 0 || names[p] != c.Name {
				t.Fatalf("%+v is not the first of its domain in %q", c, names)
			}
			if i > 0 && (group(choices[i-1]) > group(c) || group(choices[i-1]) == group(c) && place(choices[i-1]) >= place(c)) {
				t.Fatalf("%+v comes before %+v in %q", choices[i-1], c, names)
			}
			offered[c.Domain+" "+c.Problem], offered[c.Name] = true, true
		}
		for _, name := range names {
			if domain, err := organization.Domain(name); err == nil && !offered[domain+" "] || err != nil && !offered[name] {
				t.Fatalf("%q is not offered of %q", name, names)
			}
		}
	})
}
