package integration

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/event"
	"github.com/orgbridge/orgbridge/pkg/itglue"
)

// noonUTC is 07:00 in New York, 17:30 in Kolkata.
func noonUTC() time.Time { return time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC) }

func at(t *testing.T, text string) *time.Time {
	t.Helper()
	instant, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return &instant
}

// connected is an integration that had its daily sync this night.
func connected(t *testing.T) Integration {
	t.Helper()
	return Integration{
		AccountID: "a", ID: "i", Region: itglue.RegionEU, SealedKey: []byte("old"), APIKeyHint: "-old", AutoMap: OnConnect, RemovalLimitPercent: 10,
		Daily: DailySync{
			Enabled: true, TimeZone: "America/New_York", Time: "00:00", LastDate: "2026-01-15", NextDate: "2026-01-16",
			NextRunAt: at(t, "2026-01-16T05:00:00Z"),
		},
	}
}

func TestAChangeTellsWhatItChangedAndNothingElse(t *testing.T) {
	t.Parallel()
	by := event.Actor{TokenName: "me"}
	settings := func(before, after event.Properties) []event.Event {
		return []event.Event{{Type: event.IntegrationChanged, Actor: by, Before: before, After: after}}
	}
	for name, c := range map[string]struct {
		change Change
		want   []event.Event
	}{
		"Nothing":   {Change{}, nil},
		"Force":     {Change{Force: true}, nil},
		"AsItIs":    {Change{AutoMap: new(OnConnect), RemovalLimitPercent: new(10), Daily: DailyChange{new(true), new("America/New_York"), new("00:00")}}, nil},
		"AutoMap":   {Change{AutoMap: new(Off)}, settings(event.Properties{"autoMap": "on_connect"}, event.Properties{"autoMap": "off"})},
		"NoRemoval": {Change{RemovalLimitPercent: new(0)}, settings(event.Properties{"removalLimitPercent": 10}, event.Properties{"removalLimitPercent": 0})},
		"Two": {
			Change{RemovalLimitPercent: new(100), AutoMap: new(EverySync)},
			settings(event.Properties{"autoMap": "on_connect", "removalLimitPercent": 10}, event.Properties{"autoMap": "every_sync", "removalLimitPercent": 100}),
		},
		"Time": {Change{Daily: DailyChange{Time: new("03:00")}}, settings(
			event.Properties{"dailySync": event.Properties{"time": "00:00"}}, event.Properties{"dailySync": event.Properties{"time": "03:00"}})},
		"Pause": {Change{Daily: DailyChange{Enabled: new(false)}}, []event.Event{{Type: event.DailySyncPaused, Actor: by}}},
		"PauseAndZone": {Change{Daily: DailyChange{Enabled: new(false), TimeZone: new("UTC")}}, append(settings(
			event.Properties{"dailySync": event.Properties{"timeZone": "America/New_York"}}, event.Properties{"dailySync": event.Properties{"timeZone": "UTC"}}),
			event.Event{Type: event.DailySyncPaused, Actor: by})},
	} {
		before := connected(t)
		changed, err := c.change.on(before, nil, noonUTC(), by)
		if err != nil || !reflect.DeepEqual(changed.Facts, c.want) {
			t.Errorf("%s: %+v, %v", name, changed.Facts, err)
		}
		if len(c.want) == 0 && !reflect.DeepEqual(changed.Integration, before) {
			t.Errorf("%s: %+v", name, changed.Integration)
		}
		if changed.KeyAccepted || changed.OtherKey || changed.OtherRegion {
			t.Errorf("%s: %+v", name, changed)
		}
	}
}

func TestTheDailySyncIsPlannedAnewWhenAnythingAboutItChanges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		paused bool
		change DailyChange
		date   string
		want   string // empty for none
	}{
		"Unchanged":           {change: DailyChange{}, date: "2026-01-16", want: "2026-01-16T05:00:00Z"},
		"Pause":               {change: DailyChange{Enabled: new(false)}},
		"PauseAgain":          {paused: true, change: DailyChange{Enabled: new(false)}},
		"Resume":              {paused: true, change: DailyChange{Enabled: new(true)}, date: "2026-01-16", want: "2026-01-16T05:00:00Z"},
		"ResumeWithSchedule":  {paused: true, change: DailyChange{new(true), new("UTC"), new("13:00")}, date: "2026-01-16", want: "2026-01-16T13:00:00Z"},
		"ScheduleWhilePaused": {paused: true, change: DailyChange{TimeZone: new("UTC"), Time: new("13:00")}},
		// The day's run was at midnight: a later time of the same day waits for the next.
		"LaterToday": {change: DailyChange{Time: new("23:00")}, date: "2026-01-16", want: "2026-01-17T04:00:00Z"},
		"Zone":       {change: DailyChange{TimeZone: new("Asia/Kolkata")}, date: "2026-01-16", want: "2026-01-15T18:30:00Z"},
	} {
		in := connected(t)
		if c.paused {
			in.Daily.Enabled, in.Daily.NextDate, in.Daily.NextRunAt = false, "", nil
		}
		changed, err := Change{Daily: c.change}.on(in, nil, noonUTC(), event.Actor{})
		d := changed.Integration.Daily
		got := ""
		if d.NextRunAt != nil {
			got = d.NextRunAt.Format(time.RFC3339)
		}
		if err != nil || d.NextDate != c.date || got != c.want || d.LastDate != "2026-01-15" {
			t.Errorf("%s: planned for %q at %q, %v; want %q at %q", name, d.NextDate, got, err, c.date, c.want)
		}
	}
}

