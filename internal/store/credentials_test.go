package store_test

import (
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/mapping"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
)

// keeper is a connected account, at a time that the test sets.
type keeper struct {
	t     *testing.T
	s     *store.Store
	id    string
	now   time.Time
	since time.Time
}

func eachKeeper(t *testing.T, scenario func(k *keeper)) {
	t.Helper()
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Helper()
		k := &keeper{t: t, now: storetest.Now()}
		k.s = storetest.Open(t, url, store.Options{Now: func() time.Time { return k.now }})
		k.id, k.since = storetest.Account(t, k.s), k.now
		storetest.Connected(t, k.s, k.id)
		scenario(k)
	})
}

// at moves the clock to so long after the beginning.
func (k *keeper) at(after time.Duration) { k.now = k.since.Add(after) }

// sync runs one that learns something of the key.
func (k *keeper) sync(learnt orgsync.Credentials) {
	k.t.Helper()
	f := startClaimed(k.t, k.s, k.id, orgsync.Manual)
	o := orgsync.Outcome{Status: orgsync.Succeeded, Credentials: learnt}
	if learnt != orgsync.CredentialsAccepted {
		o.Status, o.Failure = orgsync.Failed, &orgsync.Failure{Code: "x", Detail: "Refused."}
	}
	ok(k.t, k.s.FinishSync(k.t.Context(), f, o))
}

func (k *keeper) integration() integration.Integration {
	k.t.Helper()
	in, err := k.s.Integration(k.t.Context(), k.id)
	ok(k.t, err)
	return in
}

// expect compares what is known of the key: refused since the beginning or not, and when it is tried again, so long after the beginning;
// negative for never.
func (k *keeper) expect(refused bool, retry time.Duration) {
	k.t.Helper()
	in := k.integration()
	if refused != (in.Attention != nil) || (refused && (in.Attention.Code != integration.CredentialsRejected || !in.Attention.Since.Equal(k.since))) {
		k.t.Errorf("attention %+v, want refused %v since %s", in.Attention, refused, k.since)
	}
	got := storetest.Value[*time.Time](k.t, k.s, "SELECT retry_at FROM integrations WHERE account_id = $1", k.id)
	switch {
	case retry < 0 && got != nil:
		k.t.Errorf("tried again at %s, want never", got)
	case retry >= 0 && (got == nil || !got.Equal(k.since.Add(retry))):
		k.t.Errorf("tried again at %v, want %s", got, k.since.Add(retry))
	}
}

func (k *keeper) events(types ...event.Type) {
	k.t.Helper()
	var got []event.Type
	for _, kind := range typesOf(eventsOf(k.t, k.s, k.id, event.Filter{})) {
		if kind == event.CredentialsRejected || kind == event.CredentialsAccepted {
			got = append(got, kind)
		}
	}
	same(k.t, got, types)
}

const never = -time.Hour

func TestARefusedKeyIsTriedAgainAfter6And12And24Hours(t *testing.T) {
	t.Parallel()
	eachKeeper(t, func(k *keeper) {
		k.expect(false, never)
		k.sync(orgsync.CredentialsRejected)
		k.expect(true, 6*time.Hour)

		k.at(6*time.Hour - time.Second) // somebody starts one by hand before
		k.sync(orgsync.CredentialsRejected)
		k.expect(true, 6*time.Hour)
		k.at(6 * time.Hour)
		k.sync(orgsync.CredentialsRejected)
		k.expect(true, 18*time.Hour)
		k.at(12 * time.Hour)
		k.sync(orgsync.CredentialsRejected)
		k.expect(true, 18*time.Hour)
		k.at(19 * time.Hour) // it began late
		k.sync(orgsync.CredentialsRejected)
		k.expect(true, 43*time.Hour)
		k.at(43 * time.Hour)
		k.sync(orgsync.CredentialsRejected)
		k.expect(true, never)
		k.at(100 * time.Hour) // the daily one
		k.sync(orgsync.CredentialsRejected)
		k.expect(true, never)
		k.events(event.CredentialsRejected)

		k.sync(orgsync.CredentialsAccepted)
		k.expect(false, never)
		k.events(event.CredentialsRejected, event.CredentialsAccepted)
		k.since = k.now
		k.sync(orgsync.CredentialsRejected)
		k.expect(true, 6*time.Hour)
		k.events(event.CredentialsRejected, event.CredentialsAccepted, event.CredentialsRejected)
	})
}

