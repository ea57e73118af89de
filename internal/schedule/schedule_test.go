package schedule_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/orgbridge/orgbridge/internal/errs"
	"github.com/orgbridge/orgbridge/internal/schedule"
)

// oddZones have, or had, uncommon offsets, changes at midnight, changes across it, changes of less or more than an hour, or dates
// that they skipped or lived twice; some are plain.
var oddZones = []string{
	"America/New_York", "America/Sao_Paulo", "America/Havana", "America/Asuncion", "America/Santiago", "America/Nuuk",
	"America/Scoresbysund", "America/St_Johns", "America/Goose_Bay", "America/Miquelon", "America/Caracas", "America/Adak",
	"America/Tijuana", "America/Phoenix", "America/Port-au-Prince", "America/Argentina/San_Luis", "America/Mexico_City",
	"Africa/Cairo", "Africa/Casablanca", "Africa/El_Aaiun", "Africa/Juba", "Africa/Sao_Tome", "Africa/Windhoek",
	"Antarctica/Troll", "Antarctica/Casey", "Antarctica/Macquarie", "Antarctica/Vostok",
	"Asia/Kathmandu", "Asia/Beirut", "Asia/Amman", "Asia/Damascus", "Asia/Gaza", "Asia/Hebron", "Asia/Tehran", "Asia/Pyongyang",
	"Asia/Almaty", "Asia/Kolkata", "Asia/Jerusalem", "Atlantic/Azores", "Australia/Lord_Howe", "Australia/Eucla", "Australia/Adelaide",
	"Europe/Dublin", "Europe/Lisbon", "Europe/Volgograd", "Europe/Chisinau", "Europe/London",
	"Pacific/Apia", "Pacific/Kwajalein", "Pacific/Kiritimati", "Pacific/Kanton", "Pacific/Chatham", "Pacific/Marquesas", "Pacific/Easter",
	"Pacific/Norfolk", "Pacific/Fiji", "Pacific/Tongatapu", "Pacific/Fakaofo", "Pacific/Bougainville",
	"Etc/GMT+12", "Etc/GMT-14", "UTC",
}

func newSchedule(t rapid.TB, zone, timeOfDay string) schedule.Schedule {
	t.Helper()
	s, err := schedule.New(zone, timeOfDay)
	if err != nil {
		t.Fatal(zone, timeOfDay, err)
	}
	return s
}

func instant(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02T15:04Z07:00", s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestNewTakesZonesAndTimesOfDay(t *testing.T) {
	t.Parallel()
	plain := []string{schedule.DefaultTimeZone, "EST5EDT", "GB-Eire", "Etc/GMT+5", "America/Indiana/Tell_City"}
	for _, zone := range append(plain, oddZones...) {
		for _, timeOfDay := range []string{schedule.DefaultTimeOfDay, "00:01", "09:05", "12:00", "23:59"} {
			newSchedule(t, zone, timeOfDay)
		}
	}
}

// faults are the pointers and codes with which a schedule is refused.
func faults(t *testing.T, zone, timeOfDay string) []string {
	t.Helper()
	_, err := schedule.New(zone, timeOfDay)
	refused, ok := errors.AsType[*errs.Error](err)
	if !ok || refused.Code != errs.ValidationFailed {
		t.Fatalf("%q %q: %v", zone, timeOfDay, err)
	}
	all := make([]string, 0, 2)
	for _, f := range refused.Fields {
		all = append(all, f.Pointer+" "+f.Code)
	}
	return all
}

const (
	zoneFault = "/dailySync/timeZone time-zone-unknown"
	timeFault = "/dailySync/time time-of-day-invalid"
)

func TestNewRefusesWhatIsNoZone(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{
		"", " ", "Local", "local", "Factory", "Mars/Olympus", "America", "America/", "America/New_York ", "america/new_york", "/UTC", "./UTC",
		"../zoneinfo/UTC", "America/../UTC", "America//New_York", "America/./New_York", "/usr/share/zoneinfo/UTC", `America\New_York`,
		"America/New_York\x00", "America/New_York\n", "posix/UTC", "right/UTC", "localtime", "posixrules", "tzdata.zi", "+05:00", "UTC+5",
	} {
		if diff := cmp.Diff([]string{zoneFault}, faults(t, zone, "00:00")); diff != "" {
			t.Errorf("%q (-want, +got)\n%s", zone, diff)
		}
	}
}

