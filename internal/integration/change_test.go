package integration_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/internal/integration"
	"github.com/orgbridge/orgbridge/internal/orgsync"
	"github.com/orgbridge/orgbridge/internal/store"
	"github.com/orgbridge/orgbridge/internal/store/storetest"
	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

const newKey = "ITG.CANARYnew-0123456789abcd"

// connected returns a bundle that is connected in the EU, with n organizations mapped.
func (b *bundle) connected(t *testing.T, n int) integration.Integration {
	t.Helper()
	in, err := b.service.Connect(t.Context(), b.accountID, b.by, apiKey, "eu")
	if err != nil {
		t.Fatal(err)
	}
	f := orgsync.Fence{AccountID: b.accountID, SyncID: b.starter.syncs[0], Epoch: 1}
	storetest.Claim(t, b.store, f)
	for i := range n {
		name := fmt.Sprintf("Customer %d", i)
		entry := integration.DirectoryEntry{ID: b.eu.Add(itgluetest.Organization{Name: name})[0], Name: name}
		storetest.Map(t, b.store, b.accountID, storetest.Organization(t, b.store, b.accountID, name), entry)
		storetest.Directory(t, b.store, f, entry)
	}
	if err := b.store.DirectoryTaken(t.Context(), f, storetest.Now()); err != nil {
		t.Fatal(err)
	}
	if err := b.store.FinishSync(t.Context(), f, orgsync.Outcome{Status: orgsync.Succeeded}); err != nil {
		t.Fatal(err)
	}
	b.starter.syncs = nil
	return in
}

func (b *bundle) integration(t *testing.T) integration.Integration {
	t.Helper()
	in, err := b.store.Integration(t.Context(), b.accountID)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func (b *bundle) events(t *testing.T) []event.Event {
	t.Helper()
	events, err := b.store.Events(t.Context(), b.accountID, event.Filter{Limit: 200})
	if err != nil {
		t.Fatal(err)
	}
	return events.Items
}

// worksWith fails unless the stored credentials give access to so many IT Glue organizations.
func (b *bundle) worksWith(t *testing.T, organizations int) {
	t.Helper()
	client, _, err := b.service.Client(t.Context(), b.accountID)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := client.CountOrganizations(t.Context()); err != nil || n != organizations {
		t.Errorf("access to %d organizations, %v; want %d", n, err, organizations)
	}
}

func TestConnectPlansTheDailySync(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		t.Helper()
		b.service.Now = func() time.Time { return time.Date(2026, 7, 1, 4, 0, 0, 0, time.UTC) } // midnight in New York
		in := b.connected(t, 0)
		at := time.Date(2026, 7, 2, 4, 0, 0, 0, time.UTC)
		want := integration.DailySync{Enabled: true, TimeZone: "America/New_York", Time: "00:00", NextDate: "2026-07-02", NextRunAt: &at}
		if !reflect.DeepEqual(in.Daily, want) || !reflect.DeepEqual(b.integration(t).Daily, want) {
			t.Errorf("answered %+v, stored %+v", in.Daily, b.integration(t).Daily)
		}
	})
}

func TestANewKeyTakesThePlaceOfTheOldOne(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		t.Helper()
		old := b.connected(t, 3)
		b.eu.AddKey(newKey)
		if _, err := b.service.Change(t.Context(), b.accountID, integration.Change{APIKey: new(newKey)}, b.by); err != nil {
			t.Fatal(err)
		}
		b.eu.RevokeKey(apiKey)
		b.worksWith(t, 5)
		in := b.integration(t)
		if in.ID != old.ID || in.APIKeyHint != "abcd" || in.Region != "eu" || !in.ConnectedAt.Equal(old.ConnectedAt) || strings.Contains(string(in.SealedKey), "CANARY") {
			t.Errorf("%+v", in)
		}
		last := b.events(t)[0]
		want := event.Event{Type: event.IntegrationChanged, Actor: b.by, Before: event.Properties{"apiKeyHint": "wxyz"}, After: event.Properties{"apiKeyHint": "abcd"}}
		want.AccountID, want.Sequence, want.At = last.AccountID, last.Sequence, last.At
		if !reflect.DeepEqual(last, want) {
			t.Errorf("event %+v", last)
		}
	})
}

func TestARegionAloneKeepsTheKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		t.Helper()
		old := b.connected(t, 0)
		b.us.AddKey(apiKey)
		in, err := b.service.Change(t.Context(), b.accountID, integration.Change{Region: new("us")}, b.by)
		if err != nil || in.Region != "us" || in.APIKeyHint != "wxyz" {
			t.Fatalf("%+v, %v", in, err)
		}
		if bytes.Equal(in.SealedKey, old.SealedKey) { // by which a refusal in the old region is told from one in the new
			t.Error("the key is sealed as before")
		}
		b.worksWith(t, 0)
		if after := b.events(t)[1].After; !reflect.DeepEqual(after, event.Properties{"region": "us"}) {
			t.Errorf("event %+v", after)
		}
	})
}

func TestAFailedChangeLeavesTheOldCredentialsAndSettings(t *testing.T) {
	t.Parallel()
	down := itgluetest.Fault{Kind: itgluetest.FaultStatus, Status: http.StatusBadGateway, Style: itgluetest.BodyHTML}
	for name, c := range map[string]struct {
		change integration.Change
		fault  *itgluetest.Fault
		byID   bool // the fault is of the reads by id only
		want   errs.Code
		hint   any
	}{
		"WrongKey":       {change: integration.Change{APIKey: new("ITG.CANARYwrong")}, want: errs.ITGlueKeyRejected},
		"WrongRegion":    {change: integration.Change{Region: new("us")}, want: errs.ITGlueKeyRejected, hint: "eu"},
		"KeyOfUS":        {change: integration.Change{APIKey: new(newKey)}, want: errs.ITGlueKeyRejected, hint: "us"},
		"Unreachable":    {change: integration.Change{Region: new("au")}, want: errs.ITGlueUnavailable},
		"Down":           {change: integration.Change{APIKey: new(apiKey + "2")}, fault: &down, want: errs.ITGlueUnavailable},
		"Rubbish":        {change: integration.Change{APIKey: new(apiKey + "2")}, fault: &itgluetest.Fault{Kind: itgluetest.FaultHTML}, want: errs.ITGlueBadAnswer},
		"RateLimited":    {change: integration.Change{APIKey: new(apiKey + "2")}, fault: new(itgluetest.RateLimited("60")), want: errs.ITGlueRateLimited},
		"DownByID":       {change: integration.Change{APIKey: new(apiKey + "2")}, fault: &down, byID: true, want: errs.ITGlueUnavailable},
		"NoKey":          {change: integration.Change{APIKey: new("a b")}, want: errs.ValidationFailed},
		"NoRegion":       {change: integration.Change{Region: new("http://127.0.0.1:1")}, want: errs.ValidationFailed},
		"NoTimeZone":     {change: integration.Change{APIKey: new(apiKey + "2"), Daily: integration.DailyChange{TimeZone: new("Mars")}}, want: errs.ValidationFailed},
		"OtherITGlueOrg": {change: integration.Change{APIKey: new(newKey), Region: new("us")}, want: errs.DifferentITGlueAccount},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, b *bundle) {
				t.Helper()
				b.connected(t, 2)
				b.us.AddKey(newKey)
				b.eu.AddKey(apiKey + "2")
				before, events := b.integration(t), len(b.events(t))
				if c.fault != nil {
					fault := *c.fault
					if c.byID {
						fault.MinPageSize = 1000
					}
					b.eu.Inject(fault)
				}
				change := c.change // the other engine's test runs beside this one
				change.AutoMap, change.Daily.Enabled = new(integration.Off), new(false)
				_, err := b.service.Change(t.Context(), b.accountID, change, b.by)
				failed, ok := errors.AsType[*errs.Error](err)
				if !ok || failed.Code != c.want || failed.Params["regionHint"] != c.hint || strings.Contains(err.Error(), "CANARY") {
					t.Fatalf("error %v, params %v", err, failed)
				}
				b.eu.ClearFaults()
				if after := b.integration(t); !reflect.DeepEqual(after, before) || len(b.events(t)) != events || len(b.starter.syncs) > 0 {
					t.Errorf("was %+v, is %+v", before, after)
				}
				b.worksWith(t, 4)
			})
		})
	}
}

