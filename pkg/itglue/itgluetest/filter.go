package itgluetest

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// organizationFilters returns the documented filters of organizations.
func organizationFilters() filterNames {
	return filterNames{
		"[id]", "[name]", "[organization_type_id]", "[organization_status_id]",
		"[created_at]", "[updated_at]", "[my_glue_account_id]",
		"[psa_id]", "[psa_integration_type]", "[group_id]", "[primary]",
		"[exclude][id]", "[exclude][name]", "[exclude][organization_type_id]", "[exclude][organization_status_id]",
		"[range][my_glue_account_id]",
	}
}

var (
	errPSAType   = errors.New("filter[psa_id] must be accompanied by filter[psa_integration_type]")
	errDateRange = errors.New("date range filter must be two dates or wildcards, separated by a comma")
	errDateWeek  = errors.New("date range filter cannot be longer than a week, and cannot start with a wildcard")
)

// condition decides whether an organization passes a filter.
type condition func(*record) bool

// conditions translates the filters, which all have to pass. The error, if
// any, is for the 422 answer.
func (x *exchange) conditions() ([]condition, error) {
	filters := x.filters(organizationFilters())

	if _, ok := filters["[psa_id]"]; ok && filters["[psa_integration_type]"] == "" {
		return nil, errPSAType
	}

	var all []condition

	for name, value := range filters {
		passes, err := x.condition(name, value)
		if err != nil {
			return nil, err
		}

		all = append(all, passes)
	}

	return all, nil
}

func (x *exchange) condition(name, value string) (condition, error) {
	switch name {
	case "[created_at]":
		return x.dateCondition(value, func(r *record) time.Time { return r.CreatedAt })
	case "[updated_at]":
		return x.dateCondition(value, func(r *record) time.Time { return r.UpdatedAt })
	case "[range][my_glue_account_id]":
		return numberRange(value, func(r *record) int { return r.MyGlueAccountID }), nil
	case "[group_id]":
		wanted := splitList(value)

		return func(r *record) bool {
			return slices.ContainsFunc(r.GroupIDs, func(id int) bool { return slices.Contains(wanted, itoa(id)) })
		}, nil
	}

	excluded := strings.HasPrefix(name, "[exclude]")
	read := field(strings.TrimPrefix(name, "[exclude]"))
	wanted := splitList(value)

	return func(r *record) bool { return slices.Contains(wanted, read(r)) != excluded }, nil
}

// field returns the reader of the text that a filter compares with.
func field(name string) func(*record) string {
	switch name {
	case "[id]":
		return func(r *record) string { return r.ID }
	case "[name]":
		// IT Glue trims the values of the filter, so a name with outer white
		// space can be found as well.
		return func(r *record) string { return strings.TrimSpace(r.Name) }
	case "[organization_type_id]":
		return func(r *record) string { return numberText(r.TypeID) }
	case "[organization_status_id]":
		return func(r *record) string { return numberText(r.StatusID) }
	case "[my_glue_account_id]":
		return func(r *record) string { return numberText(r.MyGlueAccountID) }
	case "[psa_id]":
		return func(r *record) string { return r.PSAID }
	case "[psa_integration_type]":
		return func(r *record) string { return r.PSAIntegration }
	default: // "[primary]"
		return func(r *record) string { return strconv.FormatBool(r.Primary) }
	}
}

func numberText(n int) string {
	if n == 0 {
		return ""
	}

	return itoa(n)
}

// splitList splits a filter's value at its commas, except those escaped as
// `\,`, and trims the items.
func splitList(value string) []string {
	var (
		items   []string
		current strings.Builder
	)

	for i := 0; i < len(value); i++ {
		switch {
		case value[i] == '\\' && i+1 < len(value) && value[i+1] == ',':
			current.WriteByte(',')

			i++
		case value[i] == ',':
			items = append(items, strings.TrimSpace(current.String()))
			current.Reset()
		default:
			current.WriteByte(value[i])
		}
	}

	return append(items, strings.TrimSpace(current.String()))
}

func numberRange(value string, read func(*record) int) condition {
	from, to, _ := strings.Cut(value, ",")

	return func(r *record) bool {
		n := read(r)

		return n != 0 && bounded(from, func(bound int) bool { return n >= bound }) &&
			bounded(to, func(bound int) bool { return n <= bound })
	}
}

func bounded(bound string, passes func(limit int) bool) bool {
	if bound == "*" {
		return true
	}

	limit, err := strconv.Atoi(bound)

	return err == nil && passes(limit)
}

func (x *exchange) dateCondition(value string, read func(*record) time.Time) (condition, error) {
	fromText, toText, ok := strings.Cut(value, ",")
	if !ok {
		return nil, errDateRange
	}

	from, fromErr := parseDate(fromText)
	to, toErr := parseDate(toText)

	if fromErr != nil || toErr != nil {
		return nil, errDateRange
	}

	tooLong := !to.IsZero() && to.Sub(from) > 7*24*time.Hour
	if x.server.weekLimit && (from.IsZero() || tooLong) {
		return nil, errDateWeek
	}

	return func(r *record) bool {
		at := read(r)

		return !at.Before(from) && (to.IsZero() || !at.After(to))
	}, nil
}

// parseDate returns the zero time for a wildcard.
func parseDate(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "*" {
		return time.Time{}, nil
	}

	if date, err := time.Parse(time.DateOnly, text); err == nil {
		return date, nil
	}

	return time.Parse(time.RFC3339, text)
}