func TestNewRefusesWhatIsNoTimeOfDay(t *testing.T) {
	t.Parallel()
	for _, timeOfDay := range []string{
		"", "24:00", "23:60", "-1:00", "+1:00", "9:00", "09:0", "0900", "09:00:00",
		"009:00", " 09:00", "09:00 ", "09.00", "9:00 am", "٠٩:٠٠", "aa:bb",
	} {
		if diff := cmp.Diff([]string{timeFault}, faults(t, "UTC", timeOfDay)); diff != "" {
			t.Errorf("%q (-want, +got)\n%s", timeOfDay, diff)
		}
	}
}

func TestNewNamesAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]string{zoneFault, timeFault}, faults(t, "Mars/Olympus", "24:00")); diff != "" {
		t.Errorf("(-want, +got)\n%s", diff)
	}
}

// TestScheduleRunsAt has instants worked out by hand. Each group of dates is one without a gap: every next run is the next line.
func TestScheduleRunsAt(t *testing.T) {
	t.Parallel()
	type run struct {
		date schedule.Date
		at   string
	}
	for _, c := range []struct {
		name, zone, timeOfDay string
		runs                  []run
	}{
		{"nights of 23 hours: spring forward at 02:00", "America/New_York", "00:00", []run{
			{"2025-03-08", "2025-03-08T05:00Z"}, {"2025-03-09", "2025-03-09T05:00Z"}, {"2025-03-10", "2025-03-10T04:00Z"},
		}},
		{"nights of 25 hours: fall back at 02:00", "America/New_York", "00:00", []run{
			{"2025-11-01", "2025-11-01T04:00Z"}, {"2025-11-02", "2025-11-02T04:00Z"}, {"2025-11-03", "2025-11-03T05:00Z"},
		}},
		{"a time that is skipped", "America/New_York", "02:30", []run{
			{"2025-03-08", "2025-03-08T07:30Z"}, {"2025-03-09", "2025-03-09T07:00Z"}, {"2025-03-10", "2025-03-10T06:30Z"},
		}},
		{"the time to which the clocks go forward", "America/New_York", "03:00", []run{
			{"2025-03-09", "2025-03-09T07:00Z"}, {"2025-03-10", "2025-03-10T07:00Z"},
		}},
		{"the last minute before the change", "America/New_York", "01:59", []run{
			{"2025-03-09", "2025-03-09T06:59Z"}, {"2025-03-10", "2025-03-10T05:59Z"},
		}},
		{"a time that comes twice", "America/New_York", "01:30", []run{
			{"2025-11-01", "2025-11-01T05:30Z"}, {"2025-11-02", "2025-11-02T05:30Z"}, {"2025-11-03", "2025-11-03T06:30Z"},
		}},
		{"leap day", "America/New_York", "00:00", []run{
			{"2024-02-28", "2024-02-28T05:00Z"}, {"2024-02-29", "2024-02-29T05:00Z"}, {"2024-03-01", "2024-03-01T05:00Z"},
		}},
		{"the end of a leap year", "America/New_York", "23:59", []run{
			{"2024-12-29", "2024-12-30T04:59Z"}, {"2024-12-30", "2024-12-31T04:59Z"},
			{"2024-12-31", "2025-01-01T04:59Z"}, {"2025-01-01", "2025-01-02T04:59Z"},
		}},
		{"the end of a leap year beyond the listed changes", "America/New_York", "00:00", []run{
			{"2048-12-30", "2048-12-30T05:00Z"}, {"2048-12-31", "2048-12-31T05:00Z"},
			{"2049-01-01", "2049-01-01T05:00Z"}, {"2049-01-02", "2049-01-02T05:00Z"},
		}},
		{"no midnight", "America/Sao_Paulo", "00:00", []run{
			{"2018-11-03", "2018-11-03T03:00Z"}, {"2018-11-04", "2018-11-04T03:00Z"}, {"2018-11-05", "2018-11-05T02:00Z"},
		}},
		{"the midnight that falls back into the day before", "America/Sao_Paulo", "00:00", []run{
			{"2018-02-17", "2018-02-17T02:00Z"}, {"2018-02-18", "2018-02-18T03:00Z"}, {"2018-02-19", "2018-02-19T03:00Z"},
		}},
		{"the last hour of a date twice", "America/Sao_Paulo", "23:30", []run{
			{"2018-02-16", "2018-02-17T01:30Z"}, {"2018-02-17", "2018-02-18T01:30Z"}, {"2018-02-18", "2018-02-19T02:30Z"},
		}},
		{"no midnight", "Asia/Beirut", "00:00", []run{
			{"2025-03-29", "2025-03-28T22:00Z"}, {"2025-03-30", "2025-03-29T22:00Z"}, {"2025-03-31", "2025-03-30T21:00Z"},
		}},
		{"no midnight", "Africa/Cairo", "00:00", []run{
			{"2024-04-25", "2024-04-24T22:00Z"}, {"2024-04-26", "2024-04-25T22:00Z"}, {"2024-04-27", "2024-04-26T21:00Z"},
		}},
		{"the last hour of a date twice", "Africa/Cairo", "23:30", []run{
			{"2024-10-30", "2024-10-30T20:30Z"}, {"2024-10-31", "2024-10-31T20:30Z"}, {"2024-11-01", "2024-11-01T21:30Z"},
		}},
		{"no midnight", "America/Havana", "00:00", []run{
			{"2025-03-08", "2025-03-08T05:00Z"}, {"2025-03-09", "2025-03-09T05:00Z"}, {"2025-03-10", "2025-03-10T04:00Z"},
		}},
		{"midnight twice", "America/Havana", "00:00", []run{
			{"2025-11-01", "2025-11-01T04:00Z"}, {"2025-11-02", "2025-11-02T04:00Z"}, {"2025-11-03", "2025-11-03T05:00Z"},
		}},
		{"no midnight", "America/Asuncion", "00:00", []run{
			{"2023-09-30", "2023-09-30T04:00Z"}, {"2023-10-01", "2023-10-01T04:00Z"}, {"2023-10-02", "2023-10-02T03:00Z"},
		}},
		{"the last hour of a date twice", "America/Asuncion", "23:15", []run{
			{"2024-03-22", "2024-03-23T02:15Z"}, {"2024-03-23", "2024-03-24T02:15Z"}, {"2024-03-24", "2024-03-25T03:15Z"},
		}},
		{"a date that ends an hour early", "America/Nuuk", "23:30", []run{
			{"2024-03-29", "2024-03-30T01:30Z"}, {"2024-03-30", "2024-03-31T01:00Z"}, {"2024-03-31", "2024-04-01T00:30Z"},
		}},
		{"a date after one that ended an hour early", "America/Nuuk", "00:00", []run{
			{"2024-03-30", "2024-03-30T02:00Z"}, {"2024-03-31", "2024-03-31T01:00Z"}, {"2024-04-01", "2024-04-01T01:00Z"},
		}},
		{"the midnight that falls back into the day before", "America/Nuuk", "00:00", []run{
			{"2024-10-26", "2024-10-26T01:00Z"}, {"2024-10-27", "2024-10-27T02:00Z"}, {"2024-10-28", "2024-10-28T02:00Z"},
		}},
		{"midnight twice: back at one past", "America/St_Johns", "00:00", []run{
			{"2010-11-06", "2010-11-06T02:30Z"}, {"2010-11-07", "2010-11-07T02:30Z"}, {"2010-11-08", "2010-11-08T03:30Z"},
		}},
		{"forward at one past midnight", "America/St_Johns", "00:30", []run{
			{"2010-03-13", "2010-03-13T04:00Z"}, {"2010-03-14", "2010-03-14T03:31Z"}, {"2010-03-15", "2010-03-15T03:00Z"},
		}},
		{"half an hour skipped", "Australia/Lord_Howe", "02:15", []run{
			{"2024-10-05", "2024-10-04T15:45Z"}, {"2024-10-06", "2024-10-05T15:30Z"}, {"2024-10-07", "2024-10-06T15:15Z"},
		}},
		{"half an hour twice", "Australia/Lord_Howe", "01:45", []run{
			{"2025-04-05", "2025-04-04T14:45Z"}, {"2025-04-06", "2025-04-05T14:45Z"}, {"2025-04-07", "2025-04-06T15:15Z"},
		}},
		{"offset of 5:45", "Asia/Kathmandu", "00:00", []run{{"2025-06-01", "2025-05-31T18:15Z"}, {"2025-06-02", "2025-06-01T18:15Z"}}},
		{"offset of 13:45", "Pacific/Chatham", "00:00", []run{{"2025-01-01", "2024-12-31T10:15Z"}, {"2025-01-02", "2025-01-01T10:15Z"}}},
		{"two hours skipped", "Antarctica/Troll", "02:59", []run{
			{"2025-03-29", "2025-03-29T02:59Z"}, {"2025-03-30", "2025-03-30T01:00Z"}, {"2025-03-31", "2025-03-31T00:59Z"},
		}},
		{"two hours twice", "Antarctica/Troll", "01:30", []run{
			{"2025-10-25", "2025-10-24T23:30Z"}, {"2025-10-26", "2025-10-25T23:30Z"}, {"2025-10-27", "2025-10-27T01:30Z"},
		}},
		{"winter time that saves", "Europe/Dublin", "01:30", []run{
			{"2025-03-29", "2025-03-29T01:30Z"}, {"2025-03-30", "2025-03-30T01:00Z"}, {"2025-03-31", "2025-03-31T00:30Z"},
		}},
		{"winter time that saves", "Europe/Dublin", "01:30", []run{
			{"2025-10-25", "2025-10-25T00:30Z"}, {"2025-10-26", "2025-10-26T00:30Z"}, {"2025-10-27", "2025-10-27T01:30Z"},
		}},
		{"back for Ramadan", "Africa/Casablanca", "02:30", []run{
			{"2025-02-22", "2025-02-22T01:30Z"}, {"2025-02-23", "2025-02-23T01:30Z"}, {"2025-02-24", "2025-02-24T02:30Z"},
		}},
		{"forward after Ramadan", "Africa/Casablanca", "02:30", []run{
			{"2025-04-05", "2025-04-05T02:30Z"}, {"2025-04-06", "2025-04-06T02:00Z"}, {"2025-04-07", "2025-04-07T01:30Z"},
		}},
		{"30 December 2011 skipped", "Pacific/Apia", "00:00", []run{
			{"2011-12-28", "2011-12-28T10:00Z"}, {"2011-12-29", "2011-12-29T10:00Z"},
			{"2011-12-31", "2011-12-30T10:00Z"}, {"2012-01-01", "2011-12-31T10:00Z"},
		}},
		{"30 December 2011 skipped", "Pacific/Apia", "23:59", []run{{"2011-12-29", "2011-12-30T09:59Z"}, {"2011-12-31", "2011-12-31T09:59Z"}}},
		{"21 August 1993 skipped", "Pacific/Kwajalein", "12:00", []run{{"1993-08-20", "1993-08-21T00:00Z"}, {"1993-08-22", "1993-08-22T00:00Z"}}},
		{"31 December 1994 skipped", "Pacific/Kiritimati", "08:00", []run{
			{"1994-12-30", "1994-12-30T18:00Z"}, {"1995-01-01", "1994-12-31T18:00Z"},
		}},
		{"30 September 1969 twice", "Pacific/Kwajalein", "12:00", []run{
			{"1969-09-29", "1969-09-29T01:00Z"}, {"1969-09-30", "1969-09-30T01:00Z"}, {"1969-10-01", "1969-10-02T00:00Z"},
		}},
	} {
		t.Run(c.zone+": "+c.name, func(t *testing.T) {
			t.Parallel()
			s := newSchedule(t, c.zone, c.timeOfDay)
			want := schedule.DailyRun{Date: c.runs[0].date, At: instant(t, c.runs[0].at)}
			for i := range c.runs {
				if at, ok := s.At(want.Date); !ok || at != want.At {
					t.Errorf("at %s on %s: %v %v, want %v", c.timeOfDay, want.Date, ok, at, want.At)
				}
				if got := s.Next("", want.At.Add(-1)); got != want {
					t.Errorf("next just before %v: %v", want, got)
				}
				if i+1 == len(c.runs) {
					break
				}
				after := want.At
				want = schedule.DailyRun{Date: c.runs[i+1].date, At: instant(t, c.runs[i+1].at)}
				if got := s.Next("", after); got != want {
					t.Errorf("next after %v: %v, want %v", after, got, want)
				}
			}
		})
	}
}

func TestScheduleHasNoRunOnDatesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone string
		date schedule.Date
	}{
		{"Pacific/Apia", "2011-12-30"},
		{"Pacific/Fakaofo", "2011-12-30"},
		{"Pacific/Kwajalein", "1993-08-21"},
		{"Pacific/Kiritimati", "1994-12-31"},
		{"UTC", "2025-02-29"},
		{"UTC", "2025-1-1"},
		{"UTC", "2025-01-01T00:00:00Z"},
		{"UTC", ""},
	} {
		for _, timeOfDay := range []string{"00:00", "12:00", "23:59"} {
			if at, ok := newSchedule(t, c.zone, timeOfDay).At(c.date); ok {
				t.Errorf("%s has a run on %q, at %v", c.zone, c.date, at)
			}
		}
	}
}

// walk is the rule written down a second time: minute by minute, what the clocks of a zone show. It tells whether they show the date at
// all, and the first minute at which they show the time of that date or a later one.
func walk(t *rapid.T, zone, timeOfDay string, date time.Time) (first time.Time, exists bool) {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	midnight := date.Format(time.DateOnly)
	for at := date.Add(-30 * time.Hour); at.Before(date.Add(60 * time.Hour)); at = at.Add(time.Minute) {
		shown := at.In(loc).AppendFormat(nil, "2006-01-02 15:04")
		if string(shown[:len(midnight)]) == midnight {
			exists = true
		}
		if first.IsZero() && string(shown) >= midnight+" "+timeOfDay {
			first = at
		}
		if exists && !first.IsZero() {
			return first, true
		}
	}
	return time.Time{}, false
}