func TestAcceptanceOnTheWayEndsTheLadder(t *testing.T) {
	t.Parallel()
	eachKeeper(t, func(k *keeper) {
		k.sync(orgsync.CredentialsRejected)
		k.at(6 * time.Hour)
		k.sync(orgsync.CredentialsRejected)
		k.sync(orgsync.CredentialsAccepted)
		k.expect(false, never)
		k.since = k.now
		k.sync(orgsync.CredentialsRejected)
		k.expect(true, 6*time.Hour)
	})
}

func TestARefreshThatIsRefusedCountsLikeASync(t *testing.T) {
	t.Parallel()
	eachKeeper(t, func(k *keeper) {
		ok(k.t, k.s.RejectCredentials(k.t.Context(), k.integration(), "Refused."))
		k.expect(true, 6*time.Hour)
		ok(k.t, k.s.RejectCredentials(k.t.Context(), k.integration(), "Refused."))
		k.expect(true, 6*time.Hour)
		k.at(6 * time.Hour)
		ok(k.t, k.s.RejectCredentials(k.t.Context(), k.integration(), "Refused."))
		k.expect(true, 18*time.Hour)
		k.events(event.CredentialsRejected)
	})
}

func TestAnAcceptedKeyRecoversAtOnce(t *testing.T) {
	t.Parallel()
	eachKeeper(t, func(k *keeper) {
		accept := func(daily bool) {
			k.t.Helper()
			change(k.t, k.s, k.id, func(c *integration.Changed) { c.KeyAccepted, c.Integration.Daily.Enabled = true, daily })
		}
		accept(true)
		k.expect(false, never)
		k.sync(orgsync.CredentialsRejected)
		k.at(6 * time.Hour)
		k.sync(orgsync.CredentialsRejected)
		accept(true)
		k.expect(false, 6*time.Hour) // now
		k.events(event.CredentialsRejected, event.CredentialsAccepted)
		k.sync(orgsync.CredentialsAccepted)
		k.expect(false, never)
		k.events(event.CredentialsRejected, event.CredentialsAccepted)

		k.since = k.now
		k.sync(orgsync.CredentialsRejected)
		k.expect(true, 6*time.Hour)
		accept(false) // paused
		k.expect(false, never)
	})
}

func TestRefusalOfAnEarlierKeyIsNotThatOfTheNewOne(t *testing.T) {
	t.Parallel()
	eachKeeper(t, func(k *keeper) {
		old := k.integration()
		f := startClaimed(k.t, k.s, k.id, orgsync.Manual)
		change(k.t, k.s, k.id, func(c *integration.Changed) { c.OtherKey, c.Integration.SealedKey = true, []byte("new") })
		ok(k.t, k.s.RejectCredentials(k.t.Context(), old, "Refused."))
		if err := k.s.FinishSync(k.t.Context(), f, orgsync.Outcome{Status: orgsync.Failed, Credentials: orgsync.CredentialsRejected}); err == nil {
			k.t.Error("the sync with the old key ended in good order")
		}
		k.expect(false, never)
		ok(k.t, k.s.RejectCredentials(k.t.Context(), k.integration(), "Refused."))
		k.expect(true, 6*time.Hour)
	})
}

func TestNothingIsLostWhileTheKeyIsRefused(t *testing.T) {
	t.Parallel()
	eachKeeper(t, func(k *keeper) {
		org := storetest.Organization(k.t, k.s, k.id, "A")
		storetest.Map(k.t, k.s, k.id, org, storetest.Entry(1, "A"))
		before := mappingOf(k.t, k.s, k.id, org)
		k.sync(orgsync.CredentialsRejected)
		same(k.t, mappingOf(k.t, k.s, k.id, org), before)
		same(k.t, before.State, mapping.Active)
	})
}

func TestCredentialEventsNameTheSyncAndWhoAskedForIt(t *testing.T) {
	t.Parallel()
	eachKeeper(t, func(k *keeper) {
		k.sync(orgsync.CredentialsRejected)
		k.sync(orgsync.CredentialsAccepted)
		for _, kind := range []event.Type{event.CredentialsRejected, event.CredentialsAccepted} {
			told := eventsOf(k.t, k.s, k.id, event.Filter{Type: kind})
			if len(told) != 1 {
				k.t.Fatalf("%s: %+v", kind, told)
			}
			run, err := k.s.Sync(k.t.Context(), k.id, told[0].SyncID)
			ok(k.t, err)
			same(k.t, told[0].Actor, run.RequestedBy)
		}
	})
}
