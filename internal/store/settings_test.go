package store_test

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// changing has one event and does what it is told to the integration.
func changing(does func(*integration.Changed)) func(integration.Integration) (integration.Changed, error) {
	return func(in integration.Integration) (integration.Changed, error) {
		changed := integration.Changed{Integration: in, Facts: []event.Event{{Type: event.IntegrationChanged}}}
		does(&changed)
		return changed, nil
	}
}

func change(t *testing.T, s *store.Store, accountID string, does func(*integration.Changed)) *integration.QueuedSync {
	t.Helper()
	_, again, err := s.ChangeIntegration(t.Context(), accountID, changing(does))
	ok(t, err)
	return again
}

func TestChangedSettingsAreStoredWithTheirEvents(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx, at := t.Context(), storetest.Now()
		id, other := storetest.Account(t, s), storetest.Account(t, s)
		_, _, err := s.ChangeIntegration(ctx, id, changing(func(*integration.Changed) {}))
		wantCode(t, err, errs.NotConnected)
		storetest.Connected(t, s, id)
		storetest.Connected(t, s, other)
		before, err := s.Integration(ctx, id)
		ok(t, err)
		others, err := s.Integration(ctx, other)
		ok(t, err)

		want := before
		want.Region, want.SealedKey, want.APIKeyHint = itglue.RegionAU, []byte("other"), "othe"
		want.AutoMap, want.RemovalLimitPercent = integration.Off, 0
		want.Daily = integration.DailySync{Enabled: true, TimeZone: "Asia/Kolkata", Time: "03:30", NextDate: "2026-02-01", NextRunAt: &at}
		me := event.Actor{TokenID: storetest.ID(t), TokenName: "me"}
		was, is := event.Properties{"autoMap": "on_connect"}, event.Properties{"autoMap": "off"}
		got, again, err := s.ChangeIntegration(ctx, id, func(in integration.Integration) (integration.Changed, error) {
			same(t, in, before)
			facts := []event.Event{{Type: event.IntegrationChanged, Actor: me, Before: was, After: is}, {Type: event.DailySyncResumed}}
			return integration.Changed{Integration: want, Facts: facts}, nil
		})
		ok(t, err)
		same(t, got, want)
		if again != nil {
			t.Errorf("%+v begins again", again)
		}
		stored, err := s.Integration(ctx, id)
		ok(t, err)
		same(t, stored, want)
		events := eventsOf(t, s, id, event.Filter{})
		same(t, []event.Type{events[1].Type, events[0].Type}, []event.Type{event.IntegrationChanged, event.DailySyncResumed})
		same(t, []any{events[1].Actor, events[1].Before, events[1].After}, []any{me, was, is})

		want.Daily.NextDate, want.Daily.NextRunAt, want.Daily.Enabled = "", nil, false
		got, _, err = s.ChangeIntegration(ctx, id, changing(func(c *integration.Changed) { c.Integration = want }))
		ok(t, err)
		same(t, got, want)
		untouched, err := s.Integration(ctx, other)
		ok(t, err)
		same(t, untouched, others)
	})
}

func TestAChangeThatIsRefusedOrNoneLeavesNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		storetest.Connected(t, s, id)
		before, err := s.Integration(t.Context(), id)
		ok(t, err)
		events := len(eventsOf(t, s, id, event.Filter{}))
		refused := errs.New(errs.Conflict, "no")
		_, _, err = s.ChangeIntegration(t.Context(), id, func(in integration.Integration) (integration.Changed, error) {
			in.AutoMap = integration.Off
			return integration.Changed{Integration: in, Facts: []event.Event{{Type: event.IntegrationChanged}}}, refused
		})
		if !errors.Is(err, refused) {
			t.Errorf("error %v", err)
		}
		_, _, err = s.ChangeIntegration(t.Context(), id, func(in integration.Integration) (integration.Changed, error) {
			return integration.Changed{Integration: in, KeyAccepted: true}, nil
		})
		ok(t, err)
		after, err := s.Integration(t.Context(), id)
		ok(t, err)
		same(t, after, before)
		same(t, len(eventsOf(t, s, id, event.Filter{})), events)
	})
}