// nearChange draws a date of a zone, more often than not one with a change of its offset close by.
func nearChange(t *rapid.T, zone string, firstYear, lastYear int) time.Time {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	year := rapid.IntRange(firstYear, lastYear).Draw(t, "year")
	date := time.Date(year, 1, rapid.IntRange(1, 366).Draw(t, "day"), 0, 0, 0, 0, time.UTC)
	if rapid.IntRange(0, 3).Draw(t, "any day") == 0 {
		return date
	}
	for range 366 {
		_, today := date.In(loc).Zone()
		_, tomorrow := date.AddDate(0, 0, 1).In(loc).Zone()
		if today != tomorrow {
			break
		}
		date = date.AddDate(0, 0, 1)
	}
	return date.AddDate(0, 0, rapid.IntRange(-2, 2).Draw(t, "days off"))
}

func drawTimeOfDay(t *rapid.T) string {
	t.Helper()
	minute := rapid.OneOf(
		rapid.SampledFrom([]int{0, 1, 30, 60, 90, 120, 150, 180, 23*60 + 30, 24*60 - 1}), rapid.IntRange(0, 24*60-1),
	).Draw(t, "minute")
	return fmt.Sprintf("%02d:%02d", minute/60, minute%60)
}

// TestScheduleAgreesWithAWalkThroughTime begins in 1973: from then on all offsets are whole minutes.
func TestScheduleAgreesWithAWalkThroughTime(t *testing.T) {
	t.Parallel()
	for _, span := range [][2]int{{1973, 2023}, {2024, 2034}, {2038, 2100}} {
		rapid.Check(t, func(t *rapid.T) {
			t.Helper()
			zone, timeOfDay := rapid.SampledFrom(oddZones).Draw(t, "zone"), drawTimeOfDay(t)
			date := nearChange(t, zone, span[0], span[1])
			want, exists := walk(t, zone, timeOfDay, date)
			got, ok := newSchedule(t, zone, timeOfDay).At(schedule.Date(date.Format(time.DateOnly)))
			if ok != exists || !got.Equal(want) {
				t.Fatalf("%s of %s in %s: %v %v, want %v %v", timeOfDay, date.Format(time.DateOnly), zone, ok, got, exists, want)
			}
		})
	}
}

