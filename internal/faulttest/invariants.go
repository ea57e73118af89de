package faulttest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// An Invariant is what must hold in the database, whatever happens.
type Invariant struct {
	ID   string
	Rule string
	// Query returns a row for each violation, its first column saying where. «ago(n)» stands for the time n seconds ago, «name(x)» for the
	// property "name" of the JSON x, and «facts» for all facts of all accounts: events, and applied changes of syncs.
	Query string
	// Always holds in every committed state; the others hold when all has come to rest, or cost too much to be asked every second.
	Always bool
}

// facts is one row for each fact, with what an organization was mapped to by it, or renamed to.
const facts = `(
	SELECT e.account_id, e.seq, e.type, e.organization_id, e.itglue_id, e.organization_name, e.after, e.sync_id FROM events e
	UNION ALL
	SELECT c.account_id, c.event, CASE c.action WHEN 'map' THEN 'mapping.mapped' WHEN 'unmap' THEN 'mapping.unmapped' ELSE 'organization.renamed' END,
		c.organization_id, c.itglue_id, c.organization_name, c.after, c.sync_id
	FROM sync_changes c WHERE c.event IS NOT NULL)`

// Invariants are I1 to I10 and I12. [Database.CheckKeys] is I11, and [Database.CheckSecret] is I13.
func Invariants() []Invariant {
	return []Invariant{
		{ID: "I1", Rule: "no IT Glue organization is mapped twice in an account", Always: true, Query: `
			SELECT account_id || ' ' || itglue_id FROM mappings WHERE itglue_id IS NOT NULL GROUP BY account_id, itglue_id HAVING count(*) > 1`},
		{ID: "I2", Rule: "every organization has exactly one mapping row", Always: true, Query: `
			SELECT organization_id FROM mappings GROUP BY organization_id HAVING count(*) > 1
			UNION ALL SELECT o.id FROM organizations o LEFT JOIN mappings m ON m.organization_id = o.id WHERE m.organization_id IS NULL`},
		{ID: "I3", Rule: "no mapping is of another account's organization", Always: true, Query: `
			SELECT m.organization_id FROM mappings m LEFT JOIN organizations o ON o.id = m.organization_id
			WHERE o.id IS NULL OR o.account_id <> m.account_id`},
		{ID: "I4", Rule: "no sync runs without an owner for long", Query: `
			SELECT id FROM syncs WHERE status = 'running' AND (lease_until IS NULL OR «ago(30)» > «time(lease_until)»)`},
		{ID: "I5", Rule: "an account has at most one sync that waits or runs", Always: true, Query: `
			SELECT account_id FROM syncs WHERE status IN ('queued', 'running') GROUP BY account_id HAVING count(*) > 1`},
		{ID: "I6", Rule: "a night has at most one sync of a connection, and it comes to an end", Query: `
			SELECT max(id) FROM (SELECT CAST(id AS text) AS id, integration_id, due_date FROM syncs WHERE due_date IS NOT NULL) AS s
			GROUP BY integration_id, due_date HAVING count(*) > 1
			UNION ALL SELECT CAST(id AS text) FROM syncs
			WHERE due_date IS NOT NULL AND (finished_at IS NULL OR status NOT IN ('succeeded', 'held', 'failed', 'cancelled'))`},
		{ID: "I7 mappings", Rule: "a mapping is what the last fact about it says", Query: `
			WITH told AS (
				SELECT account_id, organization_id, seq, CASE type WHEN 'mapping.mapped' THEN itglue_id END AS itglue_id FROM «facts» AS f
				WHERE type IN ('mapping.mapped', 'mapping.unmapped')
				UNION ALL SELECT e.account_id, o.id, e.seq, NULL FROM events e JOIN organizations o ON o.account_id = e.account_id
				WHERE e.type = 'integration.deactivated'),
			last AS (SELECT organization_id, max(seq) AS seq FROM told GROUP BY organization_id)
			SELECT m.organization_id FROM mappings m LEFT JOIN last l ON l.organization_id = m.organization_id
				LEFT JOIN told t ON t.account_id = m.account_id AND t.organization_id = m.organization_id AND t.seq = l.seq
			WHERE coalesce(m.itglue_id, '') <> coalesce(t.itglue_id, '')`},
		{ID: "I7 names", Rule: "an organization has the name that the last fact about it says", Query: `
			WITH told AS (
				SELECT organization_id, seq, organization_name AS name FROM events WHERE type = 'organization.created'
				UNION ALL SELECT organization_id, seq, «name(after)» FROM events WHERE type = 'organization.renamed'
				UNION ALL SELECT organization_id, event, after FROM sync_changes WHERE event IS NOT NULL AND action = 'rename'),
			last AS (SELECT organization_id, max(seq) AS seq FROM told GROUP BY organization_id)
			SELECT o.id FROM organizations o JOIN last l ON l.organization_id = o.id
				JOIN told t ON t.organization_id = l.organization_id AND t.seq = l.seq
			WHERE o.name <> t.name`},
		{ID: "I7 origins", Rule: "an organization was added once", Query: `
			SELECT organization_id FROM events WHERE type = 'organization.created' GROUP BY organization_id HAVING count(*) > 1
			UNION ALL SELECT o.id FROM organizations o LEFT JOIN events e ON e.organization_id = o.id AND e.type = 'organization.created'
			WHERE e.seq IS NULL AND CAST(o.id AS text) NOT LIKE '` + bulkID + `%'`},
		{ID: "I8", Rule: "each fact has a number of its own, none of which a reader can have missed", Always: true, Query: `
			SELECT account_id || ' ' || seq FROM «facts» AS f GROUP BY account_id, seq HAVING count(*) > 1
			UNION ALL SELECT CAST(a.id AS text) || ' last' FROM accounts a
			WHERE a.last_event <> (SELECT count(*) FROM «facts» AS f WHERE f.account_id = a.id)`},
		{ID: "I9", Rule: "a sync's counts are its changes", Query: `
			SELECT s.id FROM syncs s WHERE s.finished_at IS NOT NULL AND (
				s.renamed <> ` + done("rename") + ` OR s.mapped <> ` + done("map") + ` OR s.unmapped <> ` + done("unmap") + `
				OR s.held <> (SELECT count(*) FROM sync_changes c WHERE c.sync_id = s.id AND c.status = 'held')
				OR s.skipped <> (SELECT count(*) FROM sync_changes c WHERE c.sync_id = s.id
					AND (c.status = 'refused')))`},
		{ID: "I10", Rule: "only a person deletes an organization", Query: `
			SELECT e.organization_id FROM events e LEFT JOIN organizations o ON o.id = e.organization_id
			WHERE e.type = 'organization.created' AND o.id IS NULL AND NOT EXISTS (SELECT 1 FROM events d
				WHERE d.account_id = e.account_id AND d.organization_id = e.organization_id AND d.type = 'organization.deleted'
					AND d.token_id IS NOT NULL AND d.sync_id IS NULL)`},
		{ID: "I12 deactivated", Rule: "no sync changes anything after the integration was deactivated", Query: `
			SELECT c.sync_id FROM sync_changes c WHERE c.event IS NOT NULL AND 'integration.connected' <> coalesce((
				SELECT e.type FROM events e WHERE e.account_id = c.account_id AND e.seq < c.event
					AND e.type IN ('integration.connected', 'integration.deactivated') ORDER BY e.seq DESC LIMIT 1), 'integration.connected')`},
		{ID: "I12 paused", Rule: "no sync of the whole account changes an organization while it is paused", Query: `
			SELECT c.sync_id FROM sync_changes c JOIN syncs s ON s.id = c.sync_id
			WHERE c.event IS NOT NULL AND s.kind <> 'organization' AND 'mapping.paused' = (
				SELECT e.type FROM events e WHERE e.account_id = c.account_id AND e.organization_id = c.organization_id AND e.seq < c.event
					AND e.type IN ('mapping.paused', 'mapping.resumed', 'mapping.mapped', 'mapping.unmapped') ORDER BY e.seq DESC LIMIT 1)`},
	}
}