func TestChangesAtTheSameTimeAreAllMade(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		id := storetest.Account(t, s)
		storetest.Connected(t, s, id)
		change(t, s, id, func(c *integration.Changed) { c.Integration.RemovalLimitPercent = 0 })
		const n = 16
		var all sync.WaitGroup
		for range n {
			all.Go(func() {
				_, _, err := s.ChangeIntegration(t.Context(), id, changing(func(c *integration.Changed) { c.Integration.RemovalLimitPercent++ }))
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		in, err := s.Integration(t.Context(), id)
		ok(t, err)
		same(t, in.RemovalLimitPercent, n)
	})
}

func TestOtherCredentialsHaveTheSyncBeginAgain(t *testing.T) {
	t.Parallel()
	otherKey := func(c *integration.Changed) { c.OtherKey = true }
	for name, does := range map[string]func(*integration.Changed){
		"OtherKey": otherKey, "OtherRegion": func(c *integration.Changed) { c.OtherRegion = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				t.Helper()
				id, other := storetest.Account(t, s), storetest.Account(t, s)
				f, stranger := storetest.Running(t, s, id), storetest.Running(t, s, other)
				again := change(t, s, id, does)
				same(t, again, &integration.QueuedSync{ID: f.SyncID, Epoch: f.Epoch + 1})
				assertFenced(t, s, f)
				// What the old owner learnt of the old key stays with it.
				wantCode(t, s.FinishSync(t.Context(), f, orgsync.Outcome{Status: orgsync.Failed, Credentials: orgsync.CredentialsRejected}), errs.Fenced)
				f.Epoch++
				due, err := s.DueSyncs(t.Context(), 10)
				ok(t, err)
				same(t, len(due), 1)
				claimed, err := s.ClaimSync(t.Context(), f, time.Minute)
				ok(t, err)
				same(t, claimed.Attempt, 0)
				ok(t, s.Heartbeat(t.Context(), stranger, time.Minute, orgsync.Progress{}))
			})
		})
	}
	t.Run("Waiting", func(t *testing.T) {
		t.Parallel()
		storetest.Each(t, func(t *testing.T, s *store.Store) {
			t.Helper()
			id := storetest.Account(t, s)
			f := storetest.Running(t, s, id)
			epoch, err := s.RequeueSync(t.Context(), f, time.Hour, &orgsync.Failure{Code: errs.ITGlueTimeout})
			ok(t, err)
			same(t, change(t, s, id, otherKey), &integration.QueuedSync{ID: f.SyncID, Epoch: epoch + 1})
			due, err := s.DueSyncs(t.Context(), 10)
			ok(t, err)
			same(t, len(due), 1)
			queued, err := s.Sync(t.Context(), id, f.SyncID)
			ok(t, err)
			same(t, queued.Attempt, 1)
		})
	})
	t.Run("None", func(t *testing.T) {
		t.Parallel()
		storetest.Each(t, func(t *testing.T, s *store.Store) {
			t.Helper()
			id := storetest.Account(t, s)
			storetest.Connected(t, s, id)
			if again := change(t, s, id, otherKey); again != nil {
				t.Errorf("%+v begins again", again)
			}
		})
	})
	t.Run("SameCredentials", func(t *testing.T) {
		t.Parallel()
		storetest.Each(t, func(t *testing.T, s *store.Store) {
			t.Helper()
			id := storetest.Account(t, s)
			f := storetest.Running(t, s, id)
			if again := change(t, s, id, func(c *integration.Changed) { c.KeyAccepted = true }); again != nil {
				t.Errorf("%+v begins again", again)
			}
			ok(t, s.Heartbeat(t.Context(), f, time.Minute, orgsync.Progress{}))
		})
	})
}

func TestMappedSampleIsTakenEvenly(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		t.Helper()
		ctx := t.Context()
		id, other := storetest.Account(t, s), storetest.Account(t, s)
		f := storetest.Running(t, s, id)
		storetest.Connected(t, s, other)
		sample, err := s.MappedSample(ctx, id, 3)
		ok(t, err)
		same(t, len(sample), 0)
		storetest.Organization(t, s, id, "Unmapped")
		for i := range 7 {
			org := storetest.Organization(t, s, id, "Ours "+strconv.Itoa(i))
			storetest.Map(t, s, id, org, storetest.Entry(10+i, "Mapped as "+strconv.Itoa(i)))
			if i == 3 {
				ok(t, s.SetSyncEnabled(ctx, id, org, false, event.Actor{}))
			}
		}
		storetest.Map(t, s, other, storetest.Organization(t, s, other, "Theirs"), storetest.Entry(99, "Theirs"))
		storetest.Directory(t, s, f, storetest.Entry(16, "Listed as 6"))
		n, err := s.CountMapped(ctx, id)
		ok(t, err)
		same(t, n, 7)
		for n, want := range map[int][]integration.Mapped{
			1: {{ID: "16", Name: "Listed as 6", Listed: true}},
			3: {{ID: "12", Name: "Mapped as 2"}, {ID: "14", Name: "Mapped as 4"}, {ID: "16", Name: "Listed as 6", Listed: true}},
		} {
			sample, err := s.MappedSample(ctx, id, n)
			ok(t, err)
			same(t, sample, want)
		}
		for n, want := range map[int]int{2: 2, 6: 6, 7: 7, 8: 7, 200: 7} {
			sample, err := s.MappedSample(ctx, id, n)
			ok(t, err)
			same(t, len(sample), want)
		}
	})
}