func TestF35ScheduleRunsOnceForEachLocalDateOfTenYears(t *testing.T) {
	t.Parallel()
	for _, zone := range oddZones {
		t.Run(zone, func(t *testing.T) {
			t.Parallel()
			minute := max(0, rand.N(2*24*60)-24*60) // midnight every other time
			eachDateRunsOnce(t, zone, fmt.Sprintf("%02d:%02d", minute/60, minute%60))
		})
	}
}

// eachDateRunsOnce counts dates by the calendar: none is skipped in these years.
func eachDateRunsOnce(t *testing.T, zone, timeOfDay string) {
	t.Helper()
	s := newSchedule(t, zone, timeOfDay)
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	first, _ := s.At("2024-01-01")
	run := s.Next("", first.Add(-1))
	const shape = "2006-01-02 15:04"
	for day.Year() < 2034 {
		date := schedule.Date(day.Format(time.DateOnly))
		want, shown := string(date)+" "+timeOfDay, run.At.In(loc).Format(shape)
		skipped := shown > want && run.At.Add(-time.Second).In(loc).Format(shape) < want
		if run.Date != date || (shown != want && !skipped) {
			t.Fatalf("%s in %s: %v, when the clocks show %s, want %s", timeOfDay, zone, run, shown, want)
		}
		if at, ok := s.At(date); !ok || at != run.At || s.Next("", at.Add(-1)) != run {
			t.Fatalf("%s in %s: %s runs at %v, and next before that is %v, want %v", timeOfDay, zone, date, at, s.Next("", at.Add(-1)), run)
		}
		next := s.Next("", run.At)
		if again := s.Next(run.Date, run.At.Add(-time.Hour)); again != next || !next.At.After(run.At) {
			t.Fatalf("%s in %s: after %v comes %v or, the clock put back, %v", timeOfDay, zone, run, next, again)
		}
		run, day = next, day.AddDate(0, 0, 1)
	}
}