func TestFaultsOfTheScheduleComeTogether(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		change DailyChange
		want   []string
	}{
		{DailyChange{}, nil},
		{DailyChange{TimeZone: new("Europe/Berlin"), Time: new("23:59")}, nil},
		{DailyChange{TimeZone: new("Mars/Base")}, []string{"/dailySync/timeZone"}},
		{DailyChange{Time: new("24:00")}, []string{"/dailySync/time"}},
		{DailyChange{TimeZone: new(""), Time: new("")}, []string{"/dailySync/timeZone", "/dailySync/time"}},
	} {
		got := (Change{Daily: c.change}).Check()
		if !slices.EqualFunc(got, c.want, func(fault errs.Field, pointer string) bool { return fault.Pointer == pointer }) {
			t.Errorf("%+v: %+v, want %q", c.change, got, c.want)
		}
	}
	if _, err := (Change{Daily: DailyChange{Time: new("24:00")}}).on(connected(t), nil, noonUTC(), event.Actor{}); !errs.Is(err, errs.ValidationFailed) {
		t.Errorf("error %v", err)
	}
}

func TestTriedCredentialsAreForTheIntegrationThatTheyWereTriedFor(t *testing.T) {
	t.Parallel()
	tried := func() *credentials {
		return &credentials{triedFor: connected(t), key: "ITG.a-long-new-key", region: itglue.RegionUS, sealed: []byte("new"), otherKey: true, otherRegion: true}
	}
	changed, err := Change{AutoMap: new(Off)}.on(connected(t), tried(), noonUTC(), event.Actor{})
	in := changed.Integration
	if err != nil || string(in.SealedKey) != "new" || in.Region != itglue.RegionUS || in.APIKeyHint != "-key" || in.AutoMap != Off || in.ID != "i" {
		t.Errorf("%+v, %v", in, err)
	}
	if !changed.KeyAccepted || !changed.OtherKey || !changed.OtherRegion {
		t.Errorf("%+v", changed)
	}
	want := []event.Event{{
		Type:   event.IntegrationChanged,
		Before: event.Properties{"region": "eu", "apiKeyHint": "-old", "autoMap": "on_connect"},
		After:  event.Properties{"region": "us", "apiKeyHint": "-key", "autoMap": "off"},
	}}
	if !reflect.DeepEqual(changed.Facts, want) {
		t.Errorf("%+v", changed.Facts)
	}
	for name, other := range map[string]func(*Integration){
		"Reconnected":    func(in *Integration) { in.ID = "j" },
		"AnotherKey":     func(in *Integration) { in.SealedKey = []byte("newer") },
		"AnotherRegion":  func(in *Integration) { in.Region = itglue.RegionAU },
		"OtherSettings":  func(in *Integration) { in.AutoMap, in.RemovalLimitPercent = EverySync, 3 },
		"BeenSyncedOnce": func(in *Integration) { in.ListedAt = new(noonUTC()) },
	} {
		in := connected(t)
		other(&in)
		_, err := Change{}.on(in, tried(), noonUTC(), event.Actor{})
		if conflict := name != "OtherSettings" && name != "BeenSyncedOnce"; errs.Is(err, errs.Conflict) != conflict || (err != nil) != conflict {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAKeyIsOfTheSameAccountWhenHalfOfTheSampleIsFoundByName(t *testing.T) {
	t.Parallel()
	sample := func(n int) (all []Mapped) {
		for i := range n {
			all = append(all, Mapped{ID: strconv.Itoa(i + 1), Name: fmt.Sprintf("Customer %d", i+1)})
		}
		return all
	}
	visible := func(n int, name string) (all []itglue.Organization) {
		for i := range n {
			all = append(all, itglue.Organization{ID: strconv.Itoa(i + 1), Name: fmt.Sprintf(name, i+1)})
		}
		return all
	}
	for name, c := range map[string]struct {
		sample  []Mapped
		visible []itglue.Organization
		found   int // negative: accepted
	}{
		"NoMappings":         {nil, nil, -1},
		"All":                {sample(200), visible(200, "Customer %d"), -1},
		"Half":               {sample(200), visible(100, "Customer %d"), -1},
		"LessThanHalf":       {sample(200), visible(99, "Customer %d"), 99},
		"None":               {sample(3), nil, 0},
		"OneOfOne":           {sample(1), visible(1, "Customer %d"), -1},
		"NoneOfOne":          {sample(1), nil, 0},
		"OneOfTwo":           {sample(2), visible(1, "Customer %d"), -1},
		"OneOfThree":         {sample(3), visible(1, "Customer %d"), 1},
		"SameIDsOtherNames":  {sample(200), visible(200, "Stranger %d"), 0},
		"CaseCounts":         {sample(1), visible(1, "customer %d"), 0},
		"OtherNormalization": {[]Mapped{{ID: "1", Name: "Cafe\u0301"}}, []itglue.Organization{{ID: "1", Name: "Caf\u00e9"}}, -1},
		"NULAsItIsStored":    {[]Mapped{{ID: "1", Name: "a\uFFFDb"}}, []itglue.Organization{{ID: "1", Name: "a\x00b"}}, -1},
		"NotAskedFor":        {sample(1), []itglue.Organization{{ID: "7", Name: "Customer 1"}}, 0},
	} {
		err := judgeAccount(1000, c.sample, c.visible)
		refused, ok := errors.AsType[*errs.Error](err)
		switch {
		case c.found < 0:
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case !ok || refused.Code != errs.DifferentITGlueAccount ||
			!reflect.DeepEqual(refused.Params, map[string]any{"mapped": 1000, "checked": len(c.sample), "found": c.found}):
			t.Errorf("%s: %v with %v", name, err, refused.Params)
		}
	}
}
