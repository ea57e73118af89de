package orgsync_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/pkg/itglue"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// quickly has the clients wait little between attempts, and for answers no longer than given.
func quickly(timeout time.Duration) integration.DialerOption {
	return integration.Configured(func(c *itglue.Config) {
		c.RetryBase, c.PageTimeout, c.RequestTimeout = time.Millisecond, timeout, timeout
	})
}

// TestF20SyncGetsThroughAnITGlueThatFailsAtTimes has each way of failing at 10, 50 and 90 per cent of all requests. However often the sync
// has to be tried, it ends with all done or with nothing done and its reason.
func TestF20SyncGetsThroughAnITGlueThatFailsAtTimes(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		theirs := w.theirs("Acme", "Bolt", "Crane")
		ours := w.ours("Acme", "Bolt", "Crane")
		w.connect()
		name := "Acme"
		for _, fault := range []itgluetest.Fault{
			{Status: http.StatusInternalServerError, Style: itgluetest.BodyEmpty},
			{Status: http.StatusBadGateway, Style: itgluetest.BodyHTML},
			{Status: http.StatusServiceUnavailable, Style: itgluetest.BodyMessage},
			{Status: http.StatusGatewayTimeout, Style: itgluetest.BodyHTML},
			{Status: http.StatusForbidden, Style: itgluetest.BodyHTML}, // a firewall
		} {
			for _, share := range []float64{0.1, 0.5, 0.9} {
				before := name
				name += "!"
				w.itglue.Rename(theirs[0], name)
				w.redial(quickly(time.Second))
				fault.Kind, fault.Probability = itgluetest.FaultStatus, share
				remove := w.itglue.Inject(fault)
				s := w.start(orgsync.Manual)
				for s = w.run(s); s.Status == orgsync.Queued; s = w.run(w.due(s)) {
					w.redial(quickly(time.Second)) // the time passes that the breaker and the sync wait
				}
				remove()
				switch {
				case s.Status == orgsync.Succeeded:
					w.expectRow(ours[0], name, theirs[0], mapping.Active)
				case s.Status == orgsync.Failed && s.Failure.Code != errs.ITGlueKeyRejected:
					w.expect(s, orgsync.Failed)
					w.expectRow(ours[0], before, theirs[0], mapping.Active)
					name = before
					w.itglue.Rename(theirs[0], name)
				default:
					w.t.Fatalf("%d at %.0f%%: %+v (%+v)", fault.Status, 100*share, s, s.Failure)
				}
				w.expectRow(ours[1], "Bolt", theirs[1], mapping.Active)
			}
		}
		in, err := w.store.Integration(w.t.Context(), w.accountID)
		w.ok(err)
		if in.Attention != nil {
			w.t.Errorf("attention %+v for what is not the key's", in.Attention)
		}
	})
}

// TestF20PeopleAreToldAtOnceThatITGlueIsAway has a person refresh while IT Glue fails: after a few requests nobody waits for it any more.
func TestF20PeopleAreToldAtOnceThatITGlueIsAway(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(w *world) {
		w.theirs("Acme")
		ours := w.ours("Acme")
		w.connect()
		w.redial(quickly(time.Minute))
		w.itglue.Inject(itgluetest.Fault{Kind: itgluetest.FaultStatus, Status: http.StatusBadGateway, Style: itgluetest.BodyHTML})
		w.itglue.ResetCalls()
		for range 20 {
			_, err := w.syncs.Refresh(w.t.Context(), w.accountID, ours[0], w.token)
			if !errs.Is(err, errs.ITGlueUnavailable) {
				w.t.Fatal(err)
			}
		}
		if n := w.itglue.CallCount(); n != 5 {
			w.t.Errorf("%d requests for 20 refreshes, want 5", n)
		}
		s := w.sync(orgsync.Manual)
		if s.Status != orgsync.Queued || s.Failure.Code != errs.ITGlueUnavailable || time.Until(s.NotBefore) < 20*time.Second || w.itglue.CallCount() != 5 {
			w.t.Errorf("%+v (%+v) after %d requests", s, s.Failure, w.itglue.CallCount())
		}
	})
}