func TestScheduleDecidesWhatIsDue(t *testing.T) {
	t.Parallel()
	const newYork = "America/New_York" // midnight of these dates is 05:00 UTC
	run := func(date schedule.Date, at string) *schedule.DailyRun {
		t.Helper()
		return &schedule.DailyRun{Date: date, At: instant(t, at)}
	}
	for _, c := range []struct {
		name            string
		zone, timeOfDay string
		last, planned   schedule.Date
		now             string
		want            schedule.Due
	}{
		{
			"not yet: nothing, the plan stays", newYork, "00:00", "2025-01-09", "2025-01-10", "2025-01-10T04:59Z",
			schedule.Due{Next: *run("2025-01-10", "2025-01-10T05:00Z")},
		},
		{
			"on the instant: runs", newYork, "00:00", "2025-01-09", "2025-01-10", "2025-01-10T05:00Z",
			schedule.Due{Run: run("2025-01-10", "2025-01-10T05:00Z"), Next: *run("2025-01-11", "2025-01-11T05:00Z")},
		},
		{
			"the first one ever: runs", newYork, "00:00", "", "2025-01-10", "2025-01-10T05:00Z",
			schedule.Due{Run: run("2025-01-10", "2025-01-10T05:00Z"), Next: *run("2025-01-11", "2025-01-11T05:00Z")},
		},
		{
			"twelve hours late: runs", newYork, "00:00", "2025-01-09", "2025-01-10", "2025-01-10T17:00Z",
			schedule.Due{Run: run("2025-01-10", "2025-01-10T05:00Z"), Next: *run("2025-01-11", "2025-01-11T05:00Z")},
		},
		{
			"later than that: missed", newYork, "00:00", "2025-01-09", "2025-01-10", "2025-01-10T17:01Z",
			schedule.Due{Missed: 1, Next: *run("2025-01-11", "2025-01-11T05:00Z")},
		},
		{
			"down for three nights, up in the fourth: one run", newYork, "00:00", "2025-01-09", "2025-01-10", "2025-01-13T05:20Z",
			schedule.Due{Run: run("2025-01-13", "2025-01-13T05:00Z"), Missed: 3, Next: *run("2025-01-14", "2025-01-14T05:00Z")},
		},
		{
			"down for four nights, up in the evening: no run", newYork, "00:00", "2025-01-09", "2025-01-10", "2025-01-13T23:00Z",
			schedule.Due{Missed: 4, Next: *run("2025-01-14", "2025-01-14T05:00Z")},
		},
		{
			"the planned date has had its run: nothing", newYork, "00:00", "2025-01-10", "2025-01-10", "2025-01-10T05:30Z",
			schedule.Due{Next: *run("2025-01-11", "2025-01-11T05:00Z")},
		},
		{
			"a date after the planned one has had its run: nothing", newYork, "00:00", "2025-01-11", "2025-01-10", "2025-01-10T05:30Z",
			schedule.Due{Next: *run("2025-01-12", "2025-01-12T05:00Z")},
		},
		{
			"nothing planned: plans, and catches nothing up", newYork, "00:00", "2025-01-08", "", "2025-01-10T05:30Z",
			schedule.Due{Next: *run("2025-01-11", "2025-01-11T05:00Z")},
		},
		{
			"nothing planned, tomorrow's date has had its run: plans the one after", newYork, "00:00", "2025-01-11", "", "2025-01-10T05:30Z",
			schedule.Due{Next: *run("2025-01-12", "2025-01-12T05:00Z")},
		},
		{
			"planned further ahead than a day: kept", newYork, "00:00", "2025-01-09", "2025-01-20", "2025-01-10T05:30Z",
			schedule.Due{Next: *run("2025-01-20", "2025-01-20T05:00Z")},
		},
		{
			"the planned date was skipped: the next one, and not missed", "Pacific/Apia", "12:00", "2011-12-29", "2011-12-30", "2011-12-30T22:00Z",
			schedule.Due{Run: run("2011-12-31", "2011-12-30T22:00Z"), Next: *run("2012-01-01", "2011-12-31T22:00Z")},
		},
		{
			"no midnight: runs at the change", "Africa/Cairo", "00:00", "2024-04-25", "2024-04-26", "2024-04-25T22:00Z",
			schedule.Due{Run: run("2024-04-26", "2024-04-25T22:00Z"), Next: *run("2024-04-27", "2024-04-26T21:00Z")},
		},
		{
			"the second midnight: nothing", "America/Havana", "00:00", "2025-11-02", "2025-11-03", "2025-11-02T05:00Z",
			schedule.Due{Next: *run("2025-11-03", "2025-11-03T05:00Z")},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := newSchedule(t, c.zone, c.timeOfDay).Due(c.last, c.planned, instant(t, c.now))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("mismatch (-want, +got)\n%s", diff)
			}
		})
	}
}