func TestAKeyOfAnotherAccountIsTakenByForceOnly(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		t.Helper()
		b.connected(t, 5)
		b.us.AddKey(newKey)
		rows, err := b.store.MappedSample(t.Context(), b.accountID, 5)
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range rows { // the same ids: two with the same names, one with another
			name := row.Name
			if i == 2 {
				name = "Stranger"
			}
			if i < 3 {
				b.us.Add(itgluetest.Organization{ID: row.ID, Name: name})
			}
		}
		other := integration.Change{APIKey: new(newKey), Region: new("us")}
		_, err = b.service.Change(t.Context(), b.accountID, other, b.by)
		refused, ok := errors.AsType[*errs.Error](err)
		if !ok || refused.Code != errs.DifferentITGlueAccount || !reflect.DeepEqual(refused.Params, map[string]any{"mapped": 5, "checked": 5, "found": 2}) {
			t.Fatalf("error %v", err)
		}
		b.us.Rename(rows[2].ID, rows[2].Name)
		if _, err = b.service.Change(t.Context(), b.accountID, other, b.by); err != nil {
			t.Errorf("three of five are there: %v", err)
		}
		back := integration.Change{APIKey: new(apiKey), Region: new("eu")}
		if _, err = b.service.Change(t.Context(), b.accountID, back, b.by); err != nil {
			t.Fatal(err)
		}
		b.us.Delete(rows[0].ID)
		b.us.ResetCalls()
		other.Force = true
		if in, err := b.service.Change(t.Context(), b.accountID, other, b.by); err != nil || in.Region != "us" {
			t.Errorf("%+v, %v", in, err)
		}
	})
}

func TestTheDirectoryIsListedAnewUnlessItsAccountIsSeenToBeTheSame(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mapped int
		before func(t *testing.T, b *bundle)
		change integration.Change
		anew   bool
	}{
		"SameAccount":     {mapped: 2, change: integration.Change{APIKey: new(newKey)}},
		"Forced":          {mapped: 2, change: integration.Change{APIKey: new(newKey), Force: true}, anew: true},
		"ForcedRegion":    {mapped: 2, change: integration.Change{Region: new("us"), Force: true}, anew: true},
		"NothingMapped":   {change: integration.Change{APIKey: new(newKey)}, anew: true},
		"SameCredentials": {mapped: 2, change: integration.Change{APIKey: new(apiKey), Region: new("eu")}},
		"VouchedFor":      {mapped: 2, change: integration.Change{APIKey: new(apiKey), Force: true}, anew: true},
		"Settings":        {mapped: 2, change: integration.Change{AutoMap: new(integration.Off), Force: true}},
		"ListedElsewhere": {mapped: 2, change: integration.Change{APIKey: new(newKey)}, anew: true, before: func(t *testing.T, b *bundle) {
			t.Helper()
			storetest.Exec(t, b.store, "UPDATE directory SET id = id || '0' WHERE account_id = $1", b.accountID)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, b *bundle) {
				t.Helper()
				b.connected(t, c.mapped)
				b.eu.AddKey(newKey)
				b.us.AddKey(apiKey)
				if c.before != nil {
					c.before(t, b)
				}
				in, err := b.service.Change(t.Context(), b.accountID, c.change, b.by)
				if err != nil || (in.ListedAt == nil) != c.anew {
					t.Fatalf("%+v, %v", in, err)
				}
				directory, err := b.store.Directory(t.Context(), b.accountID)
				if err != nil || (len(directory) < c.mapped) != (c.anew && c.mapped > 0) {
					t.Errorf("directory %+v, %v", directory, err)
				}
				active, err := b.store.ActiveSync(t.Context(), b.accountID)
				switch {
				case err != nil || (active != nil) != c.anew:
					t.Errorf("active %+v, %v", active, err)
				case c.anew && (active.Kind != orgsync.Manual || active.RequestedBy != b.by || !reflect.DeepEqual(b.starter.syncs, []string{active.ID})):
					t.Errorf("active %+v, begun %v", active, b.starter.syncs)
				case !c.anew && len(b.starter.syncs) > 0:
					t.Errorf("begun %v", b.starter.syncs)
				}
			})
		})
	}
}

