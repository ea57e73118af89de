package faulttest_test

import (
	"bytes"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/faulttest"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// backup takes a copy of a database in use, as an operator would, and returns the URL of one that it was restored to.
func backup(t *testing.T, d *faulttest.Database) (restored string) {
	t.Helper()
	if d.SQLite {
		file := filepath.Join(t.TempDir(), "restored.db")
		d.Run(t, "VACUUM INTO $1", file)
		return "sqlite://" + file
	}
	restored = storetest.EmptyPostgresURL(t)
	psql := exec.CommandContext(t.Context(), storetest.Tool(t, "psql"), "--dbname="+restored, "--set=ON_ERROR_STOP=1", "--quiet")
	psql.Stdin = bytes.NewReader(storetest.Dump(t, d.URL))
	if out, err := psql.CombinedOutput(); err != nil {
		t.Fatalf("psql: %v: %s", err, out)
	}
	return restored
}

// eventIDs are the ids of all events of the account.
func eventIDs(c e2e.Client) (ids []string) {
	c.T.Helper()
	for _, event := range e2e.All[struct{ ID string }](c, "/events") {
		ids = append(ids, event.ID)
	}
	return ids
}

// TestF18RestoredDatabaseGoesOnFromThere restores a copy that was taken an hour before, in the middle of a sync, just before a night.
func TestF18RestoredDatabaseGoesOnFromThere(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		r := newRestless(t, s, 0)
		c := r.client()
		r.renameSome()
		c.RunSync("manual")
		before := e2e.All[e2e.RowView](c, "/mappings")
		s.Slow(1, 10*time.Second)
		r.renameSome()
		running := r.syncUnderWay()
		told := eventIDs(c)
		restored := on(s, backup(t, r.database))

		s.Fast()
		c.Ended(running)
		c.AddOrganization("Late", "late.example.com")
		e2e.Call[any](c, "DELETE", "/mappings/"+before[0].Organization.ID, nil, http.StatusOK, http.StatusNoContent)
		lost := slices.DeleteFunc(eventIDs(c), func(id string) bool { return slices.Contains(told, id) })
		r.server.Kill()

		d := faulttest.OpenDatabase(t, restored.Database)
		due := time.Now().UTC().Truncate(time.Minute)
		d.Run(t, `UPDATE integrations SET daily_time_zone = 'UTC', daily_time = $1, next_run_date = $2, next_run_at = $3`,
			due.Format("15:04"), due.Format(time.DateOnly), due)
		d.Watch(t)
		c = restored.Serve().Client(r.token)
		c.Ended(running) // taken over
		e2e.Eventually(t, e2e.Patience, "the sync of the night", func() bool {
			return faulttest.Value[int](t, d, "SELECT count(*) FROM syncs WHERE kind = 'daily' AND status = 'succeeded'") == 1
		})
		after := e2e.All[e2e.RowView](c, "/mappings")
		if len(after) != len(before) {
			t.Fatalf("%d organizations, want %d", len(after), len(before))
		}
		renamed := 0
		for i, row := range after {
			if strings.HasSuffix(row.Organization.Name, "name 2") {
				renamed++
			}
			target := row.ITGlueOrganization
			if row.State != "active" || target == nil || target.ID != before[i].ITGlueOrganization.ID {
				t.Errorf("%+v is mapped to %+v, want %+v", row, target, before[i].ITGlueOrganization)
			}
		}
		if renamed != restlessNames {
			t.Errorf("%d organizations have the name of now", renamed)
		}
		expectEvents(t, eventIDs(c), told, lost)
		d.Check(t)
		d.CheckKeys(t, s.Keyset(), e2e.SimKey)
		d.CheckSecret(t, e2e.SimKey)
	})
}

// expectEvents demands that what was told before is there once, and that nothing new has the id of a fact that was lost.
func expectEvents(t *testing.T, ids, told, lost []string) {
	t.Helper()
	seen := map[string]int{}
	for _, id := range ids {
		seen[id]++
	}
	for _, id := range told {
		if seen[id] != 1 {
			t.Errorf("the event %s, which was told before the copy, is there %d times", id, seen[id])
		}
	}
	for _, id := range lost {
		if seen[id] > 0 {
			t.Errorf("the event %s is another one than was told before", id)
		}
	}
	if len(ids) <= len(told) || len(lost) == 0 {
		t.Errorf("%d events, %d of them before the copy; %d lost", len(ids), len(told), len(lost))
	}
}