func TestScheduleThatChangedPlansADateWithoutARun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		zone, timeOfDay string
		last            schedule.Date
		now             string
		date            schedule.Date
		at              string
	}{
		{
			"a later time on the date of the last run: tomorrow",
			"UTC", "18:00", "2025-01-10", "2025-01-10T10:00Z", "2025-01-11", "2025-01-11T18:00Z",
		},
		{
			"a later time on a date without one: today",
			"UTC", "18:00", "2025-01-09", "2025-01-10T10:00Z", "2025-01-10", "2025-01-10T18:00Z",
		},
		{
			"an earlier time on a date without one: tomorrow",
			"UTC", "06:00", "2025-01-09", "2025-01-10T10:00Z", "2025-01-11", "2025-01-11T06:00Z",
		},
		{
			"this very minute: tomorrow",
			"UTC", "10:00", "2025-01-09", "2025-01-10T10:00Z", "2025-01-11", "2025-01-11T10:00Z",
		},
		{
			"never run: today",
			"UTC", "18:00", "", "2025-01-10T10:00Z", "2025-01-10", "2025-01-10T18:00Z",
		},
		// Midnight of the 11th was 10:00 UTC on the 10th in Kiritimati.
		{
			"to the far west: the 10th and 11th have had theirs",
			"Etc/GMT+12", "00:00", "2025-01-11", "2025-01-10T11:00Z", "2025-01-12", "2025-01-12T12:00Z",
		},
		{
			"to the far east: the 10th has had its",
			"Pacific/Kiritimati", "00:00", "2025-01-10", "2025-01-10T13:00Z", "2025-01-12", "2025-01-11T10:00Z",
		},
		{
			"to the far east: today's is still to come",
			"Pacific/Kiritimati", "23:00", "2025-01-10", "2025-01-10T13:00Z", "2025-01-11", "2025-01-11T09:00Z",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := newSchedule(t, c.zone, c.timeOfDay).Next(c.last, instant(t, c.now))
			if want := (schedule.DailyRun{Date: c.date, At: instant(t, c.at)}); got != want {
				t.Errorf("next %v, want %v", got, want)
			}
		})
	}
}

// nights follows an account's daily sync: what is kept of it, what ran, and how many dates were missed.
type nights struct {
	t               *testing.T
	zone, timeOfDay string
	last, planned   schedule.Date
	schedule        schedule.Schedule
	ran             []schedule.DailyRun
	missed          int
}

// look is what a node does every few seconds.
func (n *nights) look(now time.Time) {
	n.t.Helper()
	due := n.schedule.Due(n.last, n.planned, now)
	if !due.Next.At.After(now) {
		n.t.Fatalf("at %v the next run is planned for %v", now, due.Next)
	}
	if due.Run != nil {
		n.ran = append(n.ran, *due.Run)
		n.last = due.Run.Date
	}
	n.missed += due.Missed
	n.planned = due.Next.Date
}

// restart forgets all that is not kept as text.
func (n *nights) restart() {
	n.t.Helper()
	n.schedule = newSchedule(n.t, n.zone, n.timeOfDay)
}

func (n *nights) change(zone, timeOfDay string, now time.Time) {
	n.t.Helper()
	n.zone, n.timeOfDay = zone, timeOfDay
	n.restart()
	n.resume(now)
}

func (n *nights) resume(now time.Time) {
	n.t.Helper()
	next := n.schedule.Next(n.last, now)
	if !next.At.After(now) || next.Date <= n.last {
		n.t.Fatalf("at %v, after %s, the next run is planned for %v", now, n.last, next)
	}
	n.planned = next.Date
}