func TestTheSameCredentialsAgainAreAcceptedAndNoChange(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		t.Helper()
		b.connected(t, 3)
		rows, err := b.store.MappedSample(t.Context(), b.accountID, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows { // what the key sees is not asked: it is the key
			b.eu.Delete(row.ID)
		}
		if err := b.store.RejectCredentials(t.Context(), b.integration(t), "Refused."); err != nil {
			t.Fatal(err)
		}
		before := b.integration(t)
		after, err := b.service.Change(t.Context(), b.accountID, integration.Change{APIKey: new(apiKey), Region: new("eu")}, b.by)
		before.Attention = nil
		if err != nil || !reflect.DeepEqual(after, before) {
			t.Errorf("is %+v, %v", after, err)
		}
		events := b.events(t)
		if events[0].Type != event.CredentialsAccepted || events[1].Type != event.CredentialsRejected {
			t.Errorf("events %v, %v", events[0].Type, events[1].Type)
		}
	})
}

func TestAStoredKeyThatIsDamagedIsReplacedByANewOne(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		t.Helper()
		b.connected(t, 1)
		storetest.Exec(t, b.store, "UPDATE integrations SET sealed_key = $1", append(b.sealedKey(t)[:20], "rubbish"...))
		_, err := b.service.Change(t.Context(), b.accountID, integration.Change{Region: new("us")}, b.by)
		if !errs.Is(err, errs.Unavailable) {
			t.Errorf("region alone: %v", err)
		}
		if _, err := b.service.Change(t.Context(), b.accountID, integration.Change{APIKey: new(apiKey)}, b.by); err != nil {
			t.Fatal(err)
		}
		b.worksWith(t, 3)
	})
}

func TestASyncWithTheOldKeyBeginsAgain(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		t.Helper()
		if _, err := b.service.Connect(t.Context(), b.accountID, b.by, apiKey, "eu"); err != nil {
			t.Fatal(err)
		}
		b.eu.AddKey(newKey)
		if _, err := b.service.Change(t.Context(), b.accountID, integration.Change{AutoMap: new(integration.Off)}, b.by); err != nil || len(b.starter.syncs) != 1 {
			t.Fatalf("begun %v, %v", b.starter.syncs, err)
		}
		b.starter.err = errors.New("queue away") // then the sweeper begins it
		if _, err := b.service.Change(t.Context(), b.accountID, integration.Change{APIKey: new(newKey)}, b.by); err != nil {
			t.Fatal(err)
		}
		active, err := b.store.ActiveSync(t.Context(), b.accountID)
		if err != nil || active.Epoch != 2 || len(b.starter.syncs) != 2 || b.starter.syncs[1] != active.ID {
			t.Errorf("active %+v, begun %v, %v", active, b.starter.syncs, err)
		}
	})
}

// between is a store in which something happens after the credentials were tried and before they are written.
type between struct {
	*store.Store

	happens func()
}

func (b between) ChangeIntegration(
	ctx context.Context, accountID string, change func(integration.Integration) (integration.Changed, error),
) (integration.Integration, *integration.QueuedSync, error) {
	b.happens()
	return b.Store.ChangeIntegration(ctx, accountID, change)
}