// bulkID begins the ids of organizations that tests have put there by the thousand, without events.
const bulkID = "01900000-0000-7000-8000-"

// done counts what a sync did of one action; what a preview would do is planned.
func done(action string) string {
	return `(SELECT count(*) FROM sync_changes c WHERE c.sync_id = s.id AND c.action = '` + action + `'
		AND c.status = CASE s.kind WHEN 'preview' THEN 'planned' ELSE 'applied' END)`
}

func (d *Database) dialect(query string) string {
	query = strings.ReplaceAll(query, "«facts»", facts)
	if d.SQLite {
		return strings.NewReplacer(
			"«ago(30)»", "julianday('now', '-30 seconds')", "«time(lease_until)»", "julianday(lease_until)",
			"«name(after)»", "json_extract(after, '$.name')").Replace(query)
	}
	return strings.NewReplacer(
		"«ago(30)»", "now() - interval '30 seconds'", "«time(lease_until)»", "lease_until", "«name(after)»", "CAST(after AS json) ->> 'name'").Replace(query)
}

// Violations asks the invariants, all of them or only those that always hold, and returns a line for each violation.
func (d *Database) Violations(ctx context.Context, onlyAlways bool) (lines []string, err error) {
	for _, i := range Invariants() {
		if onlyAlways && !i.Always {
			continue
		}
		found, err := d.Texts(ctx, d.dialect(i.Query))
		if err != nil {
			return lines, fmt.Errorf("%s: %w", i.ID, err)
		}
		for _, where := range found {
			lines = append(lines, fmt.Sprintf("%s, %s: violated by %s", i.ID, i.Rule, where))
		}
	}
	return lines, nil
}

// Check asks all invariants. Nothing may be waiting or running any more.
func (d *Database) Check(tb testing.TB) {
	tb.Helper()
	lines, err := d.Violations(context.WithoutCancel(tb.Context()), false)
	if err != nil {
		tb.Fatal(err)
	}
	report(tb, lines)
}

func report(tb testing.TB, lines []string) {
	tb.Helper()
	for _, line := range lines[:min(len(lines), 20)] {
		tb.Error(line)
	}
	if len(lines) > 20 {
		tb.Errorf("and %d more", len(lines)-20)
	}
}

// Watch asks the invariants that always hold, every second until stop is called. While the database is away it cannot.
func (d *Database) Watch(tb testing.TB) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	var watching sync.WaitGroup
	watching.Go(func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if lines, err := d.Violations(ctx, true); err == nil && len(lines) > 0 {
				report(tb, lines)
				return
			}
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		watching.Wait()
	})
	tb.Cleanup(stop)
	return stop
}
