package faulttest_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/e2e"
	"github.com/orgbridge/orgbridge/internal/faulttest"
)

// restless is an account that clients write to without pause while its organizations are renamed in IT Glue and synced.
type restless struct {
	*e2e.Site

	t        *testing.T
	token    string
	server   *e2e.Server
	load     *faulttest.Load
	database *faulttest.Database
	theirs   []string // IT Glue organizations that are mapped from the start
	renamed  int      // how often
}

const (
	restlessMappings = 40
	// So few get other names that the key does not seem to be of another IT Glue account.
	restlessNames = 10
)

// newRestless connects an account that has mapped organizations and maps nothing more by itself.
func newRestless(t *testing.T, s *e2e.Site, lanes int) *restless {
	t.Helper()
	r := &restless{Site: s, t: t, token: s.NewAccount(), load: faulttest.NewLoad(s, lanes)}
	for i := range restlessMappings {
		r.theirs = append(r.theirs, s.Add(fmt.Sprintf("Customer %d", i)))
	}
	r.server = s.Serve()
	c := r.client()
	c.Fill(restlessMappings)
	c.Ended(c.Connect().ID)
	r.database = faulttest.OpenDatabase(t, s.Database)
	r.database.Watch(t)
	return r
}

func (r *restless) client() e2e.Client { return r.server.Client(r.token) }

// renameSome gives the first of the mapped organizations new names in IT Glue.
func (r *restless) renameSome() {
	r.t.Helper()
	r.renamed++
	for i, id := range r.theirs[:restlessNames] {
		r.Rename(id, fmt.Sprintf("Customer %d, name %d", i, r.renamed))
	}
}

// sync starts a sync, or finds the one that is under way.
func (r *restless) sync() string {
	r.t.Helper()
	return e2e.Call[e2e.SyncView](r.client(), "POST", "/syncs", map[string]string{"kind": "manual"}, http.StatusAccepted, http.StatusOK).ID
}

// survived demands that nothing was lost, and that all names are those of IT Glue after a last sync.
func (r *restless) survived() {
	r.t.Helper()
	r.load.Stop()
	c := r.client()
	before := r.sync() // may be one of before, which may have been killed too often to go on
	e2e.Eventually(r.t, e2e.Patience, "rest", func() bool {
		status := c.Sync(before).Status
		return status != "queued" && status != "running"
	})
	c.Ended(r.sync())
	names := map[string]bool{}
	for _, row := range e2e.All[e2e.RowView](c, "/mappings") {
		names[row.Organization.Name] = true
	}
	for i := range restlessNames {
		if name := fmt.Sprintf("Customer %d, name %d", i, r.renamed); !names[name] {
			r.t.Errorf("%s is not there", name)
		}
	}
	r.load.Survived(c, r.database)
	r.database.CheckSecret(r.t, e2e.SimKey, r.server.Out.String())
}

// TestF1RandomKillLosesNothing kills the program at random moments while clients write and a sync runs, and starts it again.
func TestF1RandomKillLosesNothing(t *testing.T) {
	t.Parallel()
	e2e.OnEachEngine(t, func(t *testing.T, s *e2e.Site) {
		t.Helper()
		r := newRestless(t, s, 4)
		r.load.Start(r.client())
		runs := faulttest.Rounds(3, 100)
		for range runs {
			r.renameSome()
			r.sync()
			<-time.After(rand.N(300 * time.Millisecond))
			r.server.Kill()
			r.server = s.Serve()
			r.load.SendTo(r.client())
		}
		r.survived()
		if !t.Failed() {
			faulttest.Figuref(t, "random kills under mixed load / acknowledged writes lost / duplicates", "%d / 0 / 0", runs)
		}
	})
}

// syncUnderWay starts a sync and waits until it asks IT Glue, which must be slow.
func (r *restless) syncUnderWay() (id string) {
	r.t.Helper()
	calls := r.Calls().Count
	id = r.sync()
	e2e.Eventually(r.t, e2e.Patience, "the sync to list", func() bool {
		return r.Calls().Count > calls && r.client().Sync(id).Status == "running"
	})
	return id
}
