// Package schedule decides when the daily sync of an account runs. It is pure: the caller brings the time and keeps the plan.
package schedule

import (
	"regexp"
	"time"
	_ "time/tzdata" // zones are known wherever the program runs

	"github.com/orgbridge/orgbridge/internal/errs"
)

// The schedule of an account that has not chosen one.
const (
	DefaultTimeZone  = "America/New_York"
	DefaultTimeOfDay = "00:00"
)

// CatchUp is how late a daily sync may begin. One that could not begin for longer is missed.
const CatchUp = 12 * time.Hour

// Date is a local date, "2006-01-02"; empty for none. Dates order as their texts do.
type Date string

func dateOf(day time.Time) Date { return Date(day.Format(time.DateOnly)) }

// day is the date's midnight, written in UTC; ok is false when it is none.
func (d Date) day() (day time.Time, ok bool) {
	day, err := time.Parse(time.DateOnly, string(d))
	return day, err == nil
}

// dayAfter is the day after the date; the first of all days after none.
func (d Date) dayAfter() time.Time {
	day, ok := d.day()
	if !ok {
		return time.Time{}
	}
	return day.AddDate(0, 0, 1)
}

// DailyRun is one daily sync of a schedule: the local date that it is for, and its instant, in UTC.
type DailyRun struct {
	Date Date
	At   time.Time
}

// Schedule is when an account's daily sync runs: once for each local date, at a time of day in a time zone. Make it with
// [New].
//
// A time that a date does not have, because the clocks are put forward over it, is replaced by the instant of that change, which may
// be the midnight that ends the date. A time that a date has twice counts at its first occurrence. A date that a zone skipped has no
// run.
//
// An account keeps two dates: that of its last run, and that of the run planned next. [Schedule.Next] plans whenever the schedule is
// new, changed or resumed, [Schedule.Due] whenever the planned run may have come. Both keep to dates later than the last one, so that
// no date runs twice: not when the clock is put back, nor when time or zone are changed after the run of the day. A run and the plan
// after it are to be stored together.
type Schedule struct {
	zone      *time.Location
	timeOfDay time.Duration // by the clock on the wall, not since midnight
}

// zoneName leaves out what a system's zone directory holds besides zones: other forms of them in lower-case folders, and lists.
var zoneName = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*)*$`)

// New returns the schedule of an IANA time zone and a time of day from "00:00" to "23:59". It answers
// [errs.ValidationFailed] with all faults at once.
func New(timeZone, timeOfDay string) (Schedule, error) {
	var faults []errs.Field
	zone, ok := loadZone(timeZone)
	if !ok {
		faults = append(faults, errs.Field{
			Pointer: "/dailySync/timeZone", Code: "time-zone-unknown",
			Detail: "The time zone must be a name of the IANA time zone database, such as America/New_York.",
		})
	}
	clock, err := time.Parse("15:04", timeOfDay)
	if err != nil || clock.Format("15:04") != timeOfDay {
		faults = append(faults, errs.Field{
			Pointer: "/dailySync/time", Code: "time-of-day-invalid", Detail: "The time must be HH:MM, from 00:00 to 23:59.",
		})
	}
	if len(faults) > 0 {
		return Schedule{}, errs.Invalid(faults...)
	}
	h, m, _ := clock.Clock()
	return Schedule{zone: zone, timeOfDay: time.Duration(h)*time.Hour + time.Duration(m)*time.Minute}, nil
}

func loadZone(name string) (zone *time.Location, ok bool) {
	if name == "Local" || name == "Factory" || !zoneName.MatchString(name) {
		return nil, false
	}
	zone, err := time.LoadLocation(name)
	return zone, err == nil
}

// At returns the instant of the run of a local date; ok is false when the zone has no such date, or it is none at all.
func (s Schedule) At(date Date) (at time.Time, ok bool) {
	day, ok := date.day()
	if !ok {
		return time.Time{}, false
	}
	return s.at(day)
}

// Next returns the first run after an instant that is for a date later than that of the last run (empty before the first). What came
// before the instant is not caught up: a schedule that is set to a time of day that has passed begins on the next date.
func (s Schedule) Next(last Date, after time.Time) DailyRun {
	_, _, next := s.upTo(later(s.today(after), last.dayAfter()), after)
	return next
}

// Due is what has become of a planned run.
type Due struct {
	Run    *DailyRun // to begin now, on time or late; nil for none
	Missed int       // dates that will have no run
	Next   DailyRun  // to be planned now; not yet come
}

// Due decides what to do when the run of the planned date may have come: nothing when it has not; otherwise the latest date that has
// come runs if that is no longer ago than [CatchUp], and all earlier ones are missed. Next is the planned run as long as it has not
// come, with the instant that it has by the zone data of today. Without a planned date nothing runs.
func (s Schedule) Due(last, planned Date, now time.Time) Due {
	day, ok := planned.day()
	if !ok {
		return Due{Next: s.Next(last, now)}
	}
	latest, come, next := s.upTo(later(day, last.dayAfter()), now)
	if come == 0 || now.Sub(latest.At) > CatchUp {
		return Due{Missed: come, Next: next}
	}
	return Due{Run: &latest, Missed: come - 1, Next: next}
}

// upTo goes through the runs from a day on: latest of those that have come by now, how many have, and the first that has not.
func (s Schedule) upTo(day, now time.Time) (latest DailyRun, come int, next DailyRun) {
	for ; ; day = day.AddDate(0, 0, 1) {
		at, exists := s.at(day)
		switch {
		case !exists:
		case at.After(now):
			return latest, come, DailyRun{Date: dateOf(day), At: at}
		default:
			latest, come = DailyRun{Date: dateOf(day), At: at}, come+1
		}
	}
}

func (s Schedule) at(day time.Time) (at time.Time, exists bool) {
	if !s.today(s.first(day)).Equal(day) {
		return time.Time{}, false
	}
	return s.first(day.Add(s.timeOfDay)), true
}

// today is the local date of an instant, as a day.
func (s Schedule) today(at time.Time) time.Time {
	year, month, day := at.In(s.zone).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// first returns the first instant at which the zone's clocks show a date and time (written in UTC) or a later one. It goes through
// the periods of equal offset, from before the first that may do: offsets are less than a day.
func (s Schedule) first(wall time.Time) time.Time {
	period := wall.AddDate(0, 0, -1).In(s.zone)
	for {
		_, offset := period.Zone()
		at := later(wall.Add(-time.Duration(offset)*time.Second), period) // the latter if the change skipped it
		_, end := period.ZoneBounds()
		// The bounds of a leap year's last period say that it ended on 30 December: an end that is past is none.
		if !end.After(period) || at.Before(end) {
			return at.UTC()
		}
		period = end
	}
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
