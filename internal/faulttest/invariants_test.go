package faulttest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/orgbridge/orgbridge/internal/faulttest"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// scene is a small database in which all invariants hold: a connected account with two mapped organizations, one of which a sync
// renamed, and another account.
type scene struct {
	*faulttest.Database

	t              *testing.T
	account, other string
	first, second  string // organizations
	sync           string
}

func newScene(t *testing.T, url string) *scene {
	t.Helper()
	s := storetest.Open(t, url, store.Options{})
	sc := &scene{Database: faulttest.OpenDatabase(t, url), t: t, account: storetest.Account(t, s), other: storetest.Account(t, s)}
	sc.first, sc.second = storetest.Organization(t, s, sc.account, "Alpha"), storetest.Organization(t, s, sc.account, "Beta")
	storetest.Organization(t, s, sc.other, "Gamma")
	fence := storetest.Running(t, s, sc.account)
	sc.sync = fence.SyncID
	storetest.Directory(t, s, fence, storetest.Entry(1, "Alpha"), storetest.Entry(2, "Beta of old"))
	storetest.Map(t, s, sc.account, sc.first, storetest.Entry(1, "Alpha"))
	storetest.Map(t, s, sc.account, sc.second, storetest.Entry(2, "Beta of old"))
	changes := []orgsync.Change{{
		Action: orgsync.ActionRename, Status: orgsync.ChangePlanned, OrganizationID: sc.second, OrganizationName: "Beta", ITGlueID: "2",
		ITGlueName: "Beta of old", Before: "Beta", After: "Beta of old",
	}}
	if err := s.ApplyChanges(t.Context(), fence, orgsync.Batch{Changes: changes}); err != nil {
		t.Fatal(err)
	}
	if err := s.FinishSync(t.Context(), fence, orgsync.Outcome{Status: orgsync.Succeeded}); err != nil {
		t.Fatal(err)
	}
	return sc
}

// unfenced drops the constraints that would refuse a planted violation.
func (s *scene) unfenced() {
	s.t.Helper()
	for _, index := range []string{"mappings_itglue", "syncs_one_active", "syncs_due_date"} {
		s.Run(s.t, "DROP INDEX "+index)
	}
	if !s.SQLite { // whose foreign keys hold for connections that ask for them
		s.Run(s.t, "ALTER TABLE mappings DROP CONSTRAINT mappings_account_id_organization_id_fkey")
	}
}

const copySync = `INSERT INTO syncs (id, account_id, integration_id, kind, status, epoch, attempt, lease_until, phase, done, total, listed, unchanged,
		renamed, mapped, unmapped, held, skipped, due_date, created_at, finished_at)
	SELECT $1, account_id, integration_id, 'daily', $2, 1, 1, NULL, '', 0, 0, 0, 0, 0, 0, 0, 0, 0, $3, created_at, `

// TestInvariantsSeeWhatIsPlanted plants one violation of each rule.
func TestInvariantsSeeWhatIsPlanted(t *testing.T) {
	t.Parallel()
	for i, c := range []struct {
		invariant string
		plant     func(s *scene)
	}{
		{"I1", func(s *scene) { s.Run(s.t, "UPDATE mappings SET itglue_id = '1' WHERE organization_id = $1", s.second) }},
		{"I2", func(s *scene) { s.Run(s.t, "DELETE FROM mappings WHERE organization_id = $1", s.first) }},
		{"I3", func(s *scene) {
			s.Run(s.t, "UPDATE mappings SET account_id = $1 WHERE organization_id = $2", s.other, s.first)
		}},
		{"I4", func(s *scene) {
			s.Run(s.t, "UPDATE syncs SET status = 'running', finished_at = NULL, lease_until = '2026-01-01 00:00:00+00:00' WHERE id = $1", s.sync)
		}},
		{"I5", func(s *scene) {
			for range 2 {
				s.Run(s.t, copySync+"NULL FROM syncs WHERE id = $4", storetest.ID(s.t), "queued", nil, s.sync)
			}
		}},
		{"I6", func(s *scene) {
			for range 2 {
				s.Run(s.t, copySync+"created_at FROM syncs WHERE id = $4", storetest.ID(s.t), "succeeded", "2026-01-01", s.sync)
			}
		}},
		{"I6", func(s *scene) {
			s.Run(s.t, copySync+"NULL FROM syncs WHERE id = $4", storetest.ID(s.t), "queued", "2026-01-01", s.sync)
		}},
		{"I7 mappings", func(s *scene) { s.Run(s.t, "UPDATE mappings SET itglue_id = '3' WHERE organization_id = $1", s.second) }},
		{"I7 mappings", func(s *scene) {
			s.Run(s.t, `UPDATE mappings SET state = 'unmapped', itglue_id = NULL, origin = NULL WHERE organization_id = $1`, s.second)
		}},
		{"I7 names", func(s *scene) { s.Run(s.t, "UPDATE organizations SET name = 'Beta' WHERE id = $1", s.second) }},
		{"I7 origins", func(s *scene) {
			s.Run(s.t, "UPDATE events SET type = 'organization.changed' WHERE organization_id = $1 AND type = 'organization.created'", s.first)
		}},
		{"I8", func(s *scene) { s.Run(s.t, "UPDATE sync_changes SET event = 1 WHERE event IS NOT NULL") }},
		{"I8", func(s *scene) {
			s.Run(s.t, "DELETE FROM events WHERE organization_id = $1 AND type = 'mapping.mapped'", s.first)
		}},
		{"I9", func(s *scene) { s.Run(s.t, "UPDATE syncs SET renamed = 2") }},
		{"I10", func(s *scene) {
			s.Run(s.t, "DELETE FROM mappings WHERE organization_id = $1", s.first)
			s.Run(s.t, "DELETE FROM organizations WHERE id = $1", s.first)
		}},
		{"I12 deactivated", func(s *scene) {
			s.Run(s.t, "UPDATE events SET type = 'integration.deactivated' WHERE type = 'integration.connected'")
		}},
		{"I12 paused", func(s *scene) {
			s.Run(s.t, "UPDATE events SET type = 'mapping.paused' WHERE type = 'mapping.mapped' AND organization_id = $1", s.second)
		}},
	} {
		t.Run(fmt.Sprintf("%s-%d", strings.ReplaceAll(c.invariant, " ", "-"), i), func(t *testing.T) {
			t.Parallel()
			storetest.EachURL(t, func(t *testing.T, url string) {
				t.Helper()
				s := newScene(t, url)
				s.Check(t)
				s.unfenced()
				c.plant(s)
				lines, err := s.Violations(t.Context(), false)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, c.invariant+",") }) {
					t.Errorf("not seen: %q", lines)
				}
			})
		})
	}
}

// TestSecretsAreSeen plants a key in the clear, and one that was sealed for somebody else.
func TestSecretsAreSeen(t *testing.T) {
	t.Parallel()
	const secret = "ITG.CANARY00000000000000000000000000"
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Helper()
		s := newScene(t, url)
		s.CheckSecret(t, secret, "a log")
		s.Run(t, "UPDATE events SET detail = $1 WHERE organization_id = $2", "key "+secret, s.first)
		seen := &findings{TB: t}
		s.CheckSecret(seen, secret, "a log with "+secret)
		if len(seen.errors) < 2 {
			t.Errorf("only seen: %q", seen.errors)
		}
	})
}

// findings collects what would fail a test.
type findings struct {
	testing.TB

	errors []string
}

func (f *findings) Errorf(format string, _ ...any) { f.errors = append(f.errors, format) }
func (f *findings) Error(...any)                   { f.errors = append(f.errors, "") }