func TestCredentialsAreNotWrittenToWhatTheyWereNotTriedFor(t *testing.T) {
	t.Parallel()
	thirdKey := newKey + "3"
	for name, c := range map[string]struct {
		happens func(s *integration.Service, b *bundle, ctx context.Context) error
		want    errs.Code
		hint    string
	}{
		"Deactivated": {want: errs.NotConnected, happens: func(s *integration.Service, b *bundle, ctx context.Context) error {
			_, err := s.Deactivate(ctx, b.accountID, true, b.by)
			return err
		}},
		"Reconnected": {want: errs.Conflict, hint: "wxyz", happens: func(s *integration.Service, b *bundle, ctx context.Context) error {
			if _, err := s.Deactivate(ctx, b.accountID, true, b.by); err != nil {
				return err
			}
			_, err := s.Connect(ctx, b.accountID, b.by, apiKey, "eu")
			return err
		}},
		"AnotherKey": {want: errs.Conflict, hint: "bcd3", happens: func(s *integration.Service, b *bundle, ctx context.Context) error {
			_, err := s.Change(ctx, b.accountID, integration.Change{APIKey: &thirdKey}, b.by)
			return err
		}},
		"AnotherRegion": {want: errs.Conflict, hint: "wxyz", happens: func(s *integration.Service, b *bundle, ctx context.Context) error {
			_, err := s.Change(ctx, b.accountID, integration.Change{Region: new("us")}, b.by)
			return err
		}},
		"Settings": {hint: "abcd", happens: func(s *integration.Service, b *bundle, ctx context.Context) error {
			_, err := s.Change(ctx, b.accountID, integration.Change{AutoMap: new(integration.Off)}, b.by)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, b *bundle) {
				t.Helper()
				b.connected(t, 0)
				b.eu.AddKey(newKey)
				b.eu.AddKey(thirdKey)
				b.us.AddKey(apiKey)
				config := b.service.Config
				config.Store = between{Store: b.store, happens: func() {
					if err := c.happens(b.service, b, t.Context()); err != nil {
						t.Error(err)
					}
				}}
				_, err := integration.NewService(config).Change(t.Context(), b.accountID, integration.Change{APIKey: new(newKey)}, b.by)
				if errs.CodeOf(err) != c.want {
					t.Errorf("error %v, want %q", err, c.want)
				}
				in, err := b.store.Integration(t.Context(), b.accountID)
				if in.APIKeyHint != c.hint || (name == "Settings" && in.AutoMap != integration.Off) {
					t.Errorf("%+v, %v", in, err)
				}
			})
		})
	}
}

func TestNothingCanBeChangedWithoutAConnection(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		t.Helper()
		for name, change := range map[string]integration.Change{
			"Nothing": {}, "Key": {APIKey: new(apiKey)}, "Region": {Region: new("eu")}, "Settings": {AutoMap: new(integration.Off)},
		} {
			if _, err := b.service.Change(t.Context(), b.accountID, change, b.by); !errs.Is(err, errs.NotConnected) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, confirmed := range []bool{true, false} {
			if _, err := b.service.Deactivate(t.Context(), b.accountID, confirmed, b.by); !errs.Is(err, errs.NotConnected) {
				t.Errorf("deactivate, confirmed %v: %v", confirmed, err)
			}
		}
		if b.eu.CallCount() > 0 {
			t.Error("IT Glue was asked")
		}
	})
}

func TestDeactivationIsConfirmedFirst(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		t.Helper()
		b.connected(t, 3)
		before := len(b.events(t))
		_, err := b.service.Deactivate(t.Context(), b.accountID, false, b.by)
		refused, ok := errors.AsType[*errs.Error](err)
		if !ok || refused.Code != errs.ConfirmationRequired || !reflect.DeepEqual(refused.Params, map[string]any{"mappings": 3}) {
			t.Errorf("error %v", err)
		}
		b.worksWith(t, 5)
		if len(b.events(t)) != before {
			t.Error("something was recorded")
		}
		if n, err := b.service.Deactivate(t.Context(), b.accountID, true, b.by); err != nil || n != 3 {
			t.Errorf("%d removed, %v", n, err)
		}
		if _, err := b.service.Connect(t.Context(), b.accountID, b.by, apiKey, "eu"); err != nil {
			t.Errorf("reconnect: %v", err)
		}
	})
}