func (n *nights) noDateTwice() {
	n.t.Helper()
	for i := 1; i < len(n.ran); i++ {
		if n.ran[i].Date <= n.ran[i-1].Date {
			n.t.Fatalf("%v ran after %v", n.ran[i], n.ran[i-1])
		}
	}
}

// clock is one that nobody can rely on: it is put forward and back, and the program is down for hours and days.
type clock struct {
	random *rand.Rand
	real   time.Time
	wrong  time.Duration
}

func newClock(t *testing.T) *clock {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return &clock{random: rand.New(rand.NewPCG(seed, 0)), real: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}
}

func (c *clock) upTo(d time.Duration) time.Duration { return time.Duration(c.random.Int64N(int64(d))) }

func (c *clock) timeOfDay() string {
	minute := c.random.IntN(24 * 60)
	return fmt.Sprintf("%02d:%02d", minute/60, minute%60)
}

// next is what the clock shows when a node looks at it again.
func (c *clock) next() (now time.Time, restarted bool) {
	what := c.random.IntN(40)
	switch what {
	case 0:
		c.real = c.real.Add(c.upTo(100 * time.Hour)) // down
	case 1, 2:
		c.wrong = c.upTo(12*time.Hour) - 6*time.Hour
	case 3:
		c.wrong = 0
	default:
		c.real = c.real.Add(c.upTo(9 * time.Hour))
	}
	return c.real.Add(c.wrong), what == 0
}

// TestScheduleRunsEveryReachableDateOnce follows ten years of nights in some of the zones. A date is to run when the clock first
// shows its instant or a later one, if that is no more than twelve hours later and not yet the turn of the next date.
func TestScheduleRunsEveryReachableDateOnce(t *testing.T) {
	t.Parallel()
	for _, i := range rand.Perm(len(oddZones))[:15] {
		zone := oddZones[i]
		t.Run(zone, func(t *testing.T) {
			t.Parallel()
			c, n := newClock(t), &nights{t: t}
			n.change(zone, c.timeOfDay(), c.real)
			s := n.schedule
			next := s.Next("", c.real)
			var want []schedule.DailyRun
			missed := 0
			for c.real.Year() < 2034 {
				now, restarted := c.next()
				if restarted {
					n.restart()
				}
				n.look(now)
				for !next.At.After(now) {
					run := next
					next = s.Next("", run.At)
					if now.Sub(run.At) <= 12*time.Hour && next.At.After(now) {
						want = append(want, run)
					} else {
						missed++
					}
				}
			}
			if diff := cmp.Diff(want, n.ran); diff != "" || n.missed != missed {
				t.Errorf("at %s: %d missed, want %d; runs (-want, +got)\n%s", n.timeOfDay, n.missed, missed, diff)
			}
			n.noDateTwice()
			if len(want) < 2000 || missed < 20 {
				t.Errorf("%d runs and %d missed, too few to tell anything", len(want), missed)
			}
		})
	}
}

func TestScheduleRunsNoDateTwiceHoweverItIsChanged(t *testing.T) {
	t.Parallel()
	for range 5 {
		c, n := newClock(t), &nights{t: t}
		n.change(schedule.DefaultTimeZone, schedule.DefaultTimeOfDay, c.real)
		for c.real.Year() < 2034 {
			now, _ := c.next()
			n.look(now)
			switch c.random.IntN(10) {
			case 0:
				n.change(oddZones[c.random.IntN(len(oddZones))], c.timeOfDay(), now)
			case 1:
				c.real = c.real.Add(c.upTo(72 * time.Hour)) // paused for that long
				n.resume(c.real.Add(c.wrong))
			}
		}
		n.noDateTwice()
		if len(n.ran) < 1000 {
			t.Errorf("%d runs, too few to tell anything", len(n.ran))
		}
	}
}

// TestScheduleRunsInOrderInAllOfHistory includes all that was ever done to the clocks of the zones, back to local mean time.
func TestScheduleRunsInOrderInAllOfHistory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		t.Helper()
		zone := rapid.SampledFrom(oddZones).Draw(t, "zone")
		s := newSchedule(t, zone, drawTimeOfDay(t))
		date := nearChange(t, zone, 1840, 2200)
		run := s.Next("", date)
		for range 10 {
			next := s.Next("", run.At)
			if next.Date <= run.Date || !next.At.After(run.At) || next.At.Sub(run.At) > 50*time.Hour || s.Next(run.Date, date) != next {
				t.Fatalf("in %s, after %v comes %v", zone, run, next)
			}
			run = next
		}
	})
}
