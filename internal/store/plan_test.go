package store_test

import (
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// TestListsUseIndexes looks at PostgreSQL's plans for an account with many organizations among others.
func TestListsUseIndexes(t *testing.T) {
	t.Parallel()
	s := storetest.Postgres(t)
	var id string
	for _, n := range []int{30_000, 30_000, 21_000} {
		id = storetest.Account(t, s)
		storetest.Connected(t, s, id)
		storetest.Organizations(t, s, id, n)
	}
	storetest.Exec(t, s, `UPDATE mappings SET state = CASE WHEN place % 500 = 0 THEN 'paused' ELSE 'active' END,
			itglue_id = place::text, itglue_name = 'x', origin = 'auto'
		FROM (SELECT organization_id AS id, row_number() OVER () AS place FROM mappings) p
		WHERE p.id = organization_id AND place % 50 <> 0`)
	storetest.Exec(t, s, "UPDATE mappings SET unmatched_code = 'ambiguous' WHERE state = 'unmapped' AND random() < 0.1")
	storetest.Exec(t, s, `INSERT INTO directory SELECT m.account_id, row_number() OVER (ORDER BY o.id)::text, o.name, o.name_folded, '', '', '', false
		FROM organizations o JOIN mappings m ON m.organization_id = o.id`)
	storetest.Exec(t, s, "VACUUM ANALYZE")

	// The row before page 1,000 of 20 rows each.
	row := storetest.Value[string](t, s, `SELECT name || '|' || id FROM organizations WHERE account_id = $1
		ORDER BY name_folded, id OFFSET 19979 LIMIT 1`, id)
	name, organizationID, _ := strings.Cut(row, "|")
	for list, plan := range s.Explain(t, id, mapping.Row{OrganizationID: organizationID, OrganizationName: name}) {
		t.Logf("%s:\n%s", list, plan)
		for _, table := range []string{"organizations", "mappings", "directory"} {
			if strings.Contains(plan, "Seq Scan on "+table) {
				t.Errorf("%s reads all of %s:\n%s", list, table, plan)
			}
		}
		if strings.Contains(list, "search") && !strings.Contains(plan, "Cond: (account_id") && !strings.Contains(plan, "Cond: ((account_id") {
			t.Errorf("%s does not keep to the account:\n%s", list, plan)
		}
		if strings.Contains(list, "page") && strings.Contains(plan, "Sort") && !strings.Contains(plan, "Incremental") {
			t.Errorf("%s sorts the whole account:\n%s", list, plan)
		}
	}
}
