package itgluetest

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Load reads organizations from a JSON array of objects
//
//	{"name": "...", "domains": ["..."], "country": "BR"}
//
// of which only the name is required. They are given ids of 16 digits in their
// order, a short name of their initials and, where there is a country, the
// type "Customer" and the status "Active". Load fails on anything else than
// such an array.
func Load(r io.Reader) ([]Organization, error) {
	var entries []struct {
		Name    string   `json:"name"`
		Domains []string `json:"domains"`
		Country string   `json:"country"`
	}

	if err := json.NewDecoder(r).Decode(&entries); err != nil {
		return nil, fmt.Errorf("itgluetest: read organizations: %w", err)
	}

	organizations := make([]Organization, len(entries))

	for i, entry := range entries {
		if entry.Name == "" {
			return nil, fmt.Errorf("itgluetest: organization %d has no name", i+1)
		}

		organizations[i] = Organization{
			ID: numberedID(i), Name: entry.Name, ShortName: initials(entry.Name), Domains: entry.Domains,
			CreatedAt: createdAt(i), UpdatedAt: createdAt(i),
		}
		if entry.Country != "" {
			organizations[i].TypeName, organizations[i].StatusName = "Customer", "Active"
		}
	}

	return organizations, nil
}

// LoadFile is Load of a file.
func LoadFile(path string) ([]Organization, error) {
	file, err := os.Open(path) //nolint:gosec // the caller's own file
	if err != nil {
		return nil, fmt.Errorf("itgluetest: %w", err)
	}
	defer file.Close()

	return Load(file)
}

// Generate returns n organizations, the same at every call: with unique names
// that begin with "Customer 000001", ids of 16 digits, one domain each, and
// now and then no type, no status or no short name. The first is the account's
// own company.
func Generate(n int) []Organization {
	trades := []string{"Dental Group", "Logistics", "Architects", "Foods", "Law Office", "Clinic", "Motors", "Bakery"}
	types := []string{"Customer", "Customer", "Prospect", "", "Partner", "Customer", "Vendor"}
	statuses := []string{"Active", "Active", "Active", "Inactive", ""}

	organizations := make([]Organization, n)

	for i := range organizations {
		organizations[i] = Organization{
			ID:         numberedID(i),
			Name:       fmt.Sprintf("Customer %06d %s", i+1, trades[i%len(trades)]),
			TypeName:   types[i%len(types)],
			StatusName: statuses[i%len(statuses)],
			Primary:    i == 0,
			Domains:    []string{fmt.Sprintf("customer%06d.example.com", i+1)},
			CreatedAt:  createdAt(i),
			UpdatedAt:  createdAt(i),
		}
		if i%4 != 3 {
			organizations[i].ShortName = fmt.Sprintf("C%06d", i+1)
		}
	}

	return organizations
}

func numberedID(i int) string {
	return strconv.Itoa(1_234_500_000_000_000 + i*1009)
}

func createdAt(i int) time.Time {
	return time.Date(2024, time.March, 4, 17, 2, 44, 0, time.UTC).Add(time.Duration(i) * time.Minute)
}

func initials(name string) string {
	var short strings.Builder

	for word := range strings.FieldsSeq(name) {
		if first, _ := utf8.DecodeRuneInString(word); unicode.IsUpper(first) {
			short.WriteRune(first)
		}
	}

	return short.String()
}
