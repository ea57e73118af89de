package store

import (
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/organization"
)

// Explain returns PostgreSQL's plans for the statements behind the lists, by name; for the tests outside of the package, which can make
// databases.
func (s *Store) Explain(t *testing.T, accountID string, deep mapping.Row) map[string]string {
	t.Helper()
	after := "(o.name_folded, o.id) > (?, ?)"
	key := strings.ToLower(deep.OrganizationName)
	plans := map[string]string{}
	for name, list := range map[string]func(tx *gorm.DB) *gorm.DB{
		"organizations, page 1,000": func(tx *gorm.DB) *gorm.DB {
			return organizationsOf(tx, accountID, organization.Filter{}).Select("o.*, m.state").
				Where(after, key, deep.OrganizationID).Order("o.name_folded, o.id").Limit(21)
		},
		"organizations, search": func(tx *gorm.DB) *gorm.DB {
			return organizationsOf(tx, accountID, organization.Filter{Search: "tion 1234"}).Select("o.*, m.state").
				Order("o.name_folded, o.id").Limit(51)
		},
		"mappings, page 1,000": func(tx *gorm.DB) *gorm.DB {
			return mappingsOf(tx, accountID, mapping.Filter{}).Select(viewColumns).
				Where(after, key, deep.OrganizationID).Order("o.name_folded, o.id").Limit(21)
		},
		"mappings, first page": func(tx *gorm.DB) *gorm.DB {
			return mappingsOf(tx, accountID, mapping.Filter{}).Select(viewColumns).Order("o.name_folded, o.id").Limit(51)
		},
		"mappings, few of a state": func(tx *gorm.DB) *gorm.DB {
			return mappingsOf(tx, accountID, mapping.Filter{State: mapping.Paused}).Select(viewColumns).Order("o.name_folded, o.id").Limit(51)
		},
		"mappings, many of a state": func(tx *gorm.DB) *gorm.DB {
			return mappingsOf(tx, accountID, mapping.Filter{State: mapping.Active}).Select(viewColumns).Order("o.name_folded, o.id").Limit(51)
		},
		"mappings, few of a reason": func(tx *gorm.DB) *gorm.DB {
			return mappingsOf(tx, accountID, mapping.Filter{State: mapping.Unmapped, Unmatched: mapping.Ambiguous}).Select(viewColumns).
				Order("o.name_folded, o.id").Limit(51)
		},
		"mappings, search": func(tx *gorm.DB) *gorm.DB {
			return mappingsOf(tx, accountID, mapping.Filter{Search: "tion 1234"}).Select(viewColumns).Order("o.name_folded, o.id").Limit(51)
		},
		"mappings, count of a search": func(tx *gorm.DB) *gorm.DB {
			return mappingsOf(tx, accountID, mapping.Filter{Search: "tion 1234"}).Select("count(*)")
		},
	} {
		plans[name] = s.explain(t, list)
	}
	for name, f := range directoryFilters() {
		plans["directory, "+name] = s.explain(t, func(tx *gorm.DB) *gorm.DB {
			return directoryOf(tx, accountID, f).Select("d.*, " + holder + " AS organization_id").Order("d.name_folded, d.id").Limit(51)
		})
	}
	return plans
}

func (s *Store) explain(t *testing.T, list func(tx *gorm.DB) *gorm.DB) string {
	t.Helper()
	statement := s.conn(ofEvery().within(t.Context())).ToSQL(func(tx *gorm.DB) *gorm.DB { return list(tx).Find(&[]map[string]any{}) })
	var plan []string
	err := s.read(t.Context(), ofEvery(), "explain", func(tx *gorm.DB) error {
		return acrossAccounts(tx).Raw("EXPLAIN " + statement).Scan(&plan).Error
	})
	if err != nil {
		t.Fatalf("%v: %s", err, statement)
	}
	return strings.Join(plan, "\n")
}

func directoryFilters() map[string]integration.DirectoryFilter {
	no := false
	return map[string]integration.DirectoryFilter{
		"first page": {}, "free": {Mapped: &no}, "search": {Search: "tion 1234"}, "search of free": {Mapped: &no, Search: "tion 1234"},
	}
}

// ExplainDue returns PostgreSQL's plan for the accounts that are due.
func (s *Store) ExplainDue(t *testing.T, now time.Time) string {
	t.Helper()
	return s.explain(t, func(tx *gorm.DB) *gorm.DB { return dueAccounts(tx, now).Limit(100) })
}
